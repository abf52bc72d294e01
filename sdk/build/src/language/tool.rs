//! Tools of languages: named by a variable, or found in `PATH`.

use std::{
    ffi::OsString,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{
    BuildError,
    base::variables::given,
    cargo::command::find_in_path,
    language::{project::Project, recipe::Language},
};

/// A tool, and the first of its arguments, as in `python3 -m ziglang`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tool {
    pub(crate) program: PathBuf,
    pub(crate) words: Vec<OsString>,
}

impl Tool {
    /// Returns the tool that these words start, if `PATH` has it.
    pub(crate) fn found(words: &[&str]) -> Option<Self> {
        let (program, words) = words.split_first()?;
        Some(Self {
            program: find_in_path(program)?,
            words: words.iter().map(Into::into).collect(),
        })
    }

    /// Returns the tool that a variable names, perhaps with its first arguments behind spaces.
    pub(crate) fn given(variable: &str) -> Option<Self> {
        let value = given(variable)?.into_string().ok()?;
        let words: Vec<_> = value.split_whitespace().collect();
        let (program, words) = words.split_first()?;
        Some(Self {
            // A program that is not there is named by the error about its start.
            program: find_in_path(program).unwrap_or_else(|| program.into()),
            words: words.iter().map(Into::into).collect(),
        })
    }

    /// Returns a command that runs the tool in the folder of the project.
    pub(crate) fn command(&self, project: &Project) -> Command {
        let mut command = project.command(&self.program);
        command.args(&self.words);
        command
    }

    /// Returns what the tool answers to a short question, if it does.
    pub(crate) fn answer(&self, project: &Project, question: &[&str]) -> Option<String> {
        let mut command = self.command(project);
        let output = command.args(question).stderr(Stdio::null()).output().ok()?;
        let answer = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| answer.trim().to_owned())
    }
}

/// Makes the error about a tool that is not there.
pub(crate) fn missing(language: &Language, tool: &str, advice: &'static str) -> BuildError {
    BuildError::NoTool {
        tool: tool.into(),
        language: language.title,
        problem: "is not in PATH".into(),
        advice,
    }
}
