//! Reports of plans, as people read them.

use std::collections::HashSet;

use jiff::Timestamp;
use similar::TextDiff;
use wxec::call::Value;
use wxec_plan::{Attribute, Difference, PastRun, Report, Side, State};

use crate::{base::exit_code, value::json::to_json};

/// Returns the steps that are not as they should be, and the summary.
pub(crate) fn changes(value: &Value) -> String {
    text(value, |state| *state != State::Ok)
}

/// Returns all steps, and the summary.
pub(crate) fn all(value: &Value) -> String {
    text(value, |_| true)
}

/// Returns what differs between a host and the plan, for people and for `patch`: for each file the lines
/// that all steps together would change. The text is empty if nothing would.
pub(crate) fn difference(value: &Value) -> String {
    let Ok(report) = value.deserialized::<Report>() else {
        return to_json(value);
    };
    let mut lines = Vec::new();
    for difference in net(&report) {
        lines.extend(patch(&difference).unwrap_or_else(|| vec![difference.to_string()]));
    }
    for step in &report.steps {
        match &step.state {
            State::Unknown { .. } => lines.push(format!("{}: {}", step.name, step.state)),
            // What restarts something differs in nothing that can be seen.
            State::WouldChange if step.differences.is_empty() => {
                lines.push(format!("{}: {}", step.name, step.state));
            }
            _ => {}
        }
    }
    lines.join("\n")
}

/// Returns what all steps together would change, by paths in their first order. The existence of a
/// file is left out where its content shows it.
fn net(report: &Report) -> Vec<Difference> {
    let mut all: Vec<Difference> = Vec::new();
    for difference in report.steps.iter().flat_map(|step| &step.differences) {
        let is_same = |known: &&mut Difference| {
            known.path == difference.path && known.attribute == difference.attribute
        };
        match all.iter_mut().find(is_same) {
            Some(known) => known.after = difference.after.clone(),
            None => all.push(difference.clone()),
        }
    }
    all.retain(|difference| difference.before != difference.after || is_hidden(difference));
    let shown: HashSet<_> = all
        .iter()
        .filter(|difference| patch(difference).is_some())
        .map(|difference| difference.path.clone())
        .collect();
    let kept = all.into_iter();
    kept.filter(|it| it.attribute != Attribute::Kind || !shown.contains(&it.path))
        .collect()
}

fn is_hidden(difference: &Difference) -> bool {
    difference.before == Side::Hidden
}

/// Returns the last runs of the plan on a host, a line each.
pub(crate) fn past(value: &Value) -> String {
    let Ok(report) = value.deserialized::<Report>() else {
        return to_json(value);
    };
    if report.past.is_empty() {
        return "the plan has never run here, or keeps no record".into();
    }
    let line = |run: &PastRun| {
        let began = i64::try_from(run.began)
            .ok()
            .and_then(|began| Timestamp::from_second(began).ok());
        let began = began.map_or_else(
            || "?".into(),
            |began| began.strftime("%F %T UTC").to_string(),
        );
        let end = match (run.ended, &run.fault) {
            (None, None) => "under way, or died".into(),
            (None, Some(fault)) => format!("ended early: {fault}"),
            (Some(_), Some(fault)) => format!("failed: {fault}"),
            (Some(_), None) => format!("{} changed", run.changed),
        };
        format!("{}  {began}  {}  {}  {end}", run.number, run.mode, run.by)
    };
    let lines: Vec<_> = report.past.iter().map(line).collect();
    lines.join("\n")
}

/// Returns the exit code of a host that must be as the plan wants it.
pub(crate) fn unchanged(value: &Value) -> u8 {
    match value.deserialized::<Report>() {
        Ok(report) if is_certain(&report) => exit_code::OK,
        _ => exit_code::TASK_FAILED,
    }
}

/// Returns true if all steps are known to be as they should be.
fn is_certain(report: &Report) -> bool {
    let fine = |state: &State| matches!(state, State::Ok | State::Skipped { .. });
    report.steps.iter().all(|step| fine(&step.state))
}

fn text(value: &Value, is_shown: fn(&State) -> bool) -> String {
    // A plan that returns another report is of another version of `wxec-plan`.
    let Ok(report) = value.deserialized::<Report>() else {
        return to_json(value);
    };
    let mut lines = Vec::new();
    for step in report.steps.iter().filter(|step| is_shown(&step.state)) {
        lines.push(format!("{}: {}", step.name, step.state));
        for difference in &step.differences {
            lines.extend(described(difference));
        }
    }
    for left in &report.left {
        lines.push(format!(
            "{left}: left by an earlier run, and not in the plan any more; --prune removes it"
        ));
    }
    lines.extend(report.notes.iter().map(|note| format!("note: {note}")));
    lines.push(report.summary());
    lines.join("\n")
}

/// Returns the lines about one difference: for texts of several lines, those that differ.
fn described(difference: &Difference) -> Vec<String> {
    let lines = patch(difference).unwrap_or_else(|| vec![difference.to_string()]);
    lines.iter().map(|line| format!("    {line}")).collect()
}

/// Returns the lines of a file that differ, as a patch.
fn patch(difference: &Difference) -> Option<Vec<String>> {
    let Difference {
        path,
        attribute: Attribute::Content,
        before,
        after,
    } = difference
    else {
        return None;
    };
    let sides = match (before, after) {
        (Side::Text(before), Side::Text(after)) => (&**before, &**after),
        (Side::Absent, Side::Text(after)) => ("", &**after),
        (Side::Text(before), Side::Absent) => (&**before, ""),
        _ => return None,
    };
    let name = |side: &Side| match side {
        Side::Absent => "/dev/null".to_owned(),
        _ => path.clone(),
    };
    let diff = TextDiff::from_lines(sides.0, sides.1);
    let mut diff = diff.unified_diff();
    let diff = diff.header(&name(before), &name(after)).to_string();
    Some(diff.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use wxec_plan::StepReport;

    use super::*;

    fn report(steps: Vec<StepReport>) -> Value {
        let report = Report {
            mode: "install".into(),
            preview: true,
            steps,
            ..Report::default()
        };
        Value::serialized(&report).unwrap()
    }

    fn step(name: &str, state: State, differences: Vec<Difference>) -> StepReport {
        StepReport {
            name: name.into(),
            state,
            differences,
            took_ms: 0,
        }
    }

    fn difference(attribute: Attribute, before: Side, after: Side) -> Difference {
        Difference {
            path: "/srv/page".into(),
            attribute,
            before,
            after,
        }
    }

    #[test]
    fn what_differs_is_shown_line_by_line() {
        let text = |text: &str| Side::Text(text.into());
        let differences = vec![
            difference(Attribute::Mode, text("0600"), text("0644")),
            difference(Attribute::Content, text("a\nb\nc\n"), text("a\nB\nc\n")),
        ];
        let value = report(vec![
            step("folder /srv", State::Ok, Vec::new()),
            step("file /srv/page", State::WouldChange, differences),
        ]);
        assert_eq!(
            changes(&value),
            "file /srv/page: would change\n    \
             /srv/page: mode: \"0600\" -> \"0644\"\n    \
             --- /srv/page\n    +++ /srv/page\n    @@ -1,3 +1,3 @@\n     a\n    -b\n    +B\n     c\n\
             2 steps: 1 ok, 1 would change"
        );
        assert!(all(&value).starts_with("folder /srv: ok\n"));
    }

    #[test]
    fn steps_that_change_one_file_are_one_difference() {
        let text = |text: &str| Side::Text(text.into());
        let made = vec![
            difference(Attribute::Kind, Side::Absent, text("file")),
            difference(Attribute::Content, Side::Absent, text("a\n")),
            difference(Attribute::Mode, Side::Absent, text("0644")),
        ];
        let added = vec![difference(Attribute::Content, text("a\n"), text("a\nb"))];
        let why = "it is new".to_owned();
        let value = report(vec![
            step("file /srv/page", State::WouldChange, made),
            step("line /srv/page", State::WouldChange, added),
            step("unit web", State::Unknown { why }, Vec::new()),
        ]);
        assert_eq!(
            super::difference(&value),
            "--- /dev/null\n+++ /srv/page\n@@ -0,0 +1,2 @@\n+a\n+b\n\\ No newline at end of file\n\
             /srv/page: mode: absent -> \"0644\"\nunit web: unknown (it is new)"
        );
        let there = vec![difference(Attribute::Content, text("a"), text("b"))];
        let back = vec![difference(Attribute::Content, text("b"), text("a"))];
        let value = report(vec![
            step("one", State::WouldChange, there),
            step("two", State::WouldChange, back),
        ]);
        assert_eq!(super::difference(&value), "");
        let hidden = vec![difference(Attribute::Content, Side::Hidden, Side::Hidden)];
        let value = report(vec![step("one", State::WouldChange, hidden)]);
        assert_eq!(
            super::difference(&value),
            "/srv/page: content: (hidden) -> (hidden)"
        );
    }

    #[test]
    fn a_secret_is_shown_by_no_line() {
        let differences = vec![difference(Attribute::Content, Side::Hidden, Side::Hidden)];
        let value = report(vec![step(
            "file /srv/page",
            State::WouldChange,
            differences,
        )]);
        assert!(!changes(&value).contains("---"), "{}", changes(&value));
    }

    #[test]
    fn what_is_not_known_is_not_unchanged() {
        let of = |state| unchanged(&report(vec![step("a", state, Vec::new())]));
        let why = || "why".to_owned();
        assert_eq!(of(State::Ok), exit_code::OK);
        assert_eq!(of(State::Skipped { why: why() }), exit_code::OK);
        assert_eq!(of(State::Unknown { why: why() }), exit_code::TASK_FAILED);
        assert_eq!(of(State::WouldChange), exit_code::TASK_FAILED);
    }
}
