//! The other tools, measured by a harness that lies beside this repository, and wxec among them in
//! the same run. This program plays wxec's part (peer.rs).

use std::{
    env,
    fs::write,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::PEER_VARIABLE;

const HARNESS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/peers");

const METRICS: &str = "cold,warm,pipelined,bulk_up,bulk_down,fan,footprint";

/// wxec's entry in the harness, which finds the metrics and the name by their lines.
const ENTRY: &str = r#"
import os, sys

class Wxec:
    name = "wxec"
    only = {"cold", "warm", "pipelined", "bulk_up", "bulk_down", "fan", "footprint"}

program = os.environ["WXEC_PEER_PROGRAM"]
os.execv(program, [program, *sys.argv[1:]])
"#;

/// Runs the harness, and prints its tables. Returns false if that fails. Says so where there is no
/// harness.
pub(crate) fn run() -> bool {
    if !Path::new(HARNESS).join("run.sh").exists() {
        eprintln!("skipped: peers: there is no {HARNESS}");
        return true;
    }
    let directory = TempDir::new().expect("a temporary directory");
    let copy = directory.path().join("peers");
    let copied = Command::new("cp")
        .arg("-r")
        .arg(HARNESS)
        .arg(&copy)
        .status();
    assert!(copied.is_ok_and(|status| status.success()), "it is copied");
    write(copy.join("peers/peer_wxec.py"), ENTRY).expect("the directory is ours");

    let measure = format!("./run.sh --fresh --metrics {METRICS} >&2");
    let report = ". ./env.sh && exec python3 report.py";
    shell(&copy, &measure) && shell(&copy, report)
}

fn shell(directory: &Path, script: &str) -> bool {
    let status = Command::new("bash")
        .args(["-c", script])
        .current_dir(directory)
        .env(PEER_VARIABLE, "1")
        .env(
            "WXEC_PEER_PROGRAM",
            env::current_exe().expect("the path of this program"),
        )
        .stdin(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
