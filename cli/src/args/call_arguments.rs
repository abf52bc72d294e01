//! The arguments of a call, checked against the function's declaration before anything is sent.

use std::{fs, io};

use wxec::{
    call::Value,
    cbor,
    module::{Function, Parameter},
};

use crate::{
    args::complaint::{complaint, shown, with_quoting},
    output::command_error::CommandError,
    value::{
        json::to_json,
        mismatch::Mismatch,
        parse::{Unreadable, parse_arguments},
        reader::Reader,
        type_text::Type,
    },
};

/// Arguments as they were given on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallArguments {
    /// One word for each argument.
    Words(Vec<String>),
    /// The text of `--args`: a JSON list by position, or a JSON object by name.
    Json(String),
}

impl CallArguments {
    /// Reads the value of `--args`: `-` means stdin, `@file` a file, anything else is the JSON
    /// itself.
    pub(crate) fn from_option(option: &str) -> Result<Self, CommandError> {
        let text = match option.strip_prefix('@') {
            Some(path) => fs::read_to_string(path).map_err(|error| (path, error)),
            None if option == "-" => {
                io::read_to_string(io::stdin()).map_err(|error| ("stdin", error))
            }
            None => Ok(option.to_owned()),
        };
        let text = text.map_err(|(place, error)| {
            CommandError::usage(format!("cannot read {place}: {error}"))
        })?;
        Ok(Self::Json(text))
    }

    /// Returns the value to call `function` with. Checks nothing if `function` is `None`, because
    /// the module does not describe it.
    pub(crate) fn into_value(self, function: Option<&Function>) -> Result<Value, CommandError> {
        let arguments = self.read(function)?;
        Ok(match function {
            Some(Function { readable: true, .. }) => {
                Value::Tag(cbor::READABLE_TAG, arguments.into())
            }
            _ => arguments,
        })
    }

    fn read(self, function: Option<&Function>) -> Result<Value, CommandError> {
        match (self, function) {
            (Self::Words(words), Some(function)) => by_word(&words, function),
            (Self::Words(words), None) => words
                .iter()
                .map(|word| any(word))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            (Self::Json(text), function) => match (all(&text)?, function) {
                (value @ (Value::Array(_) | Value::Map(_)), None) => Ok(value),
                (Value::Array(values), Some(function)) => by_position(values, function),
                (Value::Map(entries), Some(function)) => by_name(entries, function),
                _ => Err(CommandError::usage(
                    "--args takes a JSON list, or a JSON object by name",
                )),
            },
        }
    }
}

fn by_word(words: &[String], function: &Function) -> Result<Value, CommandError> {
    check_count(words.len(), function)?;
    let values = words
        .iter()
        .zip(&function.parameters)
        .map(|(word, parameter)| {
            let wanted = Type::parse(&parameter.type_name);
            let read = reader(function).word(word, &wanted);
            read.map_err(|mismatch| complaint(mismatch, &wanted, word, parameter, function))
        });
    values.collect::<Result<_, _>>().map(Value::Array)
}

fn by_position(values: Vec<Value>, function: &Function) -> Result<Value, CommandError> {
    check_count(values.len(), function)?;
    let values = values
        .into_iter()
        .zip(&function.parameters)
        .map(|(value, parameter)| check(value, parameter, function));
    values.collect::<Result<_, _>>().map(Value::Array)
}

fn by_name(entries: Vec<(Value, Value)>, function: &Function) -> Result<Value, CommandError> {
    let mut values = Vec::new();
    for (name, value) in entries {
        let parameter = function
            .parameters
            .iter()
            .find(|parameter| name.as_text() == Some(&parameter.name));
        let Some(parameter) = parameter else {
            let message = format!("{} has no parameter {}", function.path, to_json(&name));
            return Err(CommandError::usage(message).hint(signature(function)));
        };
        values.push((name, check(value, parameter, function)?));
    }
    let is_given = |parameter: &&Parameter| {
        values
            .iter()
            .any(|(name, _)| name.as_text() == Some(&parameter.name))
    };
    match function
        .parameters
        .iter()
        .find(|parameter| !is_given(parameter) && !is_optional(parameter))
    {
        None => Ok(Value::Map(values)),
        Some(missing) => {
            let message = format!(
                "argument `{}` of {} is missing",
                missing.name, function.path
            );
            Err(CommandError::usage(message).hint(signature(function)))
        }
    }
}

/// Checks the number of arguments. Trailing arguments of type `Option` may be omitted.
fn check_count(given: usize, function: &Function) -> Result<(), CommandError> {
    let most = function.parameters.len();
    let optional = function
        .parameters
        .iter()
        .rev()
        .take_while(|parameter| is_optional(parameter))
        .count();
    if (most - optional..=most).contains(&given) {
        return Ok(());
    }
    let takes = match (most, optional) {
        (0, _) => "no arguments".into(),
        (1, 0) => "1 argument".into(),
        (most, 0) => format!("{most} arguments"),
        (most, optional) => format!("{} to {most} arguments", most - optional),
    };
    Err(
        CommandError::usage(format!("{} takes {takes}, not {given}", function.path))
            .hint(signature(function)),
    )
}

fn check(value: Value, parameter: &Parameter, function: &Function) -> Result<Value, CommandError> {
    let wanted = Type::parse(&parameter.type_name);
    let shown = to_json(&value);
    let read = reader(function).json(value, &wanted);
    read.map_err(|mismatch| complaint(mismatch, &wanted, &shown, parameter, function))
}

fn reader(function: &Function) -> Reader {
    Reader {
        readable: function.readable,
    }
}

/// Reads an argument whose type the module does not declare.
fn any(word: &str) -> Result<Value, CommandError> {
    Reader { readable: false }
        .word(word, &Type::Any)
        .map_err(|mismatch| match mismatch {
            Mismatch::Refused(reason) => {
                CommandError::usage(format!("the argument {} is refused: {reason}", shown(word)))
            }
            _ => with_quoting(
                CommandError::usage(format!("the argument {} is no JSON", shown(word))),
                word,
            ),
        })
}

fn all(text: &str) -> Result<Value, CommandError> {
    parse_arguments(text).map_err(|unreadable| match unreadable {
        Unreadable::NotJson(reason) => {
            CommandError::usage(format!("what --args gives is no JSON: {reason}"))
        }
        Unreadable::Refused(reason) => {
            CommandError::usage(format!("what --args gives is refused: {reason}"))
        }
    })
}

fn is_optional(parameter: &Parameter) -> bool {
    matches!(Type::parse(&parameter.type_name), Type::Option(_))
}

fn signature(function: &Function) -> String {
    format!("it is {function}")
}

#[cfg(test)]
mod tests {
    use wxec::module::Wants;

    use super::*;

    fn function(parameters: &[(&str, &str)]) -> Function {
        let parameter = |(name, type_name): &(&str, &str)| Parameter {
            name: (*name).into(),
            type_name: (*type_name).into(),
        };
        Function {
            path: "words::top".into(),
            name: "top".into(),
            doc: String::new(),
            parameters: parameters.iter().map(parameter).collect(),
            returns: "Vec<(String, usize)>".into(),
            error: None,
            wants: Wants::default(),
            readable: false,
            plan: None,
        }
    }

    fn top() -> Function {
        function(&[("text", "String"), ("n", "usize")])
    }

    fn words(words: &[&str], function: &Function) -> Result<String, String> {
        let given = CallArguments::Words(words.iter().map(|word| (*word).into()).collect());
        given
            .into_value(Some(function))
            .map(|value| to_json(&value))
            .map_err(|error| error.to_string())
    }

    fn json(text: &str, function: Option<&Function>) -> Result<String, String> {
        let value = CallArguments::Json(text.into()).into_value(function);
        value
            .map(|value| to_json(&value))
            .map_err(|error| error.to_string())
    }

    const SIGNATURE: &str = "it is words::top(text: String, n: usize) -> Vec<(String, usize)>";

    #[test]
    fn words_go_by_position() {
        assert_eq!(words(&["a b a", "1"], &top()).unwrap(), r#"["a b a",1]"#);
        assert_eq!(
            words(&[r#""a b a""#, "1"], &top()).unwrap(),
            r#"["a b a",1]"#
        );
    }

    #[test]
    fn a_complaint_names_parameter_type_and_argument() {
        for (arguments, complaint) in [
            (
                ["a", "x"],
                r#"argument `n` of words::top wants a usize, not "x""#,
            ),
            (
                ["a", "-1"],
                "argument `n` of words::top wants a usize, not -1",
            ),
            (
                ["a", "[1]"],
                "argument `n` of words::top wants a usize, not [1]",
            ),
        ] {
            assert_eq!(words(&arguments, &top()).unwrap_err(), complaint);
        }
        let own = function(&[("who", "Person"), ("age", "i8")]);
        assert_eq!(
            words(&["joe", "1"], &own).unwrap_err(),
            "argument `who` of words::top wants a Person as JSON, not \"joe\": expected value at line 1 column 1; \
             quote a text for JSON and for the shell, as in '\"text\"'"
        );
        assert_eq!(
            words(&["{}", "300"], &own).unwrap_err(),
            "argument `age` of words::top wants an i8, not 300"
        );
    }

    #[test]
    fn quotes_are_advised_where_a_text_may_be_meant() {
        for (type_name, given, advised) in [
            ("Person", "joe", true),
            ("Option<Person>", "", true),
            ("Person", "{name: 1}", false),
            ("Person", "[1,", false),
            ("Person", "\"joe", false),
            ("Person", "-x", false),
            ("Vec<String>", "a,b", false),
            ("(u8, u8)", "a", false),
        ] {
            let error = words(&[given], &function(&[("x", type_name)])).unwrap_err();
            assert_eq!(error.contains("quote a text"), advised, "{error}");
        }
        let given = CallArguments::Words(vec!["{name: 1}".into()]);
        assert!(
            !given
                .into_value(None)
                .unwrap_err()
                .to_string()
                .contains("quote")
        );
    }

    #[test]
    fn a_wrong_count_shows_the_signature() {
        assert_eq!(
            words(&["a"], &top()).unwrap_err(),
            format!("words::top takes 2 arguments, not 1; {SIGNATURE}")
        );
        let optional = function(&[("text", "String"), ("n", "Option<usize>")]);
        assert_eq!(words(&["a"], &optional).unwrap(), r#"["a"]"#);
        assert!(
            words(&[], &optional)
                .unwrap_err()
                .starts_with("words::top takes 1 to 2 arguments, not 0; ")
        );
        assert!(
            words(&["a"], &function(&[]))
                .unwrap_err()
                .starts_with("words::top takes no arguments, not 1; ")
        );
    }

    #[test]
    fn json_goes_by_position_or_by_name() {
        assert_eq!(json(r#"["a", 1]"#, Some(&top())).unwrap(), r#"["a",1]"#);
        assert_eq!(
            json(r#"{"n": 1, "text": "a"}"#, Some(&top())).unwrap(),
            r#"{"n":1,"text":"a"}"#
        );
        for (text, complaint) in [
            (
                r#"["a", "b"]"#,
                r#"argument `n` of words::top wants a usize, not "b""#.to_owned(),
            ),
            (
                r#"{"n": 1}"#,
                format!("argument `text` of words::top is missing; {SIGNATURE}"),
            ),
            (
                r#"{"m": 1}"#,
                format!("words::top has no parameter \"m\"; {SIGNATURE}"),
            ),
            (
                "7",
                "--args takes a JSON list, or a JSON object by name".into(),
            ),
        ] {
            assert_eq!(json(text, Some(&top())).unwrap_err(), complaint);
        }
        assert!(
            json("{", Some(&top()))
                .unwrap_err()
                .starts_with("what --args gives is no JSON: EOF")
        );
    }

    #[test]
    fn nothing_is_checked_where_nothing_is_described() {
        assert_eq!(json(r#"{"x": [1]}"#, None).unwrap(), r#"{"x":[1]}"#);
        let given = CallArguments::Words(vec!["1".into(), "\"a\"".into()]);
        assert_eq!(
            given.into_value(None).map(|value| to_json(&value)).unwrap(),
            r#"[1,"a"]"#
        );
        let error = CallArguments::Words(vec!["word".into()])
            .into_value(None)
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(r#"the argument "word" is no JSON; quote"#),
            "{error}"
        );
    }

    #[test]
    fn long_arguments_are_cut() {
        let error = words(&["a", &"9".repeat(200)], &top()).unwrap_err();
        assert!(error.chars().count() < 120, "{error}");
    }
}
