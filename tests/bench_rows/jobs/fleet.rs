//! A hundred hosts at once. All of them are this machine, which has to encrypt for both ends.

use std::{process::Stdio, time::Instant};

use wxec::Fleet;

use super::{ms, warm_caches};
use crate::{
    floors::{Piped, echo_at_once, ssh},
    options::Options,
    proc,
    row::{Budget, Round, Row},
};

const HOSTS: usize = 100;

/// The number of warm calls in each round.
const WARM_CALLS: usize = 20;

pub(super) fn hundred_hosts(options: &Options) -> Vec<Row> {
    warm_caches();
    let names: Vec<_> = (1..=options.amount(HOSTS))
        .map(|number| format!("fleet{number}"))
        .collect();
    let mut cats = Vec::from_iter(names.iter().map(|name| Piped::start(&mut ssh(name, "cat"))));
    echo_at_once(&mut cats);
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds(3) {
        let floor = login_everywhere(&names);
        let fleet = Fleet::new(&names).expect("they are names");
        let start = Instant::now();
        call_everywhere(&fleet);
        cold.push(Round::of(floor, ms(start.elapsed())));
        let (mut floors, mut calls) = (Vec::new(), Vec::new());
        for _ in 0..WARM_CALLS {
            floors.push(ms(echo_at_once(&mut cats)));
            let start = Instant::now();
            call_everywhere(&fleet);
            calls.push(ms(start.elapsed()));
        }
        warm.push(Round {
            floor: floors,
            wxec: calls,
        });
        fleet.close().wait();
    }
    let memory = proc::peak_mib("self");
    let n = names.len();
    vec![
        Row::new(
            format!("{n} hosts, cold connect + first call"),
            "ms",
            Budget::Ratio(1.15),
        )
        .with(cold),
        Row::new(
            format!("{n} hosts, warm call"),
            "ms",
            Budget::Both(1.5, 10.0),
        )
        .with(warm),
        Row::of(
            &format!("{n} hosts, peak memory of the controller"),
            "MiB",
            Budget::None,
            memory,
        ),
    ]
}

fn login_everywhere(names: &[String]) -> f64 {
    let start = Instant::now();
    let login = |name: &String| {
        ssh(name, "true")
            .stdin(Stdio::null())
            .spawn()
            .expect("ssh starts")
    };
    let logins: Vec<_> = names.iter().map(login).collect();
    for mut login in logins {
        assert!(login.wait().expect("it is our child").success());
    }
    ms(start.elapsed())
}

fn call_everywhere(fleet: &Fleet) {
    let outcomes = words::count::on(fleet, "to be".into()).wait();
    outcomes.into_result().expect("every host answers");
}
