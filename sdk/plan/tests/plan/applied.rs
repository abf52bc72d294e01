//! Plans that are applied to fleets, as far as nothing connects.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use wxec::Fleet;
use wxec_plan::{Fault, Foreseen, Run, Secret, config::Layers, plan};

#[derive(Serialize, Deserialize)]
struct Site {
    top: PathBuf,
    port: u16,
    #[serde(default)]
    key: Secret<String>,
}

#[plan(modes = "install update")]
fn site(run: &mut Run, _config: &Site) -> Result<(), Fault> {
    run.verify("fine", || true)
}

/// Hosts that do not exist: to connect to them would be another error.
fn fleet() -> Fleet {
    Fleet::new(["ssh:web1.invalid", "ssh:web2.invalid"]).unwrap()
}

#[test]
fn all_mistakes_are_told_before_anything_connects() {
    let told = |apply: wxec_plan::Apply<Site>| {
        let checked = apply.check().unwrap_err().to_string();
        assert_eq!(checked, apply.start().unwrap_err().to_string());
        checked
    };
    assert_eq!(
        told(site::apply(&fleet()).set("port", 70_000).set("prot", 1)),
        "the settings have 3 mistakes\n\
         the program: port: is out of range, and has to be a number from 0 to 65535 \
         [web[1-2].invalid]\n\
         the program: prot: there is no such setting; did you mean `port`? [web[1-2].invalid]\n\
         top: is missing, and has to be a text [web[1-2].invalid]"
    );
    let fine = || site::apply(&fleet()).set("top", "/srv").set("port", 443);
    fine().check().unwrap();
    assert_eq!(
        told(fine().mode("upgrade")),
        "the plan has no mode `upgrade`; it has install, update, and clean"
    );
    fine().mode("clean").check().unwrap();
    assert_eq!(
        told(fine().foreseen([("web1.invalid", Foreseen::default())])),
        "the preview that is applied does not have the host [web2.invalid]"
    );
}

#[test]
fn a_host_has_settings_of_its_own_and_the_later_ones_win() {
    let own = |host: &wxec::Host| {
        let mut layers = Layers::new();
        let port = if host.name().starts_with("web1") {
            0
        } else {
            -1
        };
        layers.set(&["port"], port.into(), host.name());
        layers
    };
    let apply = || site::apply(&fleet()).set("top", "/srv").settings_of(own);
    assert_eq!(
        apply().check().unwrap_err().to_string(),
        "web2.invalid: port: is out of range, and has to be a number from 0 to 65535 \
         [web2.invalid]"
    );
    apply().set("port", 443).check().unwrap();
}

#[test]
fn secrets_are_read_once_they_are_needed() {
    let reference = wxec::call::Value::Map(vec![("secret".into(), "env:NO_SUCH_NAME".into())]);
    let apply = site::apply(&fleet())
        .set("top", "/srv")
        .set("port", 443)
        .set("key", reference);
    apply.check().unwrap();
    assert_eq!(
        apply.start().unwrap_err().to_string(),
        "the program: key: no secret at `env:NO_SUCH_NAME`: the variable is not set \
         [web[1-2].invalid]"
    );
}
