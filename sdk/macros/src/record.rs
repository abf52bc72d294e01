//! Writes a task's record: the CBOR of `wxec_protocol::abi::Function`, which a test below compares with.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{GenericArgument, PathArguments, Type, TypePath, ext::IdentExt};

use crate::{
    signature::{Returns, Task, bare},
    wants::Wants,
};

/// The record of `task`, which does not say in which module it stands: only rustc knows that.
pub(crate) fn function(task: &Task) -> Vec<u8> {
    let (value, error) = returned(&task.returns);
    let optional = [!task.doc.is_empty(), error.is_some(), !task.wants.is_none()];
    let fields = 3 + optional.into_iter().filter(|is_there| *is_there).count();

    let mut cbor = Cbor::default();
    cbor.head(MAP, fields);
    cbor.entry("name", &task.name());
    if !task.doc.is_empty() {
        cbor.entry("doc", &task.doc);
    }
    cbor.text("params");
    cbor.head(ARRAY, task.parameters.len());
    for parameter in &task.parameters {
        cbor.head(MAP, 2);
        cbor.entry("name", &parameter.ident.unraw().to_string());
        cbor.entry("ty", &spelled(&parameter.ty));
    }
    cbor.entry("ret", &value);
    if let Some(error) = error {
        cbor.entry("err", &error);
    }
    if !task.wants.is_none() {
        cbor.text("wants");
        cbor.wants(&task.wants);
    }
    cbor.0
}

/// The types of a task's value and of its error, as people write them.
fn returned(returns: &Returns) -> (String, Option<String>) {
    let Returns::Result(ty) = returns else { return (spelled(returns.ty()), None) };
    let Type::Path(path) = bare(ty) else { unreachable!("only a path is read as a Result") };
    let PathArguments::AngleBracketed(generics) = &path.path.segments[path.path.segments.len() - 1].arguments else {
        unreachable!("only a path with generics is read as a Result")
    };
    let mut types = generics.args.iter().filter(|argument| matches!(argument, GenericArgument::Type(_)));
    let value = types.next().map_or_else(|| "()".into(), spelled);
    (value, Some(types.next().map_or_else(|| neighbour(path), spelled)))
}

/// An alias such as `io::Result<T>` has its error beside it.
fn neighbour(path: &TypePath) -> String {
    let result = spelled(path);
    let module = result.split('<').next().unwrap_or_default().trim_end_matches("Result");
    format!("{module}Error")
}

/// Spells tokens as rustfmt would: `Vec<(String, u8)>`, where `TokenStream`'s own text is full of spaces.
pub(crate) fn spelled(tokens: impl ToTokens) -> String {
    let mut text = String::new();
    spell(tokens.into_token_stream(), &mut text);
    text
}

fn spell(tokens: TokenStream, text: &mut String) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                spell(group.stream(), text);
                text.truncate(text.trim_end().len());
                text.push_str(close);
            }
            TokenTree::Punct(punct) => match (punct.as_char(), punct.spacing()) {
                (mark @ (',' | ';'), _) => text.extend([mark, ' ']),
                (mark @ ('+' | '='), _) => text.extend([' ', mark, ' ']),
                ('-', Spacing::Joint) => text.push_str(" -"),
                ('>', _) if text.ends_with('-') => text.push_str("> "),
                ('>', _) => {
                    text.truncate(text.trim_end_matches([',', ' ']).len());
                    text.push('>');
                }
                (mark, _) => text.push(mark),
            },
            word => {
                if text.ends_with(|last: char| last.is_alphanumeric() || "_>".contains(last)) {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
            }
        }
    }
}

const TEXT: u8 = 3 << 5;
const ARRAY: u8 = 4 << 5;
const MAP: u8 = 5 << 5;
const TRUE: u8 = 7 << 5 | 21;

/// As much CBOR as a record needs.
#[derive(Default)]
struct Cbor(Vec<u8>);

impl Cbor {
    fn wants(&mut self, wants: &Wants) {
        self.head(MAP, wants.named().count() + usize::from(wants.facts));
        for (key, names) in wants.named() {
            self.text(key);
            self.head(ARRAY, names.len());
            names.iter().for_each(|name| self.text(&name.value()));
        }
        if wants.facts {
            self.text("facts");
            self.0.push(TRUE);
        }
    }

    fn entry(&mut self, key: &str, value: &str) {
        self.text(key);
        self.text(value);
    }

    fn text(&mut self, text: &str) {
        self.head(TEXT, text.len());
        self.0.extend(text.as_bytes());
    }

    fn head(&mut self, major: u8, value: usize) {
        let bytes = u32::try_from(value).expect("source code is below 4 GiB").to_be_bytes();
        match bytes {
            [0, 0, 0, value @ 0..24] => self.0.push(major | value),
            [0, 0, 0, value] => self.0.extend([major | 24, value]),
            [0, 0, high, low] => self.0.extend([major | 25, high, low]),
            _ => {
                self.0.push(major | 26);
                self.0.extend(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;
    use wxec_protocol::{
        abi::{Function, Parameter, Wants},
        cbor,
    };

    use super::*;

    fn parameter(name: &str, type_name: &str) -> Parameter {
        Parameter { name: name.into(), type_name: type_name.into() }
    }

    fn assert_record(source: TokenStream, expected: Function) {
        assert_record_with(TokenStream::new(), source, expected);
    }

    fn assert_record_with(arguments: TokenStream, source: TokenStream, expected: Function) {
        let task = Task::parse(arguments, source).unwrap();
        assert_eq!(function(&task), cbor::encode(&expected).unwrap(), "{expected:?}");
    }

    #[test]
    fn a_record_is_what_the_protocol_would_write() {
        assert_record(
            quote! {
                /// Most frequent words.
                ///
                ///  Indented.
                pub(crate) async fn top(mut text: String, r#type: &[u8]) -> Result<Vec<(String, usize)>, crate::Refusal> {}
            },
            Function {
                path: String::new(),
                name: "top".into(),
                doc: "Most frequent words.\n\n Indented.".into(),
                parameters: vec![parameter("text", "String"), parameter("type", "&[u8]")],
                returns: "Vec<(String, usize)>".into(),
                error: Some("crate::Refusal".into()),
                wants: Wants::default(),
                readable: false,
            },
        );
    }

    #[test]
    fn what_is_absent_is_left_out() {
        assert_record(
            quote!(
                fn nothing() {}
            ),
            Function {
                path: String::new(),
                name: "nothing".into(),
                doc: String::new(),
                parameters: Vec::new(),
                returns: "()".into(),
                error: None,
                wants: Wants::default(),
                readable: false,
            },
        );
    }

    #[test]
    fn what_a_task_declares_follows_in_one_order() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let declaring = |arguments: TokenStream, wants: Wants| {
            let source = quote!(
                fn f() -> Result<u8, String> {}
            );
            let expected = Function {
                path: String::new(),
                name: "f".into(),
                doc: String::new(),
                parameters: Vec::new(),
                returns: "u8".into(),
                error: Some("String".into()),
                wants,
                readable: false,
            };
            assert_record_with(arguments, source, expected);
        };
        declaring(
            quote!(
                facts,
                host = "ssh:db1",
                net = "example.org:443",
                env = "HOME",
                run = "apt-get",
                write = ["/srv"],
                run = ["dpkg", "apt-cache",],
                read = "/etc/os-release",
            ),
            Wants {
                read: texts(&["/etc/os-release"]),
                write: texts(&["/srv"]),
                run: texts(&["apt-get", "dpkg", "apt-cache"]),
                env: texts(&["HOME"]),
                net: texts(&["example.org:443"]),
                host: texts(&["ssh:db1"]),
                facts: true,
            },
        );
        declaring(quote!(facts), Wants { facts: true, ..Wants::default() });
        declaring(quote!(env = "A"), Wants { env: texts(&["A"]), ..Wants::default() });
    }

    #[test]
    fn long_texts_have_long_heads() {
        let doc = "word ".repeat(20_000) + ".";
        assert_record(
            quote! {
                #[doc = #doc]
                fn long(n: u8) -> u8 {}
            },
            Function {
                path: String::new(),
                name: "long".into(),
                doc: doc.clone(),
                parameters: vec![parameter("n", "u8")],
                returns: "u8".into(),
                error: None,
                wants: Wants::default(),
                readable: false,
            },
        );
    }

    #[test]
    fn an_alias_of_result_has_its_error_beside_it() {
        let task = quote!(
            fn read() -> std::io::Result<()> {}
        );
        let task = Task::parse(TokenStream::new(), task).unwrap();
        assert_eq!(returned(&task.returns), ("()".into(), Some("std::io::Error".into())));
    }

    #[test]
    fn types_are_spelled_as_people_write_them() {
        assert_eq!(spelled(syn::parse_str::<Type>("HashMap<u8,(u8,),>").unwrap()), "HashMap<u8, (u8,)>");
        for ty in [
            "HashMap<String, Vec<Option<u8>>>",
            "&std::path::Path",
            "[u8; 4]",
            "Box<dyn Fn(u8, u8) -> bool + Send>",
            "<Vec<u8> as IntoIterator>::Item",
            "Cow<'static, str>",
            "*const u8",
            "()",
        ] {
            assert_eq!(spelled(syn::parse_str::<Type>(ty).unwrap()), ty);
        }
    }
}
