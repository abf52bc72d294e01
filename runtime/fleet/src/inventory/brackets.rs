//! Brackets in addresses, as in `ssh:[::1]:22` and `exec:["sh","-c"]`: commas and colons within
//! them separate nothing.

/// Follows a text of addresses, character by character. Brackets in JSON strings do not count.
#[derive(Debug, Default)]
struct Brackets {
    depth: i32,
    in_string: bool,
    is_escaped: bool,
}

impl Brackets {
    /// Takes the next character. Returns true if it stands outside of brackets.
    fn is_outside(&mut self, c: char) -> bool {
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

/// Returns the characters of a target that stand outside of brackets, with their positions: only
/// those can separate one address from the next.
///
/// ```
/// # use wxec_fleet::__docs as wxec;
/// use wxec::inventory::outside_brackets;
///
/// let commas = outside_brackets(r#"exec:["a","b"],web1"#).filter(|(_, c)| *c == ',');
/// assert_eq!(commas.map(|(at, _)| at).collect::<Vec<_>>(), [14]);
/// ```
pub fn outside_brackets(target: &str) -> impl Iterator<Item = (usize, char)> {
    let mut brackets = Brackets::default();
    target
        .char_indices()
        .filter(move |(_, c)| brackets.is_outside(*c))
}

/// Splits a target at `separator`, except in brackets, and trims the parts. The separator is an ASCII
/// character.
///
/// ```
/// # use wxec_fleet::__docs as wxec;
/// use wxec::inventory::split_outside_brackets;
///
/// let parts = split_outside_brackets(r#"web1, exec:["a","b"]"#, ',');
/// assert_eq!(parts.collect::<Vec<_>>(), ["web1", r#"exec:["a","b"]"#]);
/// ```
pub fn split_outside_brackets(target: &str, separator: char) -> impl Iterator<Item = &str> {
    let places = outside_brackets(target).filter(move |(_, c)| *c == separator);
    let ends = places.map(|(at, _)| at).chain([target.len()]);
    let mut start = 0;
    ends.map(move |end| {
        let part = &target[start..end];
        start = end + 1;
        part.trim()
    })
}
