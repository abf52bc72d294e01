//! Files in make's syntax by which rustc and cargo tell what they have read.

use std::path::PathBuf;

/// Contents of such a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct DepInfo {
    /// Files that were read.
    pub(crate) sources: Vec<PathBuf>,
    /// Variables of the environment that were read, set or not.
    pub(crate) variables: Vec<String>,
}

impl DepInfo {
    pub(crate) fn parse(text: &str) -> Self {
        let comments = text.lines().filter_map(|line| line.strip_prefix('#'));
        let variables =
            comments.filter_map(|comment| comment.trim_start().strip_prefix("env-dep:"));
        let name = |variable: &str| variable.split('=').next().unwrap_or_default().to_owned();
        let rules = text.lines().filter(|line| !line.starts_with('#'));
        Self {
            variables: variables.map(name).collect(),
            sources: rules
                .filter_map(|line| line.split_once(": "))
                .flat_map(|(_, names)| prerequisites(names))
                .collect(),
        }
    }
}

/// Splits the right side of a rule, where spaces within a name are escaped.
fn prerequisites(names: &str) -> Vec<PathBuf> {
    const ESCAPED: char = '\0';
    let names = names.replace("\\ ", &ESCAPED.to_string());
    names
        .split_whitespace()
        .map(|name| name.replace(ESCAPED, " ").into())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn names_may_have_spaces() {
        let info = DepInfo::parse("/t/words.wasm: /my\\ code/src/lib.rs /my\\ code/src/stats.rs\n");

        let expected = ["/my code/src/lib.rs", "/my code/src/stats.rs"].map(Path::new);
        assert_eq!(info.sources, expected);
        assert!(info.variables.is_empty());
        assert_eq!(DepInfo::parse(""), DepInfo::default());
    }

    #[test]
    fn variables_are_named_whether_set_or_not() {
        let text =
            "/t/words.d: src/lib.rs\n\nsrc/lib.rs:\n\n# env-dep:MODE=a: b=c\n# env-dep:UNSET\n";

        let info = DepInfo::parse(text);

        assert_eq!(info.sources, [Path::new("src/lib.rs")]);
        assert_eq!(info.variables, ["MODE", "UNSET"]);
    }
}
