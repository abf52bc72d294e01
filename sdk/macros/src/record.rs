//! Writes a task's record: the CBOR of `wxec_protocol::abi::Function`. A test below compares the
//! two.

use std::mem;

use proc_macro2::{Delimiter, Literal, Spacing, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Path, Type, TypePath, ext::IdentExt, parse_quote};

use crate::{
    expand::at,
    plan::Plan,
    signature::{Parameter, Returns, Task},
    types::{arguments_of_result, bare, is_called, may_be_alias},
    wants::Wants,
};

/// Returns the record of `task`, in parts that follow each other. The record does not name the
/// module of the task. Only rustc knows the types behind aliases, and chooses the parts that depend
/// on them.
pub(crate) fn function(task: &Task) -> Vec<Part> {
    let has_doc = task.made_doc.is_some() || !task.doc.is_empty();
    let optional = [has_doc, !task.wants.is_none(), task.plan.is_some()];
    let fields = 4 + optional.into_iter().map(usize::from).sum::<usize>();
    let head = |fields| written(|cbor| cbor.head(MAP, fields));
    let mut parts = Parts::default();
    match &task.returns {
        Returns::Value(_) => parts.cbor.head(MAP, fields),
        Returns::Named(_) => parts.choose(
            [(Fact::Result, task.is_result(), head(fields + 1))],
            head(fields),
        ),
    }
    parts.cbor.entry("name", &task.name());
    match &task.made_doc {
        Some(doc) => parts.made_text("doc", doc, &task.krate),
        None if has_doc => parts.cbor.entry("doc", &task.doc),
        None => {}
    }
    parts.cbor.text("params");
    parts.cbor.head(ARRAY, task.parameters.len());
    for parameter in &task.parameters {
        parts.cbor.head(MAP, 2);
        parts
            .cbor
            .entry("name", &parameter.ident.unraw().to_string());
        parts.cbor.text("ty");
        parts.parameter(parameter, &task.krate);
    }
    parts.returns(task);
    if !task.wants.is_none() {
        parts.cbor.text("wants");
        parts.cbor.wants(&task.wants);
    }
    parts.cbor.text("readable");
    parts.cbor.0.push(TRUE);
    if let Some(plan) = &task.plan {
        parts.cbor.text("plan");
        parts.plan(plan, &task.krate);
    }
    parts.end_part();
    parts.finished
}

/// A part of a record.
pub(crate) enum Part {
    Known(Vec<u8>),
    /// An expression of type `&[u8]`.
    Made(TokenStream),
    /// A choice for rustc: the first case whose condition holds.
    Choice {
        cases: Vec<(Fact, TokenStream, Vec<u8>)>,
        otherwise: Vec<u8>,
    },
}

/// The property of a type that a condition asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fact {
    Result,
    ResultOfStream,
    Stream,
    Sender,
    Receiver,
}

/// An expression of type `&[u8]`.
impl ToTokens for Part {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let bytes = |bytes: &[u8]| Literal::byte_string(bytes);
        tokens.extend(match self {
            Self::Known(known) => {
                let known = bytes(known);
                quote!(#known)
            }
            Self::Made(made) => made.clone(),
            Self::Choice { cases, otherwise } => {
                let cases = cases.iter().map(|(_, condition, written)| {
                    let written = bytes(written);
                    quote!(if #condition { #written as &[u8] } else)
                });
                let otherwise = bytes(otherwise);
                quote!(#(#cases)* { #otherwise })
            }
        });
    }
}

/// A record that is being written.
#[derive(Default)]
struct Parts {
    finished: Vec<Part>,
    /// The part that is being written.
    cbor: Cbor,
}

impl Parts {
    fn choose<const N: usize>(
        &mut self,
        cases: [(Fact, TokenStream, Vec<u8>); N],
        otherwise: Vec<u8>,
    ) {
        self.end_part();
        self.finished.push(Part::Choice {
            cases: cases.into(),
            otherwise,
        });
    }

    /// Writes an entry whose text only rustc knows.
    fn made_text(&mut self, key: &str, text: &TokenStream, krate: &Path) {
        self.cbor.text(key);
        self.end_part();
        self.finished.push(Part::Made(
            quote!(&#krate::__private::long_text_head(#text)),
        ));
        self.finished.push(Part::Made(quote!(#text.as_bytes())));
    }

    fn plan(&mut self, plan: &Plan, krate: &Path) {
        self.cbor.plan(plan);
        if plan.templates.is_empty() {
            return;
        }
        self.cbor.text("templates");
        self.cbor.head(ARRAY, plan.templates.len());
        for name in &plan.templates {
            self.cbor.head(MAP, 2);
            self.cbor.entry("name", name);
            self.made_text("text", &template_text(name), krate);
        }
    }

    fn end_part(&mut self) {
        let Cbor(bytes) = mem::take(&mut self.cbor);
        if !bytes.is_empty() {
            self.finished.push(Part::Known(bytes));
        }
    }

    /// Writes the type of a parameter, which tells callers if it is an end of a channel.
    fn parameter(&mut self, parameter: &Parameter, krate: &Path) {
        let (ty, sent) = (&parameter.ty, &parameter.sent);
        if !may_be_alias(sent) {
            return self.cbor.text(&spelled(ty));
        }
        let text = |end| written(|cbor| cbor.text(&spelled_as(ty, sent, end)));
        let here = at(sent);
        let is_sender = quote_spanned!(here=> #krate::__private::is!(IS_SENDER #sent));
        let is_receiver = quote_spanned!(here=> #krate::__private::is!(IS_RECEIVER #sent));
        let cases = [
            (Fact::Sender, is_sender, text(Some("Sender"))),
            (Fact::Receiver, is_receiver, text(Some("Receiver"))),
        ];
        self.choose(cases, text(None));
    }

    /// Writes the types of a task's value and of its error.
    fn returns(&mut self, task: &Task) {
        let ty = task.returns.ty();
        if let Returns::Value(ty) = &task.returns {
            return self.cbor.entry("ret", &spelled(ty));
        }
        let (is_result, is_stream) = (task.is_result(), task.is_stream());
        let (value, error) = value_and_error(ty);
        let value_or_error = |end| {
            written(|cbor| {
                cbor.entry(
                    "ret",
                    &match (&value, end) {
                        (Ok(ty), end) => spelled_as(ty, ty, end),
                        (Err(name), Some(end)) => format!("{end}<{name}::Item>"),
                        (Err(name), None) => name.clone(),
                    },
                );
                cbor.entry("err", &error);
            })
        };
        let value = |end| written(|cbor| cbor.entry("ret", &spelled_as(ty, ty, end)));
        let both = quote!(#is_result && #is_stream);
        let cases = [
            (Fact::ResultOfStream, both, value_or_error(Some("Receiver"))),
            (Fact::Result, is_result, value_or_error(None)),
            (Fact::Stream, is_stream, value(Some("Receiver"))),
        ];
        self.choose(cases, value(None));
    }
}

/// Returns an expression of the text of a template: a file in the folder `templates` of the crate.
pub(crate) fn template_text(name: &str) -> TokenStream {
    let path = format!("/templates/{name}");
    quote!(::core::include_str!(
        ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), #path)
    ))
}

fn written(write: impl FnOnce(&mut Cbor)) -> Vec<u8> {
    let mut cbor = Cbor::default();
    write(&mut cbor);
    cbor.0
}

/// Spells a type as people write it. If it is an `end` of a channel, the text calls it by the name
/// of that end. If it only has the name of an end, the text stands in parentheses. `named` is the
/// type itself, without a borrow of it.
fn spelled_as(ty: &Type, named: &Type, end: Option<&str>) -> String {
    let text = spelled(ty);
    match end {
        Some(end) if is_called(named, end) && text.ends_with('>') => text,
        Some(end) => {
            let borrow = if matches!(bare(ty), Type::Reference(_)) {
                "&"
            } else {
                ""
            };
            format!("{borrow}{end}<{}::Item>", spelled(named))
        }
        None if ["Sender", "Receiver"]
            .iter()
            .any(|end| is_called(named, end)) =>
        {
            format!("({text})")
        }
        None => text,
    }
}

/// Returns the types of the value and of the error in a `Result`. If an alias hides them, their
/// names are made from the alias.
fn value_and_error(ty: &Type) -> (Result<Type, String>, String) {
    let Type::Path(path) = bare(ty) else {
        return (
            Err(format!("{}::Ok", spelled(ty))),
            format!("{}::Err", spelled(ty)),
        );
    };
    match arguments_of_result(ty).map(|mut types| (types.next().cloned(), types.next().cloned())) {
        Some((value, error)) => {
            let error = error.map_or_else(|| neighbour(path), spelled);
            (Ok(value.unwrap_or_else(|| parse_quote!(()))), error)
        }
        None => (
            Err(format!("{}::Ok", spelled(ty))),
            format!("{}::Err", spelled(ty)),
        ),
    }
}

/// Returns the name of the error beside an alias, such as `io::Error` for `io::Result<T>`.
fn neighbour(path: &TypePath) -> String {
    let result = spelled(path);
    let module = result
        .split('<')
        .next()
        .unwrap_or_default()
        .trim_end_matches("Result");
    format!("{module}Error")
}

/// Spells tokens as rustfmt would: `Vec<(String, u8)>`. `TokenStream`'s own text is full of spaces.
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
                // Writes `uuid::Uuid` for `::uuid::Uuid`.
                (':', _)
                    if !text
                        .ends_with(|last: char| last.is_alphanumeric() || "_>:".contains(last)) => {
                }
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

/// The part of CBOR that a record needs.
#[derive(Default)]
struct Cbor(Vec<u8>);

impl Cbor {
    fn wants(&mut self, wants: &Wants) {
        self.head(MAP, wants.named().count() + wants.flags().count());
        for (key, names) in wants.named() {
            self.text(key);
            self.head(ARRAY, names.len());
            names.iter().for_each(|name| self.text(&name.value()));
        }
        for flag in wants.flags() {
            self.text(flag);
            self.0.push(TRUE);
        }
    }

    fn plan(&mut self, plan: &Plan) {
        let words = [("modes", &plan.modes), ("roles", &plan.roles)];
        let lists = words
            .iter()
            .filter(|(key, words)| *key == "modes" || !words.is_empty());
        let others = [!plan.templates.is_empty(), plan.cuts_link];
        let others = others.into_iter().filter(|has| *has).count();
        self.head(MAP, lists.clone().count() + others);
        for (key, words) in lists {
            self.text(key);
            self.head(ARRAY, words.len());
            words.iter().for_each(|word| self.text(word));
        }
        if plan.cuts_link {
            self.text("cuts_link");
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
        let bytes = u32::try_from(value)
            .expect("source code is below 4 GiB")
            .to_be_bytes();
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
    use proc_macro2::{Ident, Span};
    use quote::quote;
    use wxec_protocol::{
        abi::{self, Function, Parameter, Wants},
        cbor,
    };

    use super::*;
    use crate::surroundings::Surroundings;

    /// Returns the record of `task` if rustc finds these facts.
    fn chosen(task: &Task, facts: &[Fact]) -> Vec<u8> {
        let parts = function(task).into_iter().map(|part| match part {
            Part::Known(bytes) => bytes,
            Part::Made(made) => unreachable!("rustc makes {made}"),
            Part::Choice { cases, otherwise } => {
                let case = cases.into_iter().find(|(fact, ..)| facts.contains(fact));
                case.map_or(otherwise, |(.., bytes)| bytes)
            }
        });
        parts.collect::<Vec<_>>().concat()
    }

    fn parameter(name: &str, type_name: &str) -> Parameter {
        Parameter {
            name: name.into(),
            type_name: type_name.into(),
        }
    }

    fn assert_record(source: TokenStream, expected: Function) {
        assert_record_with(TokenStream::new(), source, expected);
    }

    fn assert_record_with(arguments: TokenStream, source: TokenStream, expected: Function) {
        let task = Task::parse(arguments, source, &Surroundings::default()).unwrap();
        let facts = expected.error.as_ref().map(|_| Fact::Result);
        assert_eq!(
            chosen(&task, facts.as_slice()),
            cbor::encode(&expected).unwrap(),
            "{expected:?}"
        );
    }

    #[test]
    fn documentation_that_a_macro_makes_is_left_to_rustc() {
        let source = quote! {
            #[doc = " Does"]
            #[doc = stringify!(it)]
            fn it() {}
        };
        let parts =
            function(&Task::parse(TokenStream::new(), source, &Surroundings::default()).unwrap());
        let made = parts.iter().filter_map(|part| match part {
            Part::Made(made) => Some(made.to_string()),
            _ => None,
        });
        let text = r#":: core :: concat ! ("Does" , "\n" , stringify ! (it))"#;
        let head = format!("& :: wxec :: __private :: long_text_head ({text})");
        assert_eq!(
            made.collect::<Vec<_>>(),
            [head, format!("{text} . as_bytes ()")]
        );
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
                readable: true,
                plan: None,
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
                readable: true,
                plan: None,
            },
        );
    }

    #[test]
    fn what_a_task_declares_follows_in_one_order() {
        let texts = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
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
                readable: true,
                plan: None,
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
                ..Wants::default()
            },
        );
        declaring(
            quote!(attributes, facts),
            Wants {
                facts: true,
                attributes: true,
                ..Wants::default()
            },
        );
        declaring(
            quote!(env = "A"),
            Wants {
                env: texts(&["A"]),
                ..Wants::default()
            },
        );
    }

    #[test]
    fn a_plan_says_so_with_its_modes_and_roles() {
        let texts = |texts: &[&str]| {
            texts
                .iter()
                .map(|&text| text.to_owned())
                .collect::<Vec<_>>()
        };
        for (roles, wants) in [
            (texts(&["web", "db"]), Wants::default()),
            (
                texts(&[]),
                Wants {
                    facts: true,
                    ..Wants::default()
                },
            ),
        ] {
            let source = quote!(
                fn f() {}
            );
            let arguments = if wants.facts { quote!(facts) } else { quote!() };
            let mut task = Task::parse(arguments, source, &Surroundings::default()).unwrap();
            let modes = texts(&["install", "*"]);
            task.plan = Some(Plan {
                modes: modes.clone(),
                roles: roles.clone(),
                order: Ident::new("order", Span::call_site()),
                called: quote!(f),
                templates: Vec::new(),
                cuts_link: wants.facts,
                prepared: TokenStream::new(),
                timeout: TokenStream::new(),
            });
            let expected = Function {
                path: String::new(),
                name: "f".into(),
                doc: String::new(),
                parameters: Vec::new(),
                returns: "()".into(),
                error: None,
                plan: Some(abi::Plan {
                    modes,
                    roles,
                    templates: Vec::new(),
                    cuts_link: wants.facts,
                }),
                wants,
                readable: true,
            };
            assert_eq!(chosen(&task, &[]), cbor::encode(&expected).unwrap());
        }
    }

    #[test]
    fn templates_are_files_that_rustc_reads() {
        let source = quote!(
            fn f() {}
        );
        let mut task = Task::parse(quote!(), source, &Surroundings::default()).unwrap();
        task.plan = Some(Plan {
            modes: vec!["install".into()],
            roles: Vec::new(),
            order: Ident::new("order", Span::call_site()),
            called: quote!(f),
            templates: vec!["a.j2".into(), "b/c.j2".into()],
            cuts_link: false,
            prepared: TokenStream::new(),
            timeout: TokenStream::new(),
        });
        // What rustc makes of the file: a text with a long head.
        let bytes = function(&task).into_iter().map(|part| match part {
            Part::Known(bytes) => bytes,
            Part::Made(made) if made.to_string().ends_with("as_bytes ()") => b"text".to_vec(),
            Part::Made(_) => vec![TEXT | 26, 0, 0, 0, 4],
            Part::Choice { otherwise, .. } => otherwise,
        });
        let read: Function = cbor::decode(&bytes.collect::<Vec<_>>().concat()).unwrap();
        let template = |name: &str| abi::PlanTemplate {
            name: name.into(),
            text: "text".into(),
        };
        let templates = vec![template("a.j2"), template("b/c.j2")];
        assert_eq!(read.plan.unwrap().templates, templates);
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
                readable: true,
                plan: None,
            },
        );
    }

    /// Returns the types in the record of `source`; the last one is the type of its error.
    fn types(source: TokenStream, facts: &[Fact]) -> Vec<String> {
        let task = Task::parse(TokenStream::new(), source, &Surroundings::default()).unwrap();
        let function: Function = cbor::decode(&chosen(&task, facts)).unwrap();
        let parameters = function
            .parameters
            .into_iter()
            .map(|parameter| parameter.type_name);
        parameters
            .chain([function.returns])
            .chain(function.error)
            .collect()
    }

    #[test]
    fn an_alias_of_result_has_its_error_beside_it() {
        let task = quote!(
            fn read() -> std::io::Result<()> {}
        );
        assert_eq!(types(task, &[Fact::Result]), ["()", "std::io::Error"]);
    }

    #[test]
    fn what_aliases_hide_is_named_after_them() {
        let task = quote!(
            fn f(out: Out, lines: &crate::Lines) -> Outcome<u8> {}
        );
        assert_eq!(
            types(task.clone(), &[]),
            ["Out", "&crate::Lines", "Outcome<u8>"]
        );
        assert_eq!(
            types(task.clone(), &[Fact::Sender, Fact::Result]),
            [
                "Sender<Out::Item>",
                "&Sender<crate::Lines::Item>",
                "Outcome<u8>::Ok",
                "Outcome<u8>::Err"
            ]
        );
        assert_eq!(
            types(task, &[Fact::Result, Fact::ResultOfStream]),
            [
                "Out",
                "&crate::Lines",
                "Receiver<Outcome<u8>::Ok::Item>",
                "Outcome<u8>::Err"
            ]
        );
    }

    #[test]
    fn what_is_only_called_so_is_told_from_it() {
        let task = quote!(
            fn f(out: own::Sender<u8>, r: Receiver<u8>) -> Result<own::Receiver<u8>> {}
        );
        assert_eq!(
            types(task.clone(), &[]),
            [
                "(own::Sender<u8>)",
                "(Receiver<u8>)",
                "Result<own::Receiver<u8>>"
            ]
        );
        assert_eq!(
            types(task, &[Fact::Receiver, Fact::Result]),
            [
                "Receiver<own::Sender<u8>::Item>",
                "Receiver<u8>",
                "(own::Receiver<u8>)",
                "Error"
            ]
        );
    }

    #[test]
    fn types_are_spelled_as_people_write_them() {
        assert_eq!(
            spelled(syn::parse_str::<Type>("HashMap<u8,(u8,),>").unwrap()),
            "HashMap<u8, (u8,)>"
        );
        let rooted = "&::a::B<::a::C, (::a::D, [::a::E; 4])>";
        assert_eq!(
            spelled(syn::parse_str::<Type>(rooted).unwrap()),
            "&a::B<a::C, (a::D, [a::E; 4])>"
        );
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
