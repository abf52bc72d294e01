//! The script that starts the agent, as words and as a line for any shell.

use crate::ways::Shell;

pub(super) const SCRIPT: &str = include_str!("script.sh");
/// Program that runs the starter from memory where no file can be executed.
pub(super) const PYTHON: &str = include_str!("memory.py");
pub(super) const PERL: &str = include_str!("memory.pl");

/// Arguments of the script. All of them consist of characters that mean nothing to any shell.
pub(crate) struct Terms<'a> {
    /// Marks our lines; random, so that no banner contains it by chance.
    pub(crate) token: &'a str,
    /// The agent's title in process lists.
    pub(crate) title: &'a str,
    /// The starters and images that may be kept there, or `-`.
    pub(crate) images: &'a str,
}

/// Returns the script as a command to run, and as a line that a login shell of any kind turns into
/// the same command.
pub(crate) fn shell(terms: &Terms<'_>) -> Shell {
    let Terms {
        token,
        title,
        images,
    } = *terms;
    let script = SCRIPT
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let script = script.collect::<Vec<_>>().join(" ");
    let [python, perl] = [PYTHON, PERL].map(|program| {
        program
            .lines()
            .collect::<Vec<_>>()
            .join(";")
            .replace(";;", ";")
    });
    let line = format!("exec sh -c '{script}' {token} {title} {images} '{python}' '{perl}'");
    let argv = ["sh", "-c", &script, token, title, images, &python, &perl]
        .map(Into::into)
        .into();
    Shell { argv, line }
}
