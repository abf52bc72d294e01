//! Instances that stay on their host: a task keeps a count in a static.

use std::time::Duration;

use wxec::{
    CallErrorKind, Host, Limits, Module,
    call::{Instance, LimitKind},
};

fn faulty() -> Module {
    Module::from_package(env!("CARGO_MANIFEST_DIR"), "faulty").unwrap()
}

fn instance() -> Instance {
    Host::new("local:").unwrap().instance(&faulty())
}

fn tally(instance: &Instance) -> u32 {
    faulty::tally::on(instance).wait().unwrap()
}

#[track_caller]
fn gone(instance: &Instance) -> String {
    let error = faulty::tally::on(instance).wait().unwrap_err();
    let CallErrorKind::InstanceGone { reason } = error.kind else {
        panic!("{error}")
    };
    reason
}

#[test]
fn a_count_in_a_static_goes_on_from_call_to_call() {
    let one = instance();
    assert_eq!([tally(&one), tally(&one)], [1, 2]);
    assert_eq!(
        one.call::<u32>("tally", &[(); 0]).wait().unwrap(),
        3,
        "by name as well"
    );

    let other = one.host().instance(one.module());
    assert_eq!(tally(&other), 1, "each instance has its own");
    assert_eq!(
        faulty::tally::on(one.host()).wait().unwrap(),
        1,
        "and so has each call without one"
    );
    assert_eq!(tally(&one), 4);
}

#[test]
fn calls_at_once_take_turns() {
    let instance = instance();
    let counts: Vec<u32> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..8).map(|_| scope.spawn(|| tally(&instance))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let mut sorted = counts.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (1..=8).collect::<Vec<_>>());
}

#[test]
fn a_panic_or_a_deadline_takes_the_instance_along_and_none_takes_its_place() {
    let panicked = instance();
    tally(&panicked);
    let error = faulty::boom::on(&panicked, "ouch".into())
        .wait()
        .unwrap_err();
    assert!(matches!(error.kind, CallErrorKind::Panic { .. }), "{error}");
    assert_eq!(
        [gone(&panicked), gone(&panicked)],
        ["an earlier call panicked: ouch"; 2]
    );

    let late = panicked.host().instance(panicked.module());
    let error = faulty::spin::on(&late)
        .timeout(Duration::from_secs(1))
        .wait()
        .unwrap_err();
    assert!(
        matches!(error.kind, CallErrorKind::Timeout { .. }),
        "{error}"
    );
    assert_eq!(gone(&late), "an earlier call was ended before it returned");
}

#[test]
fn an_instance_is_lost_with_its_connection() {
    let instance = instance();
    assert_eq!(tally(&instance), 1);
    instance.host().reconnect().wait().unwrap();
    assert_eq!(gone(&instance), "the connection to its host has ended");
    assert_eq!(tally(&instance.host().instance(instance.module())), 1);
}

#[test]
fn a_dropped_instance_makes_room_for_another() {
    let host = Host::new("local:").unwrap();
    let module = faulty();
    let mut kept = Vec::new();
    let full = loop {
        let instance = host.instance(&module);
        match faulty::tally::on(&instance).wait() {
            Ok(_) => kept.push(instance),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(
            full.kind,
            CallErrorKind::Limit {
                which: LimitKind::Instances,
                ..
            }
        ),
        "{full}"
    );
    assert!((1..=100).contains(&kept.len()), "{} instances", kept.len());
    kept.pop();
    assert_eq!(tally(&host.instance(&module)), 1);
}

#[test]
fn a_task_of_another_module_is_not_called() {
    let instance = instance();
    let error = words::count::on(&instance, "to be".into())
        .wait()
        .unwrap_err();
    assert!(
        matches!(error.kind, CallErrorKind::OtherModule { .. }),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        "local: `words::count` is not in faulty, of which the instance is one"
    );
    assert_eq!(tally(&instance), 1);
}

#[test]
fn an_instance_counts_fuel_if_it_is_told_to_at_first() {
    let instance = instance().limits(Limits {
        fuel: Some(10_000_000),
        ..Limits::default()
    });
    assert_eq!([tally(&instance), tally(&instance)], [1, 2]);
    let error = faulty::spin::on(&instance).wait().unwrap_err();
    assert!(
        matches!(
            error.kind,
            CallErrorKind::Limit {
                which: LimitKind::Fuel,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(
        gone(&instance),
        "an earlier call hit its fuel limit of 10000000 units"
    );
}
