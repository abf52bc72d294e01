//! Tests of failures and their texts.

use super::*;
use crate::Summary;

#[test]
fn a_path_of_any_length_is_a_short_message() {
    let long = format!("/begin/{}/end", "é".repeat(4000));
    let shown = Failure::new(Step::Reading, long.as_bytes(), FailureKind::NotFound).to_string();
    assert!(shown.starts_with("cannot read /begin/é"), "{shown}");
    assert!(
        shown.ends_with("é/end: no such file or directory"),
        "{shown}"
    );
    assert!(
        shown.contains("…(3611 characters)…") && shown.chars().count() < MAX_SHOWN_CHARS + 100,
        "{shown}"
    );
    let whole = format!("/begin/{}", "n".repeat(255));
    assert!(
        Failure::new(
            Step::Reading,
            &*whole.clone().into_bytes(),
            FailureKind::NotFound
        )
        .to_string()
        .contains(&whole)
    );
}

#[test]
fn hints_fit_where_it_happened() {
    let clash = |kind| Failure::new(Step::Replacing, "a", kind);
    assert!(
        clash(FailureKind::IsADirectory)
            .hint()
            .unwrap()
            .contains("end the directory's name with `/`")
    );
    let left_out = vec![LeftOut::There(clash(FailureKind::IsADirectory))];
    let incomplete = Incomplete {
        summary: Summary::default(),
        left_out,
        more: 0,
    };
    assert!(incomplete.hint().unwrap().contains("`--delete`"));
    assert_eq!(
        Failure::new(Step::Reading, "a", FailureKind::IsADirectory).hint(),
        None
    );
}

#[test]
fn what_is_left_out_is_named_up_to_a_limit_and_then_counted() {
    let mut here = Failures::default();
    for index in 0..1000 {
        here.add(Failure::new(
            Step::Reading,
            index.to_string(),
            FailureKind::Other("x".repeat(10_000)),
        ));
    }
    let Err(TransferEnd::Incomplete(end)) = outcome(Summary::default(), here, Failures::default())
    else {
        panic!()
    };
    assert_eq!((end.left_out.len(), end.more), (MAX_LEFT_OUT, 900));
    assert!(
        end.left_out
            .iter()
            .all(|one| one.to_string().len() < 2 * MAX_REASON_BYTES)
    );
    assert_eq!(
        end.to_string(),
        "left out 1000 of the tree; the rest is there"
    );
}
