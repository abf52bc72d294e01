//! The schema of a plan's settings, for people and for editors.

use serde_json::{Map, Value, json};
use wxec_plan::config::{Field, Schema, Variant};

/// Returns a line for each setting: its name, and what it has to be.
pub(crate) fn lines(schema: &Schema) -> Vec<String> {
    let mut rows = Vec::new();
    add(schema, "", &mut rows);
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.into_iter()
        .map(|(name, wanted)| format!("{name:width$}  {wanted}"))
        .collect()
}

fn add(schema: &Schema, place: &str, rows: &mut Vec<(String, String)>) {
    match schema {
        Schema::Optional(inner) => add(inner, place, rows),
        Schema::Table(fields) => {
            for field in fields.iter().filter(|field| field.alias_of.is_none()) {
                let name = format!("{place}{}", field.name);
                let optional = if field.is_required { "" } else { ", optional" };
                rows.push((name.clone(), format!("{}{optional}", field.schema)));
                add(&field.schema, &format!("{name}."), rows);
            }
        }
        _ => {}
    }
}

/// Returns the schema as JSON Schema, which editors understand.
pub(crate) fn json_schema(title: &str, doc: &str, schema: &Schema) -> Value {
    let mut whole = Map::new();
    whole.insert(
        "$schema".into(),
        "https://json-schema.org/draft/2020-12/schema".into(),
    );
    whole.insert("title".into(), title.into());
    if !doc.is_empty() {
        whole.insert("description".into(), doc.into());
    }
    if let Value::Object(schema) = json(schema) {
        whole.extend(schema);
    }
    Value::Object(whole)
}

fn json(schema: &Schema) -> Value {
    match schema {
        Schema::Unit => json!({ "type": "null" }),
        Schema::Bool => json!({ "type": "boolean" }),
        Schema::Integer { .. } => match schema.bounds() {
            // Those of 64 bits are no numbers of JavaScript, in which editors are written.
            Some((least, most)) if most <= i128::from(u32::MAX) => json!({
                "type": "integer",
                "minimum": i64::try_from(least).unwrap_or(i64::MIN),
                "maximum": i64::try_from(most).unwrap_or(i64::MAX),
            }),
            Some((0, _)) => json!({ "type": "integer", "minimum": 0 }),
            _ => json!({ "type": "integer" }),
        },
        Schema::Float => json!({ "type": "number" }),
        Schema::Text => json!({ "type": "string" }),
        Schema::Bytes => json!({ "type": ["string", "array"] }),
        Schema::Optional(inner) => json!({ "anyOf": [json(inner), { "type": "null" }] }),
        Schema::Secret(inner) => json!({
            "writeOnly": true,
            "anyOf": [json(inner), {
                "type": "object",
                "properties": { "secret": { "type": "string", "pattern": "^(file|env|command):." } },
                "required": ["secret"],
                "additionalProperties": false,
            }],
        }),
        Schema::List(item) => json!({ "type": "array", "items": json(item) }),
        Schema::Tuple(parts) => json!({
            "type": "array",
            "prefixItems": parts.iter().map(json).collect::<Vec<_>>(),
            "minItems": parts.len(),
            "maxItems": parts.len(),
        }),
        Schema::Map(entry) => json!({ "type": "object", "additionalProperties": json(&entry.1) }),
        Schema::Table(fields) => table(fields),
        Schema::Enum(variants) => json!({
            "anyOf": variants.iter().map(variant).collect::<Vec<_>>(),
        }),
        _ => json!({}),
    }
}

fn table(fields: &[Field]) -> Value {
    let mut properties = Map::new();
    for field in fields {
        let meant = |name: &String| fields.iter().find(|field| field.name == *name);
        let meant = field.alias_of.as_ref().and_then(meant).unwrap_or(field);
        properties.insert(field.name.clone(), json(&meant.schema));
    }
    // A field with other names may be given by one of those.
    let has_alias = |name: &String| fields.iter().any(|it| it.alias_of.as_ref() == Some(name));
    let required: Vec<_> = fields
        .iter()
        .filter(|field| field.is_required && !has_alias(&field.name))
        .map(|field| field.name.clone())
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn variant(variant: &Variant) -> Value {
    let Some(content) = &variant.content else {
        return json!({ "const": variant.name });
    };
    json!({
        "type": "object",
        "properties": { &variant.name: json(content) },
        "required": [variant.name],
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use wxec_plan::Secret;

    use super::*;

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "it is looked at only")]
    struct Site {
        title: String,
        #[serde(default)]
        ports: Vec<u16>,
        tls: Option<Tls>,
        level: Level,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "it is looked at only")]
    struct Tls {
        key: Secret<String>,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "it is looked at only")]
    enum Level {
        Quiet,
        File(String),
    }

    #[test]
    fn people_read_a_line_for_each_setting() {
        assert_eq!(
            lines(&Schema::of::<Site>()),
            [
                "title    text",
                "ports    list of numbers from 0 to 65535, optional",
                "tls      table, optional",
                "tls.key  secret text",
                "level    \"Quiet\" or { File = text }",
            ]
        );
    }

    #[test]
    fn editors_read_json_schema() {
        let reference = json!({
            "type": "object",
            "properties": { "secret": { "type": "string", "pattern": "^(file|env|command):." } },
            "required": ["secret"],
            "additionalProperties": false,
        });
        let tls = json!({
            "type": "object",
            "properties": {
                "key": { "writeOnly": true, "anyOf": [{ "type": "string" }, reference] },
            },
            "required": ["key"],
            "additionalProperties": false,
        });
        let file = json!({
            "type": "object",
            "properties": { "File": { "type": "string" } },
            "required": ["File"],
            "additionalProperties": false,
        });
        let port = json!({ "type": "integer", "minimum": 0, "maximum": 65535 });
        assert_eq!(
            json_schema("web::site", "A site.", &Schema::of::<Site>()),
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "title": "web::site",
                "description": "A site.",
                "type": "object",
                "properties": {
                    "title": { "type": "string" },
                    "ports": { "type": "array", "items": port },
                    "tls": { "anyOf": [tls, { "type": "null" }] },
                    "level": { "anyOf": [{ "const": "Quiet" }, file] },
                },
                "required": ["title", "level"],
                "additionalProperties": false,
            })
        );
    }
}
