//! Reads the types of parameters as the source spells them, to check arguments early. The guest has
//! the last word.

/// The type that an argument should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Type {
    Unit,
    Bool,
    Char,
    Integer {
        min: i128,
        max: u128,
    },
    Float,
    Text,
    /// One string of bytes in CBOR.
    Bytes,
    Option(Box<Self>),
    List {
        item: Box<Self>,
        length: Option<usize>,
    },
    Tuple(Vec<Self>),
    Map {
        key: Box<Self>,
        value: Box<Self>,
    },
    /// A user's own type: any JSON may be right.
    Any,
}

const BYTE: Type = Type::Integer {
    min: 0,
    max: u8::MAX as u128,
};

impl Type {
    /// Reads a type such as `Vec<(String, usize)>`. Unknown types become [`Any`](Self::Any).
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.trim();
        if let Some(referent) = text.strip_prefix('&') {
            return Self::parse_referent(referent);
        }
        if let Some(inside) = text
            .strip_prefix('(')
            .and_then(|text| text.strip_suffix(')'))
        {
            return match &*split(inside) {
                [] => Self::Unit,
                // Parentheses without a comma are only parentheses.
                [one] if !inside.trim_end().ends_with(',') => Self::parse(one),
                items => Self::Tuple(items.iter().map(|item| Self::parse(item)).collect()),
            };
        }
        if let Some(inside) = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
        {
            return match inside.rsplit_once(';') {
                Some((item, length)) => Self::list(item, length.trim().parse().ok()),
                None => Self::list(inside, None),
            };
        }
        match text.strip_suffix('>').and_then(|text| text.split_once('<')) {
            Some((name, generics)) => Self::parse_generic(last_segment(name), &split(generics)),
            None => Self::parse_name(last_segment(text)),
        }
    }

    fn parse_referent(text: &str) -> Self {
        let text = text.trim_start();
        let text = match text.strip_prefix('\'') {
            Some(lifetime) => {
                lifetime.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_')
            }
            None => text,
        };
        match Self::parse(text.trim_start().strip_prefix("mut ").unwrap_or(text)) {
            // A borrowed slice of bytes travels as one string, unlike a list of them.
            Self::List { item, length: None }
                if *item == BYTE && text.trim_start().starts_with('[') =>
            {
                Self::Bytes
            }
            referent => referent,
        }
    }

    fn parse_name(name: &str) -> Self {
        macro_rules! integers {
            ($($integer:ident)*) => {
                match name {
                    "bool" => Self::Bool,
                    "char" => Self::Char,
                    "f32" | "f64" => Self::Float,
                    "str" | "String" | "Path" | "PathBuf" => Self::Text,
                    "Bytes" | "ByteBuf" => Self::Bytes,
                    $(stringify!($integer) => Self::Integer { min: $integer::MIN as i128, max: $integer::MAX as u128 },)*
                    _ => Self::Any,
                }
            };
        }
        integers!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize)
    }

    fn parse_generic(name: &str, generics: &[&str]) -> Self {
        match (name, generics) {
            ("Option", [item]) => Self::Option(Box::new(Self::parse(item))),
            ("Box" | "Rc" | "Arc" | "Cow", [item]) => Self::parse(item),
            ("Vec" | "VecDeque" | "LinkedList" | "HashSet" | "BTreeSet" | "IndexSet", [item]) => {
                Self::list(item, None)
            }
            ("HashMap" | "BTreeMap" | "IndexMap", [key, value]) => Self::Map {
                key: Box::new(Self::parse(key)),
                value: Box::new(Self::parse(value)),
            },
            _ => Self::Any,
        }
    }

    fn list(item: &str, length: Option<usize>) -> Self {
        Self::List {
            item: Box::new(Self::parse(item)),
            length,
        }
    }

    /// Returns true if no part of the type is [`Any`](Self::Any).
    pub(crate) fn is_known(&self) -> bool {
        match self {
            Self::Any => false,
            Self::Option(item) | Self::List { item, .. } => item.is_known(),
            Self::Tuple(items) => items.iter().all(Self::is_known),
            Self::Map { key, value } => key.is_known() && value.is_known(),
            _ => true,
        }
    }

    /// Returns true for both forms of bytes: one string of bytes, and a list of numbers.
    pub(crate) fn is_bytes(&self) -> bool {
        match self {
            Self::Bytes => true,
            Self::List { item, .. } => **item == BYTE,
            _ => false,
        }
    }
}

/// Returns `HashMap` for `std::collections::HashMap`.
fn last_segment(path: &str) -> &str {
    path.trim().rsplit("::").next().unwrap_or_default()
}

/// Splits at the commas outside of brackets, and leaves lifetimes out.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_i32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' if text[..at].ends_with('-') => {}
            '>' | ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
        .into_iter()
        .map(str::trim)
        .filter(|part| !part.is_empty() && !part.starts_with('\''))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(item: Type) -> Type {
        Type::Option(Box::new(item))
    }

    fn list(item: Type) -> Type {
        Type::List {
            item: Box::new(item),
            length: None,
        }
    }

    #[test]
    fn types_are_read() {
        let signed = Type::Integer {
            min: i64::MIN.into(),
            max: i64::MAX as u128,
        };
        for (text, expected) in [
            ("String", Type::Text),
            ("&'static str", Type::Text),
            ("Cow<'static, str>", Type::Text),
            ("& mut std::string::String", Type::Text),
            ("&std::path::Path", Type::Text),
            ("i64", signed.clone()),
            ("()", Type::Unit),
            ("(u8, )", Type::Tuple(vec![BYTE])),
            ("(u8)", BYTE),
            ("&[u8]", Type::Bytes),
            ("&'a [u8]", Type::Bytes),
            ("Vec<u8>", list(BYTE)),
            ("&Vec<u8>", list(BYTE)),
            (
                "[bool; 3]",
                Type::List {
                    item: Box::new(Type::Bool),
                    length: Some(3),
                },
            ),
            ("[bool; N]", list(Type::Bool)),
            (
                "Option<Vec<(String, i64)>>",
                option(list(Type::Tuple(vec![Type::Text, signed]))),
            ),
            (
                "std::collections::BTreeMap<String, Vec<Option<f64>>>",
                Type::Map {
                    key: Box::new(Type::Text),
                    value: Box::new(list(option(Type::Float))),
                },
            ),
            ("Box<dyn Fn(u8, u8) -> bool + Send>", Type::Any),
            ("HashMap<String, u8, MyHasher>", Type::Any),
            ("my::Vec2", Type::Any),
            ("<Vec<u8> as IntoIterator>::Item", Type::Any),
            ("", Type::Any),
            ("integer", Type::Any),
        ] {
            assert_eq!(Type::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn nonsense_is_any() {
        for text in [
            "<",
            ">",
            "><",
            "Vec<",
            "Vec<>",
            "Vec>",
            "((",
            "[;]",
            "&",
            "&'",
            "Option<,>",
            "Vec<u8",
            ",",
        ] {
            let _ = Type::parse(text);
        }
        assert_eq!(Type::parse("Vec<>"), Type::Any);
    }
}
