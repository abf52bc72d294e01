//! The command line as a whole.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::ms;
use crate::{
    harness,
    options::Options,
    row::{Budget, Round, Row},
};

/// Long enough for a build to be recorded, which takes files that are two seconds old.
const WARM_UP: Duration = Duration::from_secs(4);

/// A call of a package's function from a workspace where nothing has changed.
pub(super) fn whole(options: &Options) -> Vec<Row> {
    let program = harness::program();
    let call = || {
        let mut command = Command::new(&program);
        command.args(["call", "local:", "words::count", "to be"]);
        run(command.current_dir(env!("CARGO_MANIFEST_DIR")))
    };
    let start = Instant::now();
    while start.elapsed() < WARM_UP {
        call();
    }
    let round = |_| Round {
        floor: vec![run(&mut Command::new("true"))],
        wxec: vec![call()],
    };
    let name = "whole command on local:, nothing changed";
    let rounds = (0..options.rounds(21)).map(round).collect();
    vec![Row::new(name, "ms", Budget::AtMost(80.0)).with(rounds)]
}

/// Returns the time of a program from its start to its end.
fn run(command: &mut Command) -> f64 {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let status = command.status().expect("the program starts");
    let time = ms(start.elapsed());
    assert!(status.success(), "{status}");
    time
}
