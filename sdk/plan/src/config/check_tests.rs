//! Settings with mistakes.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::Secret;

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is looked at only")]
struct Site {
    title: String,
    #[serde(default, alias = "ports")]
    port: Vec<u8>,
    tls: Option<Tls>,
    key: Option<Secret<String>>,
    #[serde(default)]
    level: Level,
    #[serde(default)]
    hosts: BTreeMap<String, (u8, bool)>,
    #[serde(default)]
    ratio: f32,
    #[serde(default)]
    deep: Option<Secret<Tls>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is looked at only")]
struct Tls {
    port: u16,
    #[serde(default)]
    cert: String,
}

#[derive(Default, Deserialize)]
#[expect(dead_code, reason = "it is looked at only")]
enum Level {
    #[default]
    Quiet,
    File(String),
}

/// Returns the mistakes in settings that are written as JSON.
fn mistakes(settings: &str) -> Vec<String> {
    let value: serde_json::Value = serde_json::from_str(settings).unwrap();
    let mut layers = Layers::new();
    layers.set(&[""; 0], Value::serialized(&value).unwrap(), "host");
    let mistakes = Schema::of::<Site>().check(&layers);
    mistakes.iter().map(ToString::to_string).collect()
}

#[test]
fn settings_that_fit_have_no_mistakes() {
    let none: [&str; 0] = [];
    assert_eq!(mistakes(r#"{"title": "a"}"#), none);
    assert_eq!(
        mistakes(
            r#"{"title": "a", "ports": [1, 255], "tls": {"port": 443}, "key": {"secret": "env:KEY"},
                "level": {"File": "/log"}, "hosts": {"a": [1, true]}, "ratio": 1,
                "deep": {"port": 1, "cert": {"secret": "file:/cert"}}}"#
        ),
        none
    );
    assert_eq!(
        mistakes(r#"{"title": "a", "tls": null, "key": "plain", "level": "Quiet", "ratio": 0.5}"#),
        none
    );
}

#[test]
fn all_mistakes_are_found_at_once_and_values_are_not_quoted() {
    assert_eq!(
        mistakes(
            r#"{"tls": {"prot": 443}, "key": 7, "level": "Loud", "hosts": {"a": [1]}, "ratio": "canary",
                "port": [1, 256, "canary"], "deep": {"port": "canary"}}"#
        ),
        [
            "host: deep.port: is a text, and has to be a number from 0 to 65535",
            "host: hosts.a: is a list of another length or kind, and has to be a list of number \
             from 0 to 255, true or false",
            "host: key: is a number, and has to be a text",
            "host: level: is another text, and has to be \"Quiet\" or { File = text }",
            "host: port.1: is out of range, and has to be a number from 0 to 255",
            "host: port.2: is a text, and has to be a number from 0 to 255",
            "host: ratio: is a text, and has to be a number",
            "host: tls.prot: there is no such setting; did you mean `port`?",
            "tls.port: is missing, and has to be a number from 0 to 65535",
            "title: is missing, and has to be a text",
        ]
    );
    assert_eq!(
        mistakes(r#"{"title": "a", "x": 1}"#),
        [
            "host: x: there is no such setting; there are title, port, tls, key, level, hosts, \
             ratio, deep"
        ]
    );
}

#[test]
fn references_are_for_secrets() {
    let shown = "host: title: is no secret of the plan, and would be shown: its type has to be \
                 `Secret<…>`";
    assert_eq!(mistakes(r#"{"title": {"secret": "env:KEY"}}"#), [shown]);
    let place = "host: key: no secret at `vault:x`: it begins with no place";
    let found = mistakes(r#"{"title": "a", "key": {"secret": "vault:x"}}"#);
    assert!(found[0].starts_with(place), "{found:?}");
}

#[test]
fn the_name_of_the_facts_is_no_setting() {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "it is looked at only")]
    struct Config {
        #[serde(default)]
        target: String,
    }
    let mistakes = Schema::of::<Config>().check(&Layers::new());
    let text = "target: the plan has a setting of this name, which is that of the host's facts: \
                give it another one in the plan";
    assert_eq!(mistakes[0].to_string(), text);
}

#[test]
fn a_plan_without_config_takes_no_settings() {
    let mut layers = Layers::new();
    assert!(Schema::of::<()>().check(&layers).is_empty());
    layers.set(&["x"], 1.into(), "--set");
    let mistakes = Schema::of::<()>().check(&layers);
    let text = "--set: x: there is no such setting; the plan takes none";
    assert_eq!(mistakes[0].to_string(), text);
}

#[test]
fn secrets_are_hidden_in_whole_and_in_parts() {
    let schema = Schema::of::<Site>();
    let is_hidden = |path: &[&str]| schema.is_hidden(path);
    assert!(is_hidden(&["key"]) && is_hidden(&["deep", "port"]) && is_hidden(&["deep"]));
    assert!(!is_hidden(&["title"]) && !is_hidden(&["tls", "port"]) && !is_hidden(&["none"]));
}
