//! Previews against what is then done: the same set of changes, over random folders and plans.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink as link},
    path::Path,
};

use proptest::prelude::*;
use wxec_plan::{Difference, FaultKind, Run, State, block, file, folder, line, setting, symlink};

use crate::manifest::{manifest, visible};

/// Something at a place, before the plan.
#[derive(Debug, Clone)]
enum Found {
    File(Vec<u8>, u32),
    Folder(u32),
    Link(&'static str),
}

/// A step of the plan.
#[derive(Debug, Clone)]
enum Step {
    File(&'static str, Option<&'static str>, Option<u32>),
    NoFile(&'static str),
    Folder(&'static str, Option<u32>),
    NoFolder(&'static str),
    Symlink(&'static str, &'static str),
    NoSymlink(&'static str),
    Line(&'static str, &'static str, bool),
    Block(&'static str, &'static str),
    Setting(&'static str, &'static str),
}

/// Few places, so that steps meet.
const PLACES: [&str; 6] = ["a", "a/b", "a/b/c", "a/c", "d", "d/e"];
const TARGETS: [&str; 4] = ["a", "d", "b", "../d"];
const TEXTS: [&str; 5] = ["", "x\n", "x\ny", "x\r\ny\r\n", "[s]\nk = 1\n"];

fn place() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&PLACES[..])
}

fn text() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&TEXTS[..])
}

fn target() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&TARGETS[..])
}

fn mode() -> impl Strategy<Value = u32> {
    prop::sample::select(vec![0o755, 0o700, 0o2770])
}

fn found() -> impl Strategy<Value = Found> {
    prop_oneof![
        (text(), mode()).prop_map(|(text, mode)| Found::File(text.into(), mode)),
        mode().prop_map(Found::Folder),
        mode().prop_map(Found::Folder),
        target().prop_map(Found::Link),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (place(), prop::option::of(text()), prop::option::of(mode()))
            .prop_map(|(place, text, mode)| Step::File(place, text, mode)),
        place().prop_map(Step::NoFile),
        (place(), prop::option::of(mode())).prop_map(|(place, mode)| Step::Folder(place, mode)),
        place().prop_map(Step::NoFolder),
        (place(), target()).prop_map(|(place, target)| Step::Symlink(place, target)),
        place().prop_map(Step::NoSymlink),
        (place(), prop::sample::select(vec!["x", "z"]), any::<bool>())
            .prop_map(|(place, text, absent)| Step::Line(place, text, absent)),
        (place(), text()).prop_map(|(place, text)| Step::Block(place, text)),
        (place(), prop::sample::select(vec!["1", "2"]))
            .prop_map(|(place, value)| Step::Setting(place, value)),
    ]
}

fn set_up(top: &Path, start: &[(&str, Found)]) {
    for (place, found) in start {
        let path = top.join(place);
        // Places below others that are no folders stay free.
        let made = match found {
            Found::File(content, mode) => fs::write(&path, content)
                .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(*mode))),
            Found::Folder(mode) => fs::create_dir(&path)
                .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(*mode))),
            Found::Link(target) => link(target, &path),
        };
        let _ = made;
    }
}

/// What a step says of itself, without its time.
type Said = Result<(State, Vec<Difference>), (FaultKind, Option<String>)>;

/// Takes the steps, also after one that failed.
fn take(run: &mut Run, top: &Path, steps: &[Step]) -> Vec<Said> {
    let said = steps.iter().enumerate().map(|(index, step)| {
        let taken = run.report().steps.len();
        let result = run.step(index.to_string(), |run| take_one(run, top, step));
        match result {
            Ok(()) => {
                let step = &run.report().steps[taken];
                let state = match &step.state {
                    State::WouldChange => State::Changed,
                    state => state.clone(),
                };
                Ok((state, step.differences.clone()))
            }
            Err(fault) => Err((fault.kind, fault.path)),
        }
    });
    said.collect()
}

fn take_one(run: &mut Run, top: &Path, step: &Step) -> Result<(), wxec_plan::Fault> {
    match step {
        Step::File(place, content, mode) => {
            let mut file = file(top.join(place));
            if let Some(content) = content {
                file = file.content(*content);
            }
            if let Some(mode) = mode {
                file = file.mode(*mode);
            }
            file.ensure(run)
        }
        Step::NoFile(place) => file(top.join(place)).absent().ensure(run),
        Step::Folder(place, None) => folder(top.join(place)).ensure(run),
        Step::Folder(place, Some(mode)) => folder(top.join(place)).mode(*mode).ensure(run),
        Step::NoFolder(place) => folder(top.join(place)).absent().ensure(run),
        Step::Symlink(place, target) => symlink(top.join(place), target).ensure(run),
        Step::NoSymlink(place) => symlink(top.join(place), "").absent().ensure(run),
        Step::Line(place, text, false) => line(top.join(place), *text).ensure(run),
        Step::Line(place, text, true) => line(top.join(place), *text).absent().ensure(run),
        Step::Block(place, text) => block(top.join(place), "b", *text).ensure(run),
        Step::Setting(place, value) => setting(top.join(place), "k", *value)
            .in_section("s")
            .ensure(run),
    }
    .map(|_| ())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_preview_foresees_what_is_done_and_does_nothing(
        start in prop::collection::vec((place(), found()), 0..8),
        steps in prop::collection::vec(step(), 1..8),
    ) {
        let folder = tempfile::tempdir().unwrap();
        // A place of its own, because a temporary folder itself may be behind a symlink.
        let top = folder.path().canonicalize().unwrap();
        set_up(&top, &start);

        let before = manifest(&top);
        let mut preview = Run::preview();
        let foreseen = take(&mut preview, &top, &steps);
        prop_assert_eq!(&manifest(&top), &before);

        let mut run = Run::new().foreseen(preview.report().foreseen());
        let done = take(&mut run, &top, &steps);
        prop_assert_eq!(&foreseen, &done);
        if done.iter().all(|said| matches!(said, Ok((State::Ok, _)))) {
            prop_assert_eq!(&manifest(&top), &before);
        }
        prop_assert!(visible(&top).keys().all(|path| !path.display().to_string().contains(".wxec-")));
    }
}
