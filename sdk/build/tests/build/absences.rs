//! Tasks that are not in the module of their package, and the reasons given for that.

use wxec_build::{AbsenceReason, Features, Quiet, module_of_package};

use crate::fixture::{Fixture, PROGRAM, TASK, manifest};

const FEATURES: &str = "[features]\ndefault = [\"on\"]\non = [\"implied\"]\nimplied = []\nrare = []\nodd = []\n[workspace]";

/// The code that is compiled for modules has no `#[remote]`, as the fixture depends on nothing.
const LIBRARY: &str = r#"
mod stats;
#[cfg(feature = "rare")]
mod rare;
#[path = "odd/named.rs"]
mod named;

struct Other;
impl Other {
    pub fn checked() {}
}

// fn checked() is below.
#[cfg(test)]
mod tests {
    #[remote]
    fn checked() {}
}

#[cfg(all(test, unix))]
#[wxec::remote]
fn r#match() {}

#[cfg(all(feature = "rare", any(feature = "odd", test), feature = "implied"))]
#[remote]
async fn both() {}

#[cfg(not(feature = "on"))]
#[remote]
pub(crate) fn off() {}

#[cfg(target_os = "linux")]
#[remote]
fn linux() {}

#[cfg_attr(feature = "rare", remote)]
fn sometimes() {}

pub fn helper() {}
"#;

fn fixture() -> Fixture {
    Fixture::words(&[
        ("Cargo.toml", &manifest("words", FEATURES)),
        ("src/lib.rs", &format!("{LIBRARY}{TASK}")),
        ("src/stats.rs", "mod deep;\npub fn helper() {}\n"),
        (
            "src/stats/deep.rs",
            "#![cfg(test)]\n#[remote]\nfn deepest() {}\n",
        ),
        (
            "src/odd/named.rs",
            "mod below { #[cfg(any())] #[remote] fn never() {} }\n",
        ),
        ("src/rare/mod.rs", "\n\n#[remote]\nfn rarely() {}\n"),
        (
            "src/main.rs",
            &format!("mod beside;\n#[remote]\nfn report() {{}}\n{PROGRAM}"),
        ),
        ("src/beside.rs", "#[remote]\nfn written() {}\n"),
        ("src/bin/tool.rs", "#[remote]\nfn tool() {}\nfn main() {}\n"),
        (
            "src/forgotten/lost.rs",
            "/// Is lost.\n#[remote]\nfn lost() {}\nfn helper_of_lost() {}\n",
        ),
        ("src/broken.rs", "fn lost( {"),
    ])
}

#[test]
fn the_reason_is_found_in_the_sources() {
    let fixture = fixture();
    let built = module_of_package(fixture.path(), "words", &Features::default(), &Quiet)
        .expect("it builds");
    let source = built.source.expect("it was built just now");
    let said = |function: &str| source.why_absent(function).map(|absent| absent.to_string());

    for (function, expected) in [
        (
            "report",
            "`report` is in src/main.rs:3, which is not part of the library",
        ),
        (
            "words::report",
            "`report` is in src/main.rs:3, which is not part of the library",
        ),
        (
            "beside::written",
            "`beside::written` is in src/beside.rs:2, which is not part of the library",
        ),
        (
            "tool",
            "`tool` is in src/bin/tool.rs:2, which is not part of the library",
        ),
        (
            "forgotten::lost",
            "`lost` is in src/forgotten/lost.rs:3, which no `mod` names",
        ),
        (
            "checked",
            "`tests::checked` (src/lib.rs:17) is under `cfg(test)`",
        ),
        ("match", "`match` (src/lib.rs:22) is under `cfg(test)`"),
        (
            "stats::deep::deepest",
            "`stats::deep::deepest` (src/stats/deep.rs:3) is under `cfg(test)`",
        ),
        (
            "rare::rarely",
            "`rare::rarely` (src/rare/mod.rs:4) is compiled only with feature `rare`",
        ),
        (
            "both",
            "`both` (src/lib.rs:26) is compiled only with features `odd`, `rare`",
        ),
        (
            "off",
            "`off` (src/lib.rs:30) is compiled only under `cfg(not(feature = \"on\"))`",
        ),
        (
            "linux",
            "`linux` (src/lib.rs:34) is compiled only under `cfg(target_os = \"linux\")`",
        ),
        (
            "named::below::never",
            "`named::below::never` (src/odd/named.rs:1) is compiled only under `cfg(any())`",
        ),
        (
            "sometimes",
            "`sometimes` (src/lib.rs:37) is compiled only with feature `rare`",
        ),
        (
            "helper",
            "`helper` (src/lib.rs:39) is not marked with #[remote]",
        ),
        (
            "stats::helper",
            "`stats::helper` (src/stats.rs:2) is not marked with #[remote]",
        ),
    ] {
        assert_eq!(said(function).as_deref(), Some(expected), "{function}");
    }
    for function in ["nowhere", "helper_of_lost", "other::helper", "", "::"] {
        assert_eq!(said(function), None, "{function}");
    }
}

#[test]
fn features_that_are_on_are_no_reason() {
    let fixture = Fixture::words(&[
        ("Cargo.toml", &manifest("words", FEATURES)),
        (
            "src/main.rs",
            &format!("{PROGRAM}#[cfg(all(feature = \"rare\", test))] #[remote] fn checked() {{}}"),
        ),
        (
            "src/bin/other.rs",
            "#[remote] fn elsewhere() {}\nfn main() {}\n",
        ),
    ]);
    fixture.write(
        "Cargo.toml",
        &manifest("words", &format!("default-run = \"words\"\n{FEATURES}")),
    );
    let reason = |features: &Features, function: &str| {
        let built =
            module_of_package(fixture.path(), "words", features, &Quiet).expect("it builds");
        built
            .source
            .expect("it was built just now")
            .why_absent(function)
            .expect("it is there")
            .reason
    };

    assert_eq!(
        reason(&Features::default().with_all(), "checked"),
        AbsenceReason::Test
    );
    assert_eq!(
        reason(&Features::default(), "elsewhere"),
        AbsenceReason::OtherTarget("the program `words`".into())
    );
}
