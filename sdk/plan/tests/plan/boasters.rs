//! Prefabs that boast: the library finds out. And other programs, which change the host meanwhile.

use std::{
    cell::Cell,
    fs,
    path::{Path, PathBuf},
};

use wxec_plan::{Action, Change, Content, Fault, FaultKind, Look, Owner, Prefab, Run, State};

/// A prefab made of closures. `look` is also told how many looks there were before.
struct Boaster<L, P> {
    looks: Cell<usize>,
    look: L,
    plan: P,
}

fn boaster<L, P>(look: L, plan: P) -> Boaster<L, P>
where
    L: Fn(&Look<'_>, usize) -> Result<Option<String>, Fault>,
    P: Fn(Option<&str>) -> Change,
{
    Boaster {
        looks: Cell::new(0),
        look,
        plan,
    }
}

impl<L, P> Prefab for Boaster<L, P>
where
    L: Fn(&Look<'_>, usize) -> Result<Option<String>, Fault>,
    P: Fn(Option<&str>) -> Change,
{
    type Seen = Option<String>;

    fn name(&self) -> String {
        "boaster".into()
    }

    fn look(&self, look: &Look<'_>) -> Result<Self::Seen, Fault> {
        (self.look)(look, self.looks.replace(self.looks.get() + 1))
    }

    fn plan(&self, seen: &Self::Seen) -> Change {
        (self.plan)(seen.as_deref())
    }
}

fn write(path: &Path, content: &str) -> Action {
    Action::Write {
        path: path.into(),
        content: Content::new(content),
        mode: None,
        owner: Owner::default(),
    }
}

fn text(look: &Look<'_>, path: &Path) -> Result<Option<String>, Fault> {
    let bytes = look.read(path)?;
    Ok(bytes.map(|bytes| String::from_utf8(bytes).unwrap()))
}

struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    Place {
        path,
        _folder: folder,
    }
}

#[test]
fn a_change_is_seen_whoever_keeps_quiet_about_it() {
    let place = place();
    let quiet = boaster(
        |look, _| text(look, &place.path),
        |seen| match seen {
            Some("done") => Change::settled(),
            _ => Change::of([write(&place.path, "done")]),
        },
    );
    let mut run = Run::new();
    assert!(run.ensure(&quiet).unwrap().changed);
    assert_eq!(run.report().steps[0].state, State::Changed);
}

#[test]
fn a_prefab_that_never_settles_has_failed_with_the_rest() {
    let place = place();
    let endless = boaster(
        |look, _| text(look, &place.path),
        |seen| {
            Change::of([write(
                &place.path,
                &format!("{}x", seen.unwrap_or_default()),
            )])
        },
    );
    for (mut run, content) in [(Run::preview(), None), (Run::new(), Some("x"))] {
        let fault = run.ensure(&endless).unwrap_err();
        assert_eq!(fault.kind, FaultKind::NotSettled);
        assert_eq!(fault.step, "boaster");
        assert_eq!(fault.rest.len(), 1, "{fault}");
        assert!(
            fault.to_string().contains(r#"content: "x" -> "xx""#),
            "{fault}"
        );
        assert!(run.report().steps.is_empty());
        assert_eq!(fs::read_to_string(&place.path).ok().as_deref(), content);
    }
}

#[test]
fn a_look_that_alternates_does_not_settle() {
    let place = place();
    let fickle = boaster(
        |_, looks| Ok(Some(format!("{}", looks % 2))),
        |_| Change::of([write(&place.path, "x")]),
    );
    let fault = Run::new().ensure(&fickle).unwrap_err();
    assert_eq!(fault.kind, FaultKind::NotSettled, "{fault}");

    let ever_new = boaster(
        |_, looks| Ok(Some(looks.to_string())),
        |_| Change::of([write(&place.path, "y")]),
    );
    let fault = Run::new().ensure(&ever_new).unwrap_err();
    assert_eq!(fault.kind, FaultKind::ChangedMeanwhile, "{fault}");
    assert_eq!(fs::read_to_string(&place.path).unwrap(), "x");
}

/// The looks of a step with two actions: the first one, a prediction for each action, and one before
/// each action. Another program writes just before one of these.
#[test]
fn what_another_program_writes_meanwhile_stays() {
    let content = |path: &Path| fs::read_to_string(path).ok();
    for (writes_at, ours) in [(1, None), (3, None), (4, Some("1"))] {
        let place = place();
        let beside = place.path.with_file_name("beside");
        let overtaken = boaster(
            |look, looks| {
                if looks == writes_at {
                    fs::write(&beside, "theirs").unwrap();
                }
                let both = (text(look, &place.path)?, text(look, &beside)?);
                Ok(Some(format!("{both:?}")))
            },
            |_| Change::of([write(&place.path, "1"), write(&beside, "2")]),
        );
        let fault = Run::new().ensure(&overtaken).unwrap_err();
        assert_eq!(fault.kind, FaultKind::ChangedMeanwhile, "{fault}");
        assert_eq!(content(&beside).as_deref(), Some("theirs"));
        assert_eq!(content(&place.path).as_deref(), ours, "{writes_at}");
    }
}

#[test]
fn who_cannot_tell_is_unknown_in_a_preview_and_fails_else() {
    let unsure = boaster(
        |_, _| Ok(None),
        |_| Change::unknown("a command without guard"),
    );
    let mut run = Run::preview();
    assert!(!run.ensure(&unsure).unwrap().changed);
    let why = "a command without guard".to_owned();
    assert_eq!(run.report().steps[0].state, State::Unknown { why });
    let fault = Run::new().ensure(&unsure).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Undecided);
}

#[test]
fn an_action_that_is_refused_is_refused_before_the_first_one() {
    let place = place();
    let harmful = boaster(
        |look, _| text(look, &place.path),
        |_| {
            Change::of([
                write(&place.path, "x"),
                Action::RemoveTree {
                    path: "/etc".into(),
                },
            ])
        },
    );
    let fault = Run::new().ensure(&harmful).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Refused);
    assert_eq!(fault.path.as_deref(), Some("/etc"));
    assert!(!place.path.exists());
}
