//! Settings in layers, and those that refer to secrets.

use super::*;

fn table<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let entries = entries.into_iter().map(|(key, value)| (key.into(), value));
    Value::Map(entries.collect())
}

#[test]
fn tables_are_merged_and_all_else_is_replaced() {
    let mut layers = Layers::new();
    let list = |items: &[i32]| Value::Array(items.iter().map(|item| (*item).into()).collect());
    let low = table([
        ("a", table([("x", 1.into()), ("y", 2.into())])),
        ("b", list(&[1, 2])),
        ("c", table([("z", 3.into())])),
    ]);
    layers.set(&[""; 0], low, "low");
    layers.set(&["a", "y"], 9.into(), "high");
    layers.set(&["b"], list(&[3]), "high");
    layers.set(&["c"], "none".into(), "high");
    let merged = table([
        ("a", table([("x", 1.into()), ("y", 9.into())])),
        ("b", list(&[3])),
        ("c", "none".into()),
    ]);
    assert_eq!(layers.to_value(), merged);
    let settings = layers.settings().into_iter();
    let layers: Vec<_> = settings
        .map(|setting| format!("{} {}", setting.name(), setting.origin))
        .collect();
    assert_eq!(layers, ["a.x low", "a.y high", "b high", "c high"]);
    assert_eq!(Layers::new().to_value(), Value::Map(Vec::new()));
}

#[test]
fn references_are_merged_like_tables_and_shown_as_they_are() {
    let mut layers = Layers::new();
    layers.set(&["key"], "plain".into(), "low");
    layers.set(&["key"], one_entry("env:KEY".into()), "high");
    layers.set(&["secret"], "of the plan".into(), "low");
    let both = table([("secret", "env:KEY".into()), ("more", 1.into())]);
    layers.set(&["table"], both, "low");
    let shown: Vec<_> = layers.settings().into_iter().collect();
    let names: Vec<_> = shown.iter().map(Setting::name).collect();
    assert_eq!(names, ["key", "secret", "table.more", "table.secret"]);
    assert_eq!(shown[0].value, one_entry("env:KEY".into()));
    assert_eq!(shown[1].value, "of the plan".into());
}

#[test]
fn secrets_are_read_last_and_each_that_is_not_there_is_named() {
    let place = |place: &str| one_entry(place.into());
    let mut layers = Layers::new();
    layers.set(&["a"], place("env:NO_SUCH_NAME"), "low");
    layers.set(&["a"], place("command:echo one"), "high");
    layers.set(
        &["list"],
        Value::Array(vec![place("command:echo two"), 3.into()]),
        "low",
    );
    let resolved = layers.resolve(&mut References::new()).unwrap();
    let list = Value::Array(vec!["two".into(), 3.into()]);
    assert_eq!(resolved, table([("a", "one".into()), ("list", list)]));

    layers.set(&["a"], place("env:NO_SUCH_NAME"), "high");
    layers.set(&["b", "c"], place("vault:x"), "--set");
    let mistakes = layers.resolve(&mut References::new()).unwrap_err();
    let names: Vec<_> = mistakes.iter().map(|mistake| &*mistake.name).collect();
    assert_eq!(names, ["a", "b.c"]);
}

#[test]
fn a_complaint_about_a_secret_does_not_quote_it() {
    let mut layers = Layers::new();
    let secret = table([("secret", "env:HOME".into())]);
    layers.set(&["db", "key"], secret, "here");
    let told = |path: &[&str], reason: &str| layers.refused(path, reason).to_string();
    let quoting = "invalid value: string \"hunter2\"";
    for path in [&["db", "key"][..], &["db"], &["db", "key", "more"], &[]] {
        assert!(!told(path, quoting).contains("hunter2"), "{path:?}");
    }
    assert!(told(&[], "missing field `port`").contains("port"));
    assert!(told(&["other"], quoting).contains("hunter2"));
}
