//! Names that stand for several: ranges such as `web[01-20]`, and globs such as `web*`.

/// Limit for the names of a target, and of one name with ranges: far more hosts than one controller
/// works on, and few enough that a typo in a number costs no memory.
pub(super) const MAX_NAMES: usize = 20_000;

/// Limit for the text of a name beside its ranges, which each name repeats: that of a name in DNS.
const MAX_TEXT_BYTES: usize = 255;

/// Limit for the digits of a number: those of the largest. More of them are zeros at its start,
/// which each name would repeat.
const MAX_DIGITS: usize = 20;

/// Limit for the ranges of one name: a site, a row, a rack and a host, and as many again.
const MAX_RANGES: usize = 8;

/// Returns the names that a name with ranges stands for, in their order. A name without a range
/// stands for itself.
pub(super) fn expand(name: &str) -> Result<Vec<String>, String> {
    let mut names = vec![String::new()];
    let (mut rest, mut text_bytes) = (name, 0);
    for ranges in 0.. {
        let (text, range) = next_range(&mut rest)?;
        text_bytes += text.len();
        if text_bytes > MAX_TEXT_BYTES {
            return Err(format!("it is longer than {MAX_TEXT_BYTES} bytes"));
        }
        names.iter_mut().for_each(|name| name.push_str(text));
        let Some(range) = range else { break };
        if ranges == MAX_RANGES {
            return Err(format!("it has more than {MAX_RANGES} ranges"));
        }
        names = with_numbers(&names, &numbers(range)?)?;
    }
    Ok(names)
}

/// Takes the text before the next range from `rest`, and that range if there is one.
fn next_range<'a>(rest: &mut &'a str) -> Result<(&'a str, Option<&'a str>), String> {
    let (text, after) = match rest.split_once('[') {
        Some((text, after)) => (text, Some(after)),
        None => (*rest, None),
    };
    if text.contains(']') {
        return Err("there is no `[` before its `]`".into());
    }
    let Some(after) = after else {
        return Ok((text, None));
    };
    let (range, after) = after
        .split_once(']')
        .ok_or("there is no `]` after its `[`")?;
    *rest = after;
    Ok((text, Some(range)))
}

fn with_numbers(names: &[String], numbers: &[String]) -> Result<Vec<String>, String> {
    if names.len().saturating_mul(numbers.len()) > MAX_NAMES {
        return Err(too_many());
    }
    let all = names.iter().flat_map(|name| {
        let with = move |number: &String| format!("{name}{number}");
        numbers.iter().map(with)
    });
    Ok(all.collect())
}

fn too_many() -> String {
    format!("it stands for more than {MAX_NAMES} names")
}

/// Reads `1-20`, `01-20` or `1,3,7-9`. Zeros at the start of a number are kept.
fn numbers(range: &str) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for part in range.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (low, high) = (number(first)?, number(last)?);
        if high < low {
            return Err(format!("its range `{part}` ends before it begins"));
        }
        let left = MAX_NAMES - all.len();
        if high - low >= left as u64 {
            return Err(too_many());
        }
        let width = if first.starts_with('0') {
            first.len()
        } else {
            0
        };
        all.extend((low..=high).map(|number| format!("{number:0width$}")));
    }
    Ok(all)
}

fn number(digits: &str) -> Result<u64, String> {
    let is_number = (1..=MAX_DIGITS).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number
        .then(|| digits.parse().ok())
        .flatten()
        .ok_or_else(|| {
            format!(
                "`{}` is no number; write a range as in `web[1-20]`",
                digits.escape_debug()
            )
        })
}

/// Returns true if the name is a glob: `*` stands for any text, `?` for one character.
pub(super) fn is_glob(name: &str) -> bool {
    name.contains(['*', '?'])
}

/// Returns true if `glob` matches all of `name`.
pub(super) fn matches(glob: &str, name: &str) -> bool {
    let (glob, name): (Vec<_>, Vec<_>) = (glob.chars().collect(), name.chars().collect());
    let (mut at, mut read) = (0, 0);
    // The place after the last `*`, and the characters that this `*` stands for so far.
    let mut star = None;
    while read < name.len() {
        match glob.get(at) {
            Some('*') => {
                star = Some((at + 1, read));
                at += 1;
            }
            Some(c) if *c == '?' || *c == name[read] => (at, read) = (at + 1, read + 1),
            _ => {
                let Some((after, taken)) = star else {
                    return false;
                };
                star = Some((after, taken + 1));
                (at, read) = (after, taken + 1);
            }
        }
    }
    glob[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_count_as_they_are_written() {
        for (name, names) in [
            ("web", &["web"][..]),
            ("web[1-3]", &["web1", "web2", "web3"]),
            ("web[08-10]x", &["web08x", "web09x", "web10x"]),
            ("[9-11]", &["9", "10", "11"]),
            ("r[1-2]n[1,3]", &["r1n1", "r1n3", "r2n1", "r2n3"]),
            ("web[00-01]", &["web00", "web01"]),
        ] {
            assert_eq!(expand(name).unwrap(), names, "{name}");
        }
        for (name, reason) in [
            ("web[", "there is no `]` after its `[`"),
            ("web]", "there is no `[` before its `]`"),
            ("web[]", "`` is no number; write a range as in `web[1-20]`"),
            (
                "web[a-c]",
                "`a` is no number; write a range as in `web[1-20]`",
            ),
            ("web[3-1]", "its range `3-1` ends before it begins"),
            ("web[1-99999999]", "it stands for more than 20000 names"),
            ("a[1-9999][1-9999]", "it stands for more than 20000 names"),
            (
                "a[1-9999,1-9999,1-9999]",
                "it stands for more than 20000 names",
            ),
            ("a]b[1]", "there is no `[` before its `]`"),
            (&"[1]".repeat(9), "it has more than 8 ranges"),
            (&"[1]".repeat(100_000), "it has more than 8 ranges"),
            (&"a".repeat(256), "it is longer than 255 bytes"),
        ] {
            assert_eq!(expand(name).unwrap_err(), reason, "{name}");
        }
        let wide = format!("a[{}1]", "0".repeat(1 << 16));
        assert!(
            expand(&wide)
                .unwrap_err()
                .ends_with("` is no number; write a range as in `web[1-20]`")
        );
        assert_eq!(expand(&"[1]".repeat(8)).unwrap(), ["11111111"]);
    }

    /// The plainest way to say what a glob matches.
    fn matches_naively(glob: &str, name: &str) -> bool {
        let Some(first) = glob.chars().next() else {
            return name.is_empty();
        };
        let rest = &glob[first.len_utf8()..];
        let tail = |name: &str| {
            name.chars()
                .next()
                .map(|c| (c, name[c.len_utf8()..].to_owned()))
        };
        match (first, tail(name)) {
            ('*', None) => matches_naively(rest, name),
            ('*', Some((_, tail))) => matches_naively(rest, name) || matches_naively(glob, &tail),
            ('?', Some((_, tail))) => matches_naively(rest, &tail),
            (first, Some((c, tail))) => first == c && matches_naively(rest, &tail),
            (_, None) => false,
        }
    }

    proptest! {
        #[test]
        fn globs_match_as_they_should(glob in "[ab*?]{0,7}", name in "[ab]{0,7}") {
            prop_assert_eq!(matches(&glob, &name), matches_naively(&glob, &name));
        }
    }
}
