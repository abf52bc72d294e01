//! Reads a guest's arguments: finds them in the input first, then decodes them one by one, so that
//! an error can name the argument.

use std::{ops::Range, slice};

use bytes::Bytes;
use wxec_protocol::cbor::{self, DecodeError, Items};

use super::{form, output::Stop, types::Argument};

/// Name and type of a parameter, as written.
type Parameter = (&'static str, &'static str);

/// The arguments of a call that are not yet taken.
#[derive(Debug)]
pub struct Input {
    bytes: Bytes,
    items: Vec<Option<Range<usize>>>,
    parameters: slice::Iter<'static, Parameter>,
}

impl Input {
    /// Finds the argument of each of the task's parameters.
    pub fn split(bytes: Bytes, parameters: &'static [Parameter]) -> Result<Self, Stop> {
        let (form, start) = cbor::form(&bytes);
        form::set(form);
        let bytes = bytes.slice(start..);
        let items = match cbor::items(&bytes) {
            Ok(Items::Positional(items)) => by_position(items, parameters),
            Ok(Items::Named(items)) => by_name(items, parameters),
            Err(error) => Err(format!("the arguments cannot be read: {error}")),
        };
        let mut items = items.map_err(Stop::BadArguments)?;
        items.reverse();
        Ok(Self {
            bytes,
            items,
            parameters: parameters.iter(),
        })
    }

    /// Takes the next parameter's argument. A missing argument counts as null, which an `Option`
    /// decodes to `None`.
    pub fn take<T: Argument + ?Sized>(&mut self) -> Result<T::Owned, Stop> {
        let (name, type_name) = self
            .parameters
            .next()
            .expect("the macro takes each parameter once");
        let complaint = match self.items.pop().flatten() {
            Some(item) => match cbor::decode_shared_as(form::current(), self.bytes.slice(item)) {
                Ok(value) => return Ok(value),
                Err(DecodeError::Within { path, reason }) => {
                    format!(", at `{name}{path}`: {reason}")
                }
                Err(error) => format!(": {error}"),
            },
            None => match cbor::decode(&[NULL]) {
                Ok(value) => return Ok(value),
                Err(_) => " is missing".into(),
            },
        };
        let width = width(&complaint);
        Err(Stop::BadArguments(format!(
            "argument `{name}` ({type_name}){complaint}{width}"
        )))
    }
}

/// Returns a hint if a number is too large for a `usize`, which has 32 bits in a module.
fn width(complaint: &str) -> &'static str {
    let is_number = complaint.contains("invalid value: integer");
    let is_size = ["expected usize", "expected isize"]
        .iter()
        .any(|end| complaint.ends_with(end));
    if is_number && is_size {
        ", which has 32 bits in a module: take a `u64`"
    } else {
        ""
    }
}

/// CBOR's null.
const NULL: u8 = 0xf6;

fn by_position(
    items: Vec<Range<usize>>,
    parameters: &[Parameter],
) -> Result<Vec<Option<Range<usize>>>, String> {
    let (given, taken) = (items.len(), parameters.len());
    if given > taken {
        return Err(format!(
            "{given} arguments are given, but only {taken} taken: ({})",
            names(parameters)
        ));
    }
    let mut found: Vec<_> = items.into_iter().map(Some).collect();
    found.resize(taken, None);
    Ok(found)
}

fn by_name(
    items: Vec<(String, Range<usize>)>,
    parameters: &[Parameter],
) -> Result<Vec<Option<Range<usize>>>, String> {
    let mut found = vec![None; parameters.len()];
    for (name, item) in items {
        let index = parameters.iter().position(|parameter| parameter.0 == name);
        let index = index
            .ok_or_else(|| format!("no parameter is named `{name}`: ({})", names(parameters)))?;
        if found[index].replace(item).is_some() {
            return Err(format!("argument `{name}` is given twice"));
        }
    }
    Ok(found)
}

fn names(parameters: &[Parameter]) -> String {
    let parameters: Vec<_> = parameters
        .iter()
        .map(|(name, type_name)| format!("{name}: {type_name}"))
        .collect();
    parameters.join(", ")
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use super::*;

    const TOP: &[Parameter] = &[("text", "String"), ("n", "usize")];

    fn take_top(arguments: &'static [u8]) -> Result<(String, usize), Stop> {
        let mut input = Input::split(Bytes::from_static(arguments), TOP)?;
        Ok((input.take::<str>()?, input.take::<usize>()?))
    }

    #[test]
    fn arguments_come_by_position_or_by_name() {
        assert_eq!(take_top(b"\x82\x63a b\x02").unwrap(), ("a b".into(), 2));
        assert_eq!(
            take_top(b"\xa2\x61n\x03\x64text\x61c").unwrap(),
            ("c".into(), 3)
        );
    }

    #[test]
    fn an_error_names_the_argument() {
        let cases: [(&[u8], &str); _] = [
            (
                b"\x82\x61a\x61x",
                "argument `n` (usize): invalid type: string \"x\", expected usize",
            ),
            (b"\x81\x61a", "argument `n` (usize) is missing"),
            (b"\xa1\x61n\x03", "argument `text` (String) is missing"),
            (
                b"\x83\x61a\x01\x02",
                "3 arguments are given, but only 2 taken: (text: String, n: usize)",
            ),
            (
                b"\xa1\x61m\x03",
                "no parameter is named `m`: (text: String, n: usize)",
            ),
            (b"\xa2\x61n\x03\x61n\x04", "argument `n` is given twice"),
            (
                b"\x07",
                "the arguments cannot be read: the input is neither an array nor a map",
            ),
        ];
        for (arguments, complaint) in cases {
            assert_eq!(
                take_top(arguments),
                Err(Stop::BadArguments(complaint.into()))
            );
        }
    }

    #[test]
    fn a_number_that_is_too_large_for_a_module_says_why() {
        // The message of serde for a `usize` of 32 bits; here a `usize` has 64.
        let complaint = cbor::decode::<u32>(b"\x1b\0\0\0\x01\0\0\0\0");
        let complaint = complaint.unwrap_err().to_string().replace("u32", "usize");
        assert_eq!(
            complaint,
            "invalid value: integer `4294967296`, expected usize"
        );
        assert_eq!(
            width(&complaint),
            ", which has 32 bits in a module: take a `u64`"
        );
        assert_eq!(width("invalid type: string \"x\", expected usize"), "");
    }

    #[test]
    fn a_missing_option_is_none() {
        let mut input =
            Input::split(Bytes::from_static(b"\x80"), &[("limit", "Option<u8>")]).unwrap();
        assert_eq!(input.take::<Option<u8>>().unwrap(), None);
    }

    #[test]
    fn borrowed_types_are_decoded_as_their_owners() {
        let parameters = &[
            ("path", "&Path"),
            ("numbers", "&[u16]"),
            ("table", "&BTreeMap<u8, u8>"),
        ];
        let arguments = cbor::encode(&("/etc", [1, 500], BTreeMap::from([(1, 2)]))).unwrap();
        let mut input = Input::split(arguments.into(), parameters).unwrap();
        assert_eq!(input.take::<Path>().unwrap(), Path::new("/etc"));
        assert_eq!(input.take::<[u16]>().unwrap(), [1, 500]);
        assert_eq!(
            input.take::<BTreeMap<u8, u8>>().unwrap(),
            BTreeMap::from([(1, 2)])
        );
    }

    #[test]
    fn bytes_are_a_slice_of_the_input() {
        for length in [0, 23, 24, 255, 256, 65_535, 65_536] {
            let arguments = Bytes::from(cbor::encode(&[Bytes::from(vec![7; length])]).unwrap());
            let end = arguments.as_ptr_range().end;
            let bytes = Input::split(arguments, &[("bytes", "Bytes")])
                .unwrap()
                .take::<Bytes>()
                .unwrap();
            assert_eq!(bytes, vec![7; length]);
            assert!(
                length == 0 || bytes.as_ptr_range().end == end,
                "{length} bytes were copied"
            );
        }
    }

    #[test]
    fn bytes_may_come_in_pieces_or_one_by_one() {
        for arguments in [
            &b"\x81\x5f\x41\x01\x42\x02\x03\xff"[..],
            b"\x81\x83\x01\x02\x03",
        ] {
            let mut input =
                Input::split(Bytes::from_static(arguments), &[("bytes", "Bytes")]).unwrap();
            assert_eq!(input.take::<Bytes>().unwrap(), [1, 2, 3][..]);
        }
    }
}
