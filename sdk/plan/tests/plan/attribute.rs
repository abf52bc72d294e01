//! `#[plan]`: functions that are called as such, by each other, and by orders.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use wxec_plan::{Fault, FaultKind, Order, Run, State, file, folder, plan};

/// Plans are named as their functions are, and have their modes.
mod plans {
    use super::*;

    #[derive(Clone, Serialize, Deserialize)]
    pub(super) struct Site {
        pub(super) top: PathBuf,
        pub(super) title: String,
    }

    /// One page.
    #[plan(modes = ["install update", "clean"], roles = "web", write = "/srv")]
    pub(super) fn site(run: &mut Run, config: &Site) -> Result<(), Fault> {
        if run.mode() == "clean" {
            folder(&config.top).absent().ensure(run)?;
            return Ok(());
        }
        folder(&config.top).ensure(run)?;
        page(run, config.clone())
    }

    #[plan]
    pub(super) fn page(run: &mut Run, mut config: Site) -> Result<(), Fault> {
        config.title.push('\n');
        file(config.top.join("index.html"))
            .content(config.title)
            .ensure(run)?;
        Ok(())
    }

    #[plan(modes = "*")]
    pub(super) fn nothing(_run: &mut Run) -> Result<(), Fault> {
        Ok(())
    }
}

fn config() -> (tempfile::TempDir, plans::Site) {
    let place = tempfile::tempdir().unwrap();
    let top = place.path().join("site");
    let title = "A site".to_owned();
    (place, plans::Site { top, title })
}

#[test]
fn plans_nest_and_skip_what_has_not_their_mode() {
    let (_place, config) = config();
    let top = config.top.display();
    let report = Order::new(&config).carry_out(plans::site).unwrap();
    let names = |report: &wxec_plan::Report| {
        let names = report.steps.iter().map(|step| step.name.clone());
        names.collect::<Vec<_>>()
    };
    let page = format!("site/page/file {top}/index.html");
    assert_eq!(names(&report), [format!("site/folder {top}"), page]);

    let updated = Order::new(&config)
        .in_mode("update")
        .carry_out(plans::site)
        .unwrap();
    assert_eq!(names(&updated)[1], "site/page");
    let why = "its modes are install, not update".to_owned();
    assert_eq!(updated.steps[1].state, State::Skipped { why });

    let clean = Order::new(&config)
        .in_mode("clean")
        .preview()
        .carry_out(plans::site)
        .unwrap();
    assert_eq!(clean.summary(), "1 step: 1 would change");
    assert!(config.top.exists());
    assert!(
        Order::new(())
            .carry_out(|run, ()| plans::nothing(run))
            .unwrap()
            .is_unchanged()
    );
}

#[test]
fn a_plan_that_fails_reports_the_steps_before() {
    let (_place, mut config) = config();
    std::fs::create_dir_all(config.top.join("index.html")).unwrap();
    config.title.clear();
    let failed = Order::new(&config).carry_out(plans::site).unwrap_err();
    assert_eq!(failed.fault.kind, FaultKind::Refused);
    assert_eq!(
        failed.fault.step,
        format!("site/page/file {}/index.html", config.top.display())
    );
    assert_eq!(failed.report.summary(), "1 step: 1 ok");
    let travelled = wxec::cbor::encode(&failed).unwrap();
    assert_eq!(wxec::cbor::decode(&travelled), Ok(failed));
}
