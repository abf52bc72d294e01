//! Processes that guests start, when the conversation ends before they do.

mod pipe;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use wxec_engine::compile;
use wxec_protocol::{CallRequest, ControllerEvent, Digest, Grants, Target, abi::ProcessStart, cbor};

use crate::pipe::{DEADLINE, ended};

/// A guest that starts one process, and waits for it.
fn guest(question: &ProcessStart) -> Vec<u8> {
    let question = cbor::encode(question).unwrap();
    let bytes: String = question.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let wat = format!(
        r#"(module
            (import "wxec_v1" "process_start" (func $process_start (param i32 i32) (result i32)))
            (import "wxec_v1" "process_wait" (func $process_wait (param i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 8) "{bytes}")
            (func (export "wx1_run") (result i32)
                (call $process_wait (call $process_start (i32.const 8) (i32.const {})))))"#,
        question.len()
    );
    compile(&wat::parse_str(wat).unwrap(), &Target::here()).unwrap()
}

/// What is written to a file, once it is.
async fn written(file: &Path) -> String {
    let started = Instant::now();
    loop {
        match fs::read_to_string(file) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
        assert!(started.elapsed() < DEADLINE, "nothing is written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn they_end_when_the_controller_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let script = format!("setsid sh -c 'echo $$ >{}; exec sleep 60' & wait", file.display());
    let artifact =
        guest(&ProcessStart { program: "sh".into(), args: vec!["-c".into(), script], ..ProcessStart::default() });

    let (mut controller, agent) = pipe::start();
    let digest = Digest::of(&artifact);
    let grants = Grants::none().run("sh");
    controller.connection.call(CallRequest { grants, ..CallRequest::new(digest, "run", Vec::new()) });
    while !matches!(controller.event().await, ControllerEvent::Need { .. }) {}
    controller.connection.provide(digest, artifact.into());
    controller.send().await;
    let pid = written(&file).await;
    drop(controller);
    assert!(ended(agent).await.is_ok());
    // What was killed may be listed for a moment, and longer where nobody waits for orphans.
    let started = Instant::now();
    while fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(started.elapsed() < DEADLINE, "it still runs");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
