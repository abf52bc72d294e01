//! The lines of functions: syn keeps none outside of macros.

use syn::{Signature, ext::IdentExt, visit::Visit};

/// The lines on which functions of a name begin, in order. Visits functions that cannot be tasks,
/// to skip their lines.
pub(crate) struct Lines {
    name: String,
    left: std::vec::IntoIter<usize>,
}

impl Lines {
    /// Finds the lines in `source` on which functions `name` begin.
    pub(crate) fn of(source: &str, name: &str) -> Self {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let begins = |line: &str| {
            line.match_indices("fn ").any(|(at, word)| {
                let rest = line[at + word.len()..].trim_start();
                let rest = rest.strip_prefix("r#").unwrap_or(rest).strip_prefix(name);
                !line[..at].ends_with(is_word)
                    && rest.is_some_and(|rest| !rest.starts_with(is_word))
            })
        };
        let lines = source
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with("//") && begins(line));
        let left = lines
            .map(|(index, _)| index + 1)
            .collect::<Vec<_>>()
            .into_iter();
        Self {
            name: name.into(),
            left,
        }
    }

    pub(crate) fn next(&mut self) -> usize {
        self.left.next().unwrap_or(1)
    }
}

impl Visit<'_> for Lines {
    fn visit_signature(&mut self, signature: &Signature) {
        if signature.ident.unraw() == self.name {
            self.next();
        }
    }
}
