//! The tasks of a program that knows nothing of wxec, as a file beside it states them: their
//! signatures in Rust's notation, and the program's arguments for each.

use serde::Deserialize;
use wxec_protocol::abi::{Function, Parameter, Wants};

/// End of the file's name, in place of the program's `.wasm`.
pub(super) const END: &str = "tasks.toml";

/// Largest file: that of 10,000 tasks.
pub(super) const MAX_BYTES: u64 = 1 << 20;

/// A task of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProgramTask {
    pub(super) function: Function,
    /// The program's arguments, after its name.
    pub(super) argv: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    task: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    signature: String,
    #[serde(default)]
    doc: String,
    #[serde(default)]
    argv: Vec<String>,
    #[serde(default)]
    wants: Wants,
}

/// Reads the tasks that a file states.
pub(super) fn parse(text: &str) -> Result<Vec<ProgramTask>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())?;
    let mut tasks: Vec<ProgramTask> = Vec::new();
    for entry in file.task {
        let task = entry.into_task()?;
        let path = &task.function.path;
        if tasks.iter().any(|known| known.function.path == *path) {
            return Err(format!("the task `{path}` stands there twice"));
        }
        tasks.push(task);
    }
    if tasks.is_empty() {
        return Err("it states no [[task]]".into());
    }
    Ok(tasks)
}

impl Entry {
    fn into_task(self) -> Result<ProgramTask, String> {
        let shown = format!("`{}`", self.signature.trim());
        let mut function = signature(&self.signature).ok_or_else(|| {
            format!("{shown} is no signature such as `count(text: String) -> u64`")
        })?;
        let mut types = function
            .parameters
            .iter()
            .map(|parameter| &parameter.type_name);
        let is_channel = |text: &str| text.contains("Sender<") || text.contains("Receiver<");
        if types.any(|text| is_channel(text)) || is_channel(&function.returns) {
            return Err(format!(
                "{shown} has a channel, which a program cannot have"
            ));
        }
        function.doc = self.doc.trim_end().into();
        function.wants = self.wants;
        Ok(ProgramTask {
            function,
            argv: self.argv,
        })
    }
}

/// Reads a signature such as `text::count(text: String) -> Result<u64, Refusal>`.
fn signature(text: &str) -> Option<Function> {
    let (path, rest) = text.trim().split_once('(')?;
    let path = path.trim();
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || c == '_' || c == '-')
    };
    if !path.split("::").all(is_name) {
        return None;
    }
    let end = closing(rest)?;
    let mut parameters = Vec::new();
    for part in split(&rest[..end]) {
        let (name, type_name) = part.split_once(':')?;
        let (name, type_name) = (name.trim(), type_name.trim());
        if !is_name(name) || type_name.is_empty() {
            return None;
        }
        parameters.push(Parameter {
            name: name.into(),
            type_name: type_name.into(),
        });
    }
    let returns = match rest[end + 1..].trim() {
        "" => "()",
        rest => rest.strip_prefix("->")?.trim(),
    };
    let result = returns
        .strip_prefix("Result<")
        .and_then(|rest| rest.strip_suffix('>'));
    let (returns, error) = match result.map(split).as_deref() {
        Some([value, error]) => ((*value).to_owned(), Some((*error).to_owned())),
        _ => (returns.to_owned(), None),
    };
    (!returns.is_empty()).then(|| Function {
        path: path.into(),
        name: path.rsplit("::").next().unwrap_or(path).into(),
        doc: String::new(),
        parameters,
        returns,
        error,
        wants: Wants::default(),
        readable: false,
        plan: None,
    })
}

/// Returns the position of the parenthesis that closes one before the text.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// Splits at the commas outside of brackets.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let parts = text.split(|c: char| {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_read_as_it_is_shown() {
        for text in [
            "count(text: String) -> u64",
            "text::stats::lengths(text: String) -> BTreeMap<u64, u64>",
            "nothing()",
            "pair(pair: (String, Vec<(u8, bool)>), n: Option<i64>) -> (i64, String)",
            "careful(x: f64) -> Result<Vec<f64>, Refusal>",
        ] {
            let function = signature(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(function.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_signature_is_named() {
        for text in [
            "count",
            "count(",
            "(a: u8)",
            "count(text)",
            "count(: u8)",
            "a b(x: u8)",
            "f() u8",
            "f() ->",
        ] {
            let file = format!("[[task]]\nsignature = \"{text}\"");
            let expected = format!("`{text}` is no signature such as `count(text: String) -> u64`");
            assert_eq!(parse(&file), Err(expected));
        }
    }

    #[test]
    fn mistakes_of_the_file_are_told() {
        let error = |text: &str| parse(text).unwrap_err();
        assert_eq!(error(""), "it states no [[task]]");
        let twice = "[[task]]\nsignature = \"f()\"\n[[task]]\nsignature = \"f(x: u8)\"";
        assert_eq!(error(twice), "the task `f` stands there twice");
        assert!(error("[[task]]\nsignatrue = \"f()\"").contains("unknown field `signatrue`"));
        let stream = "[[task]]\nsignature = \"f(out: Sender<u8>)\"";
        assert!(error(stream).ends_with("has a channel, which a program cannot have"));
    }

    #[test]
    fn a_task_has_its_arguments_and_its_needs() {
        let text = "[[task]]\nsignature = \"f()\"\ndoc = \"Does it.\"\nargv = [\"--do\"]\nwants.read = [\"/etc\"]";
        let [task] = &*parse(text).unwrap() else {
            panic!("one task")
        };
        assert_eq!(task.argv, ["--do"]);
        assert_eq!(task.function.doc, "Does it.");
        assert_eq!(task.function.wants.read, ["/etc"]);
    }
}
