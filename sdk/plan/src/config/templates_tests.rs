//! Templates, rendered and refused.

use serde::Deserialize;

use super::*;
use crate::Secret;

#[derive(Serialize, Deserialize)]
struct Site {
    title: String,
    names: Vec<String>,
    tls: Option<Tls>,
}

#[derive(Serialize, Deserialize)]
struct Tls {
    port: u16,
    key: Secret<String>,
}

fn site() -> Site {
    Site {
        title: "A <site>".into(),
        names: vec!["a".into(), "b".into()],
        tls: Some(Tls {
            port: 443,
            key: Secret::new("canary".into()),
        }),
    }
}

fn templates(texts: &[(&str, &str)]) -> Result<Templates, Vec<TemplateFault>> {
    Templates::new(texts.iter().map(|(name, text)| Template {
        name: (*name).into(),
        text: (*text).into(),
        place: None,
    }))
}

fn rendered(text: &str) -> Result<(String, bool), String> {
    let schema = Schema::of::<Site>();
    let facts = Facts::default();
    let rendered = templates(&[("t", text)]).unwrap();
    let rendered = rendered.render(Some(&schema), &site(), "clean", Some(&facts));
    let mut rendered = rendered.map_err(|fault| fault.to_string())?;
    let rendered = rendered.remove(0);
    Ok((rendered.text, rendered.is_secret))
}

#[test]
fn settings_mode_and_facts_are_seen_and_nothing_is_escaped() {
    let text = "{{ title }} {{ mode }} {{ tls.port }} {{ target.cpus }}\n\
                {% for name in names %}\n- {{ name }}\n{% endfor %}\n\n\n";
    let expected = "A <site> clean 443 0\n- a\n- b\n";
    assert_eq!(rendered(text).unwrap(), (expected.into(), false));
    assert_eq!(rendered("{{ title }}").unwrap().0, "A <site>\n");
}

#[test]
fn what_shows_a_secret_is_one() {
    for (text, is_secret) in [
        ("{{ tls.key }}", true),
        ("{{ tls }}", true),
        ("{{ tls[title] if false }}", true),
        ("{% if tls.key == 'x' %}a{% endif %}", true),
        ("{% set copy = tls.key %}{{ copy | upper }}", true),
        ("{{ tls.port }} {{ title }}", false),
    ] {
        assert_eq!(rendered(text).unwrap().1, is_secret, "{text}");
    }
    assert_eq!(rendered("{{ tls.key | upper }}").unwrap().0, "CANARY\n");
    let both = templates(&[("a", "{% include 'b' %}"), ("b", "{{ tls.key }}")]).unwrap();
    let schema = Schema::of::<Site>();
    let both = both.render(Some(&schema), &site(), "", None).unwrap();
    assert!(both[0].is_secret && !format!("{both:?}").contains("canary"));
    let unknown = templates(&[("a", "{{ title }}")]).unwrap();
    assert!(unknown.render(None, &site(), "", None).unwrap()[0].is_secret);
}

#[test]
fn faults_name_the_line_and_what_is_not_defined() {
    let fault = |text| rendered(text).unwrap_err();
    assert_eq!(
        fault("a\n{{ titel }}\n"),
        "template t, line 2: `titel` is not defined"
    );
    assert_eq!(
        fault("\n\n{{ tls.prot }}"),
        "template t, line 3: `tls.prot` is not defined"
    );
    let fuel = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
    assert!(fault(fuel).ends_with("it takes more than 1000000 steps"));
    let long = format!(
        "{{% for a in range(9999) %}}{}{{% endfor %}}",
        "x".repeat(999)
    );
    assert!(fault(&long).ends_with("bytes"), "{}", fault(&long));
    // The detail of this error would quote the secret.
    let secret = fault("{{ tls.key | int }}");
    assert!(
        secret.contains("line 1") && !secret.contains("canary"),
        "{secret}"
    );
    let faults = templates(&[("t", "a\n{% if %}"), ("u", "{{ x")]).unwrap_err();
    assert_eq!(faults.len(), 2);
    assert!(
        faults[0].to_string().starts_with("template t, line 2: "),
        "{faults:?}"
    );
}

#[test]
fn names_are_compared_with_the_schema() {
    let text = "{{ title }} {{ titel }}\n{% for name in names %}{{ name.x }}{{ loop.index }}\
                {% endfor %}\n{{ tls.prot }} {{ target.hostnam }} {{ range(3) }} {{ mode }}\n\
                {{ title.length }} {{ target.distro.id }}\n";
    let templates = templates(&[("t", text)]).unwrap();
    let faults = templates.check(&Schema::of::<Site>());
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            "template t, line 3: `target.hostnam` is not defined; did you mean `hostname`?",
            "template t, line 1: `titel` is not defined; did you mean `title`?",
            "template t, line 4: `title.length` is not defined",
            "template t, line 3: `tls.prot` is not defined; did you mean `port`?",
        ]
    );
    assert!(templates.mention_target());
}
