//! Descriptions of tasks in the JSDoc comments of a script.
//!
//! A comment with the tag `@task` describes the exported function below it. Types are those of
//! JSDoc and TypeScript, and the names of the notation.

use wxec_script::{Description, Field, Records, Wants};

/// Finds the tasks of one file. `module` is the path of its tasks.
pub fn tasks(module: &str, source: &str) -> Result<Vec<Description>, String> {
    let comments = comments(source);
    let mut records = Records::new();
    for comment in &comments {
        if let Some(name) = comment
            .tags("typedef")
            .next()
            .and_then(|tag| words(tag.1).last())
        {
            let properties = comment.tags("property").chain(comment.tags("prop"));
            let fields = properties.map(|(one, name)| Field {
                type_name: notation(one),
                name: words(name).next().unwrap_or_default().to_owned(),
            });
            records.insert(name.to_owned(), fields.collect());
        }
    }
    let tasks = comments
        .iter()
        .filter(|comment| comment.tags("task").next().is_some());
    let described = tasks.map(|comment| {
        let name = exported(comment.below).ok_or_else(|| {
            let line = comment.line;
            format!("line {line}: `@task` needs an exported function below its comment")
        })?;
        describe(module, name, comment, &records)
    });
    described.collect()
}

fn describe(
    module: &str,
    name: &str,
    comment: &Comment<'_>,
    records: &Records,
) -> Result<Description, String> {
    let parameters = comment.tags("param").map(|(one, rest)| {
        let name = words(rest).next().unwrap_or_default();
        let optional = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        // A default stands behind the name: `[number=42]`.
        let bare = optional
            .unwrap_or(name)
            .split('=')
            .next()
            .unwrap_or_default();
        if one.is_empty() || bare.is_empty() {
            return Err(format!(
                "line {}: a parameter of `{name}` needs a type and a name: `@param {{TYPE}} NAME`",
                comment.line
            ));
        }
        let type_name = match notation(one) {
            type_name if optional.is_some() && !type_name.starts_with("Option<") => {
                format!("Option<{type_name}>")
            }
            type_name => type_name,
        };
        Ok((bare.to_owned(), type_name))
    });
    let returns = comment.tags("returns").chain(comment.tags("return")).next();
    let returns = returns.map_or("()".to_owned(), |(one, _)| match returned_item(one) {
        Some(item) => format!("Receiver<{}>", notation(item)),
        None => notation(one),
    });
    let mut wants = Wants::default();
    for (_, tag) in comment.tags("wants") {
        let mut words = words(tag);
        let kind = words.next().unwrap_or_default();
        let list = match kind {
            "read" => &mut wants.read,
            "write" => &mut wants.write,
            "run" => &mut wants.run,
            "env" => &mut wants.env,
            "net" => &mut wants.net,
            "host" => &mut wants.host,
            "ask" => &mut wants.ask,
            "facts" => {
                wants.facts = true;
                continue;
            }
            "attributes" => {
                wants.attributes = true;
                continue;
            }
            kind => return Err(format!("line {}: there is no grant `{kind}`", comment.line)),
        };
        list.extend(words.map(str::to_owned));
    }
    Ok(Description {
        module: module.to_owned(),
        name: name.to_owned(),
        doc: comment.text.clone(),
        parameters: parameters.collect::<Result<_, _>>()?,
        returns,
        error: comment.tags("throws").next().map(|(one, _)| one.to_owned()),
        wants,
        records: records.clone(),
    })
}

/// A JSDoc comment.
struct Comment<'a> {
    /// The text before the first tag.
    text: String,
    /// Each tag: its name, the type in braces, and the rest of its line.
    tags: Vec<(&'a str, &'a str, &'a str)>,
    /// The source below it.
    below: &'a str,
    /// Line of its beginning, counted from 1.
    line: usize,
}

impl<'a> Comment<'a> {
    /// Returns types and rests of the tags of a name.
    fn tags(&self, name: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let found = self.tags.iter().filter(move |tag| tag.0 == name);
        found.map(|tag| (tag.1, tag.2))
    }
}

fn comments(source: &str) -> Vec<Comment<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = source[at..].find("/**") {
        let start = at + start;
        let Some(length) = source[start + 3..].find("*/") else {
            break;
        };
        let end = start + 3 + length;
        let mut comment = Comment {
            text: String::new(),
            tags: Vec::new(),
            below: &source[end + 2..],
            line: source[..start].matches('\n').count() + 1,
        };
        for line in source[start + 3..end].lines() {
            let line = line.trim();
            let line = line.strip_prefix('*').unwrap_or(line).trim();
            if let Some(tag) = line.strip_prefix('@') {
                let (name, rest) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
                let rest = rest.trim();
                let (one, rest) = braced(rest).unwrap_or(("", rest));
                comment.tags.push((name, one, rest.trim()));
            } else if comment.tags.is_empty() && !(line.is_empty() && comment.text.is_empty()) {
                if !comment.text.is_empty() {
                    comment.text.push('\n');
                }
                comment.text.push_str(line);
            }
        }
        comment.text.truncate(comment.text.trim_end().len());
        found.push(comment);
        at = end + 2;
    }
    found
}

/// Splits a type in braces off.
fn braced(text: &str) -> Option<(&str, &str)> {
    if !text.starts_with('{') {
        return None;
    }
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((text[1..at].trim(), &text[at + 1..]));
        }
    }
    None
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

/// Returns the name of the exported function at the beginning of a source.
fn exported(source: &str) -> Option<&str> {
    let mut rest = source.trim_start();
    while let Some(comment) = rest.strip_prefix("//") {
        rest = comment.split_once('\n')?.1.trim_start();
    }
    let keyword = |text: &str, word: &str| {
        let rest = text.strip_prefix(word)?;
        rest.starts_with([' ', '\t', '\n', '\r', '*'])
            .then(|| text.len() - rest.trim_start().len())
    };
    rest = &rest[keyword(rest, "export")?..];
    if let Some(length) = keyword(rest, "async") {
        rest = &rest[length..];
    }
    let length = ["function", "const", "let"]
        .iter()
        .find_map(|word| keyword(rest, word))?;
    rest = rest[length..].trim_start_matches('*').trim_start();
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'));
    let name = &rest[..end.unwrap_or(rest.len())];
    (!name.is_empty()).then_some(name)
}

/// Returns the type of the items, if a function returns them one by one.
fn returned_item(text: &str) -> Option<&str> {
    let (name, items) = generic(text.trim())?;
    let streams = [
        "Generator",
        "AsyncGenerator",
        "Iterable",
        "AsyncIterable",
        "Iterator",
        "AsyncIterator",
        "IterableIterator",
    ];
    let first = split(items, ',').first().copied();
    first.filter(|_| streams.contains(&name))
}

/// Writes a type of JSDoc in the notation. A type that is not known stays as it is.
fn notation(text: &str) -> String {
    let text = text.trim().trim_end_matches('=').trim_start_matches('!');
    if let Some(inner) = text.strip_prefix('?') {
        return format!("Option<{}>", notation(inner));
    }
    let union = split(text, '|');
    if union.len() > 1 {
        let is_null = |one: &&str| matches!(one.trim(), "null" | "undefined" | "void");
        let others: Vec<_> = union.iter().filter(|one| !is_null(one)).collect();
        let inner = match others[..] {
            [one] => notation(one),
            _ => "Value".to_owned(),
        };
        return match others.len() == union.len() {
            true => inner,
            false => format!("Option<{inner}>"),
        };
    }
    if let Some(item) = text.strip_suffix("[]") {
        return format!("Vec<{}>", notation(item));
    }
    let within = |open, close| text.strip_prefix(open)?.strip_suffix(close);
    if let Some(items) = within('[', ']') {
        return match &split(items, ',')[..] {
            [one] => format!("({},)", notation(one)),
            items => format!("({})", notations(items)),
        };
    }
    // A tuple of the notation, or a type in parentheses.
    if let Some(items) = within('(', ')') {
        return match &split(items, ',')[..] {
            [one] => notation(one),
            items => format!("({})", notations(items)),
        };
    }
    if let Some((name, items)) = generic(text) {
        let items = split(items, ',');
        return match (name, &items[..]) {
            ("Promise", [one]) => notation(one),
            ("Array" | "Set" | "ReadonlyArray", [one]) => format!("Vec<{}>", notation(one)),
            ("Map" | "Record" | "Object", [_, _]) => format!("BTreeMap<{}>", notations(&items)),
            _ => format!("{name}<{}>", notations(&items)),
        };
    }
    let named = match text {
        "bigint" => "i64",
        "number" => "f64",
        "string" => "String",
        "boolean" => "bool",
        "Uint8Array" => "Bytes",
        "void" | "undefined" | "null" => "()",
        "any" | "unknown" | "*" | "object" | "Object" => "Value",
        other => other,
    };
    named.to_owned()
}

fn notations(items: &[&str]) -> String {
    let items: Vec<_> = items.iter().map(|one| notation(one)).collect();
    items.join(", ")
}

/// Splits `Map<K, V>`, or `Array.<T>`.
fn generic(text: &str) -> Option<(&str, &str)> {
    let (name, items) = text.split_once('<')?;
    Some((name.trim_end_matches('.'), items.strip_suffix('>')?))
}

/// Splits at a mark, but not at one within brackets.
fn split(text: &str, mark: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_i32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '<' | '(' | '[' | '{' => depth += 1,
            '>' | ')' | ']' | '}' => depth -= 1,
            c if c == mark && depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_describes_the_function_below_it() {
        let source = "
/**
 * @typedef {Object} Point
 * @property {bigint} x
 * @property {?number} y - the other one
 */

/**
 * Moves a point,
 * and more.
 *
 * @task
 * @param {Point} point - where it is
 * @param {bigint} [by]
 * @returns {Promise<Point>} the place
 * @throws {Lost}
 * @wants read /etc /var
 * @wants facts
 */
// A note.
export async function move(point, by) {}

/** Not a task. */
export function other() {}
";
        let tasks = tasks("m", source).unwrap();
        assert_eq!(tasks.len(), 1);
        let task = &tasks[0];
        assert_eq!((&*task.module, &*task.name), ("m", "move"));
        assert_eq!(task.doc, "Moves a point,\nand more.");
        let parameters = [("point", "Point"), ("by", "Option<i64>")];
        assert_eq!(
            task.parameters,
            parameters.map(|(a, b)| (a.into(), b.into()))
        );
        assert_eq!(task.returns, "Point");
        assert_eq!(task.error.as_deref(), Some("Lost"));
        assert_eq!(task.wants.read, ["/etc", "/var"]);
        assert!(task.wants.facts);
        assert_eq!(task.records["Point"][1].type_name, "Option<f64>");
    }

    #[test]
    fn types_of_jsdoc_have_names_in_the_notation() {
        for (jsdoc, expected) in [
            ("Array.<string>", "Vec<String>"),
            ("Map<string, bigint[]>", "BTreeMap<String, Vec<i64>>"),
            ("string | null", "Option<String>"),
            ("string | number", "Value"),
            ("[bigint, string][]", "Vec<(i64, String)>"),
            ("Sender<Uint8Array>", "Sender<Bytes>"),
            ("(string|null)[]", "Vec<Option<String>>"),
            ("u64", "u64"),
            ("Vec<Option<u8>>", "Vec<Option<u8>>"),
        ] {
            assert_eq!(notation(jsdoc), expected, "{jsdoc}");
        }
    }

    #[test]
    fn generators_return_items() {
        let source =
            "/** @task\n @returns {Generator<bigint, void>} */ export function* numbers() {}";
        let tasks = tasks("m", source).unwrap();
        assert_eq!(
            (&*tasks[0].name, &*tasks[0].returns),
            ("numbers", "Receiver<i64>")
        );
    }

    #[test]
    fn complaints_name_the_line() {
        assert_eq!(
            tasks("m", "\n/** @task */\nfunction hidden() {}").unwrap_err(),
            "line 2: `@task` needs an exported function below its comment"
        );
        let untyped = "/**\n * @task\n * @param a\n */\nexport function f(a) {}";
        assert!(
            tasks("m", untyped)
                .unwrap_err()
                .contains("needs a type and a name")
        );
    }
}
