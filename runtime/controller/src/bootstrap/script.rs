//! The script that starts the agent, as words and as a line for any shell.

use crate::transport::Shell;

pub(super) const SCRIPT: &str = include_str!("script.sh");
/// What starts the agent from memory where no file can be executed.
pub(super) const PYTHON: &str = include_str!("memory.py");
pub(super) const PERL: &str = include_str!("memory.pl");

/// What the script is told. All of it consists of characters that mean nothing to any shell.
pub(crate) struct Terms<'a> {
    /// What our lines begin with; random, so that no banner says it by chance.
    pub(crate) token: &'a str,
    /// What lists of processes show the agent as.
    pub(crate) title: &'a str,
    /// The images that may be kept there, or `-`.
    pub(crate) images: &'a str,
}

/// The script as a command to run, and as a line that a login shell of any kind turns into the same.
pub(crate) fn shell(terms: &Terms<'_>) -> Shell {
    let Terms { token, title, images } = *terms;
    let script = SCRIPT.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let script = script.collect::<Vec<_>>().join(" ");
    let [python, perl] = [PYTHON, PERL].map(|program| program.lines().collect::<Vec<_>>().join(";").replace(";;", ";"));
    let line = format!("exec sh -c '{script}' {token} {title} {images} '{python}' '{perl}'");
    let argv = ["sh", "-c", &script, token, title, images, &python, &perl].map(Into::into).into();
    Shell { argv, line }
}
