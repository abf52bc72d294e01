//! Brackets in addresses, as in `ssh:[::1]:22` and `exec:["sh","-c"]`: commas and colons within
//! them separate nothing.

/// Follows a text of addresses, character by character. Brackets in JSON strings do not count.
#[derive(Debug, Default)]
pub(crate) struct Brackets {
    depth: i32,
    in_string: bool,
    is_escaped: bool,
}

impl Brackets {
    /// Takes the next character. Returns true if it stands outside of brackets.
    pub(crate) fn is_outside(&mut self, c: char) -> bool {
        match c {
            _ if std::mem::take(&mut self.is_escaped) => {}
            '\\' if self.in_string => self.is_escaped = true,
            '"' if self.depth > 0 => self.in_string = !self.in_string,
            '[' if !self.in_string => self.depth += 1,
            ']' if !self.in_string => self.depth -= 1,
            _ => {}
        }
        self.depth == 0
    }
}
