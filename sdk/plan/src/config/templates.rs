//! Templates of a plan: its controller renders them for each host, from the plan's config.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Write},
    path::PathBuf,
};

use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, syntax::SyntaxConfig,
    value::Serde,
};
use serde::Serialize;
use wxec::{here::Facts, module::Digest};

use super::{
    check::{TARGET, similar},
    schema::Schema,
};
use crate::{rendered::Rendered, secret::exposing};

/// Most instructions of one template: a hundred times those of a config file of 1,000 lines.
const FUEL: u64 = 1_000_000;

/// Longest text that a template makes. It travels in the order; config files are far shorter.
pub const MAX_RENDERED_BYTES: usize = 4 << 20;

/// The name of the run's mode in templates.
const MODE: &str = "mode";

/// A template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Its name, such as `app.conf.j2`.
    pub name: String,
    /// Its text.
    pub text: String,
    /// The file that an operator has put in place of the plan's own text.
    pub place: Option<PathBuf>,
}

/// The templates of a plan.
///
/// They are Jinja's, and see the settings of the plan by their names, the `mode`, and the host's facts
/// as `target`. A name that is not defined is an error. Lines with nothing but a `{% … %}` leave none
/// behind, nothing is escaped, and a text ends with one newline. Templates know no clock and no
/// random numbers.
///
/// ```
/// use std::collections::BTreeMap;
/// use wxec_plan::config::{Template, Templates};
///
/// let text = "{% for name in names %}\nserver {{ name }};\n{% endfor %}\n";
/// let template = Template { name: "app.conf.j2".into(), text: text.into(), place: None };
/// let templates = Templates::new([template]).unwrap();
///
/// let config = BTreeMap::from([("names", ["a.example", "b.example"])]);
/// let rendered = templates.render(None, &config, "install", None).unwrap();
/// assert_eq!(rendered[0].text, "server a.example;\nserver b.example;\n");
/// ```
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    templates: Vec<Template>,
}

/// A mistake in a template, or what it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TemplateFault {
    /// The template.
    pub name: String,
    /// The file that stands in place of the plan's own text.
    pub place: Option<PathBuf>,
    /// The line of the text.
    pub line: Option<usize>,
    /// The mistake.
    pub reason: String,
}

impl fmt::Display for TemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "template {}", place.display())?,
            None => write!(f, "template {}", self.name)?,
        }
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for TemplateFault {}

impl Templates {
    /// Reads templates. Fails with all that are no templates.
    pub fn new(templates: impl IntoIterator<Item = Template>) -> Result<Self, Vec<TemplateFault>> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(syntax.expect("its delimiters are the usual ones"));
        environment.set_fuel(Some(FUEL));
        // Errors then know the place in the text; what they know beside that is not shown.
        environment.set_debug(true);
        let templates: Vec<_> = templates.into_iter().collect();
        let mut faults = Vec::new();
        for template in &templates {
            let (name, text) = (template.name.clone(), template.text.clone());
            if let Err(error) = environment.add_template_owned(name, text) {
                let detail = error.detail().map(|detail| format!(": {detail}"));
                let reason = format!("{}{}", error.kind(), detail.unwrap_or_default());
                faults.push(template.fault(error.line(), reason));
            }
        }
        if faults.is_empty() {
            Ok(Self {
                environment,
                templates,
            })
        } else {
            Err(faults)
        }
    }

    /// Returns those that stand in place of the plan's own.
    pub(crate) fn replaced(&self) -> impl Iterator<Item = &Template> {
        self.templates.iter().filter(|it| it.place.is_some())
    }

    /// Returns a digest of their names and texts.
    pub fn digest(&self) -> Digest {
        let all = self.templates.iter();
        let texts: Vec<_> = all
            .map(|template| (&template.name, &template.text))
            .collect();
        Digest::of(&wxec::cbor::encode(&texts).expect("they are texts"))
    }

    /// Returns true if a template mentions the host's facts.
    pub fn mention_target(&self) -> bool {
        let all = self.templates.iter();
        all.flat_map(|template| self.names(template))
            .any(|path| path[0] == TARGET)
    }

    /// Returns the names that templates mention and that neither the plan's settings have nor the
    /// host's facts.
    pub fn check(&self, schema: &Schema) -> Vec<TemplateFault> {
        let facts = Schema::of::<Facts>();
        let mut faults = Vec::new();
        if schema.field(MODE).is_some() {
            let reason = "the plan has a setting `mode`, which templates would take for the run's";
            let first = self.templates.first();
            faults.extend(first.map(|template| template.fault(None, reason.into())));
        }
        for template in &self.templates {
            for path in self.names(template) {
                let unknown = match path.split_first() {
                    Some((first, rest)) if first == TARGET => unknown(&facts, rest),
                    Some((first, [])) if first == MODE => None,
                    _ => unknown(schema, &path),
                };
                let Some(similar) = unknown else { continue };
                let advice = similar.map(|similar| format!("; did you mean `{similar}`?"));
                let name = path.join(".");
                let reason = format!("`{name}` is not defined{}", advice.unwrap_or_default());
                faults.push(template.fault(template.line_with(&path), reason));
            }
        }
        faults
    }

    /// Renders all of them. Without a schema, each counts as one that a secret may have gone into.
    pub fn render(
        &self,
        schema: Option<&Schema>,
        config: &impl Serialize,
        mode: &str,
        target: Option<&Facts>,
    ) -> Result<Vec<Rendered>, TemplateFault> {
        let config = exposing(|| Value::from(Serde(config)));
        let mut names: BTreeMap<String, Value> = BTreeMap::new();
        for key in config.try_iter().into_iter().flatten() {
            if let (Some(name), Ok(value)) = (key.as_str(), config.get_item(&key)) {
                names.insert(name.to_owned(), value);
            }
        }
        names.insert(MODE.into(), mode.into());
        if let Some(facts) = target {
            names.insert(TARGET.into(), Value::from(Serde(facts)));
        }
        let names = Value::from(names);
        let all = self.templates.iter();
        all.map(|template| {
            let is_secret = self.may_show_secret(template, schema);
            let text = self.text(template, &names, is_secret)?;
            Ok(Rendered {
                name: template.name.clone(),
                text,
                is_secret,
            })
        })
        .collect()
    }

    fn text(
        &self,
        template: &Template,
        names: &Value,
        is_secret: bool,
    ) -> Result<String, TemplateFault> {
        let mut text = Bounded(Vec::new());
        let found = self.environment.get_template(&template.name);
        let rendered = found.and_then(|found| found.render_captured_to(names, &mut text).map(drop));
        if let Err(error) = rendered {
            return Err(self.failed(template, &error, is_secret));
        }
        let mut text = String::from_utf8_lossy(&text.0).into_owned();
        text.truncate(text.trim_end_matches('\n').len());
        text.push('\n');
        Ok(text)
    }

    fn failed(&self, template: &Template, error: &Error, is_secret: bool) -> TemplateFault {
        // The innermost error is that of the template in which it is, which may be included.
        let name = error.name().unwrap_or(&template.name);
        let inner = self.templates.iter().find(|template| template.name == name);
        let template = inner.unwrap_or(template);
        let code = error.range().and_then(|range| template.text.get(range));
        let code = code.map(|code| format!("`{}`", code.escape_debug()));
        let reason = match (error.kind(), code) {
            (ErrorKind::UndefinedError, Some(code)) => {
                let hint = if code.starts_with("`target") {
                    ": the order has no facts of the host"
                } else {
                    ""
                };
                format!("{code} is not defined{hint}")
            }
            (ErrorKind::OutOfFuel, _) => format!("it takes more than {FUEL} steps"),
            (ErrorKind::WriteFailure, _) => {
                format!("it makes more than {MAX_RENDERED_BYTES} bytes")
            }
            (kind, code) => {
                // Details quote values.
                let detail = error.detail().filter(|_| !is_secret);
                let detail = detail.map(|detail| format!(": {detail}"));
                let at = code.map(|code| format!(" at {code}"));
                format!(
                    "{kind}{}{}",
                    at.unwrap_or_default(),
                    detail.unwrap_or_default()
                )
            }
        };
        template.fault(error.line(), reason)
    }

    /// Returns the names that a template mentions and that are not its own, in their order.
    fn names(&self, template: &Template) -> Vec<Vec<String>> {
        let Ok(parsed) = self.environment.get_template(&template.name) else {
            return Vec::new();
        };
        let split = |name: String| name.split('.').map(str::to_owned).collect::<Vec<_>>();
        let is_global = |path: &[String]| {
            let mut globals = self.environment.globals();
            globals.any(|(name, _)| name == path[0])
        };
        let names = parsed.undeclared_variables(true).into_iter().map(split);
        let mut names: Vec<_> = names.filter(|path| !is_global(path)).collect();
        names.sort();
        names
    }

    /// Returns true if a template mentions a secret, or something that may have one in it. One that
    /// includes others counts as all of them.
    fn may_show_secret(&self, template: &Template, schema: Option<&Schema>) -> bool {
        let Some(schema) = schema else {
            return true;
        };
        let includes_others = ["include", "import", "extends"]
            .iter()
            .any(|word| template.text.contains(word));
        let others = self.templates.iter().filter(|_| includes_others);
        others
            .chain([template])
            .flat_map(|template| self.names(template))
            .filter(|path| path[0] != TARGET)
            .any(|path| schema.leads_to_secret(&path))
    }
}

impl Template {
    fn fault(&self, line: Option<usize>, reason: String) -> TemplateFault {
        TemplateFault {
            name: self.name.clone(),
            place: self.place.clone(),
            line,
            reason,
        }
    }

    /// Returns the first line that mentions a name.
    fn line_with(&self, path: &[String]) -> Option<usize> {
        let name = path.join(".");
        let found = self.text.lines().position(|line| line.contains(&name));
        found.map(|index| index + 1)
    }
}

impl Schema {
    /// Returns true if what a path of names leads to may have a secret in it.
    fn leads_to_secret(&self, path: &[String]) -> bool {
        match (path.split_first(), self) {
            (_, Self::Secret(_)) => true,
            (None, whole) => whole.may_have_secret(),
            (Some(_), Self::Optional(inner)) => inner.leads_to_secret(path),
            (Some((name, rest)), Self::Table(_)) => self
                .field(name)
                .is_some_and(|field| field.schema.leads_to_secret(rest)),
            (Some((_, rest)), Self::Map(entry)) => entry.1.leads_to_secret(rest),
            (Some(_), whole) => whole.may_have_secret(),
        }
    }
}

/// Returns a known name that is similar to the first unknown one, if there is an unknown one.
fn unknown<'a>(schema: &'a Schema, path: &[String]) -> Option<Option<&'a str>> {
    let (name, rest) = path.split_first()?;
    match schema.bare() {
        Schema::Table(fields) => match schema.field(name) {
            Some(field) => unknown(&field.schema, rest),
            None => Some(similar(name, fields.iter().map(|field| &*field.name))),
        },
        Schema::Map(entry) => unknown(&entry.1, rest),
        Schema::Text | Schema::Bool | Schema::Integer { .. } | Schema::Float | Schema::Unit => {
            Some(None)
        }
        _ => None,
    }
}

/// A text that is refused once it is too long.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_RENDERED_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "templates_tests.rs"]
mod tests;
