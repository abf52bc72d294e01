//! Programs and connections that guests start through the SDK, in the tasks of `guests/tools`, and
//! how they end with the conversation.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    path::Path,
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use wxec_build::{Features, Quiet};
use wxec_engine::compile;
use wxec_protocol::{
    CallRequest, ControllerEvent, Digest, Fault, Grants, Limits, Need, OutputStream, Target, Terms,
    abi::TaskFailure, cbor,
};

use crate::{Agent, DEADLINE, Peer, ended};

/// The tasks of `guests/tools`, compiled for the agent.
static TOOLS: LazyLock<Bytes> = LazyLock::new(|| {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let module =
        wxec_build::module_of_package(here, "tools", &Features::default(), &Quiet).unwrap();
    compile(&module.bytes, &Target::here()).unwrap().into()
});

/// A controller whose calls all have the same grants, and its agent.
struct Controller {
    peer: Peer,
    agent: Agent,
    grants: Grants,
    printed: Vec<(OutputStream, String)>,
}

fn granted(grants: Grants) -> Controller {
    // Before the agent starts, because its timeout does not allow for a cargo build.
    LazyLock::force(&TOOLS);
    let (peer, agent) = crate::start();
    Controller {
        peer,
        agent,
        grants,
        printed: Vec::new(),
    }
}

impl Controller {
    fn begin(&mut self, task: &str, arguments: &impl Serialize, limits: Limits) {
        let request = CallRequest::new(
            Digest::of(&TOOLS),
            format!("tools::{task}"),
            cbor::encode(arguments).unwrap(),
        );
        self.peer.connection.call(CallRequest {
            terms: Terms {
                grants: self.grants.clone(),
                limits,
                ..Terms::default()
            },
            ..request
        });
    }

    async fn returned(&mut self) -> Result<Bytes, Fault> {
        loop {
            match self.peer.event().await {
                ControllerEvent::Need { module, .. } => {
                    self.peer.connection.provide(module, TOOLS.clone())
                }
                ControllerEvent::Output { stream, bytes, .. } => {
                    self.printed
                        .push((stream, String::from_utf8(bytes.to_vec()).unwrap()));
                }
                ControllerEvent::Returned { outcome, .. } => return outcome,
                _ => {}
            }
        }
    }

    async fn call<T: DeserializeOwned>(
        &mut self,
        task: &str,
        arguments: &impl Serialize,
    ) -> Result<T, Fault> {
        self.begin(
            task,
            arguments,
            Limits {
                deadline_ms: Some(120_000),
                ..Limits::default()
            },
        );
        self.returned()
            .await
            .map(|value| cbor::decode(&value).unwrap())
    }
}

/// Returns the task's description of its error.
#[track_caller]
fn failure(outcome: Result<String, Fault>) -> TaskFailure {
    match outcome {
        Err(
            Fault::Task(failure)
            | Fault::Denied {
                failure: Some(failure),
                ..
            },
        ) => cbor::decode(&failure).unwrap(),
        other => panic!("no failure of a task: {other:?}"),
    }
}

/// Waits until a process has written its id to a file, and returns the id.
async fn pid_in(file: &Path) -> String {
    let started = Instant::now();
    loop {
        match fs::read_to_string(file) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
        assert!(started.elapsed() < DEADLINE, "nothing is written");
    }
}

/// Waits until a process is dead. A zombie counts as dead: on some systems no process reaps
/// orphans.
async fn is_gone(pid: &str) {
    let started = Instant::now();
    while fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(started.elapsed() < DEADLINE, "it still runs");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_runs_programs_that_were_granted() {
    let mut controller = granted(Grants::none().run("ls").run("sh").run("sleep"));
    let version: String = controller.call("version", &["ls"]).await.unwrap();
    assert!(version.starts_with("ls ("), "{version}");
    assert_eq!(
        controller.call("run", &("sh", ["-c", "exit 7"])).await,
        Ok(7)
    );
    assert_eq!(
        controller.call("run", &("sh", ["-c", "kill -15 $$"])).await,
        Ok(-15)
    );
    assert_eq!(
        controller.call("start_and_kill", &("sleep", ["60"])).await,
        Ok(Some(9))
    );
    assert_eq!(
        controller.call("script", &("echo $NEW", "NEW", "1")).await,
        Ok("1\n".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_lacks_a_grant_says_which() {
    let mut controller = granted(Grants::none().run("sh"));
    let outcome = controller.call::<String>("version", &["ls"]).await;
    assert!(
        matches!(&outcome, Err(Fault::Denied { needs, .. }) if *needs == [Need::Run("ls".into())]),
        "{outcome:?}"
    );
    assert_eq!(
        failure(outcome).message,
        "not granted: needs --allow-run=ls"
    );

    let outcome = controller
        .call::<String>("fetch", &("example.org", 80, ""))
        .await;
    assert_eq!(
        failure(outcome).message,
        "not granted: needs --allow-net=example.org:80"
    );
    let outcome = controller
        .call::<String>("script", &("true", "LD_PRELOAD", "/tmp/x.so"))
        .await;
    assert!(failure(outcome).message.contains("`LD_PRELOAD`"));
    controller.grants = Grants::none().run("no-such-program");
    let outcome = controller
        .call::<String>("version", &["no-such-program"])
        .await;
    assert_eq!(
        failure(outcome).message,
        "no program `no-such-program` is on the host's PATH"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_prints_where_its_task_does() {
    let mut controller = granted(Grants::none().run("sh"));
    assert_eq!(
        controller
            .call("run", &("sh", ["-c", "echo out; echo err >&2"]))
            .await,
        Ok(0)
    );
    controller.printed.sort_by_key(|(_, text)| text.clone());
    let printed = [
        (OutputStream::Stderr, "err\n".to_owned()),
        (OutputStream::Stdout, "out\n".to_owned()),
    ];
    assert_eq!(controller.printed, printed);
}

#[tokio::test(flavor = "multi_thread")]
async fn pipes_that_are_full_on_either_side_hold_nothing_up() {
    let mut controller = granted(Grants::none().run("cat").run("sh"));
    let input: Bytes = (0..8_u32 << 20)
        .map(|place| place.to_le_bytes()[place as usize % 3])
        .collect();
    let output: Bytes = controller
        .call("filter", &("cat", [""; 0], &input))
        .await
        .unwrap();
    assert!(output == input, "{} bytes", output.len());

    let script =
        "head -c 1000000 /dev/zero >&2; head -c 2000000 /dev/zero; head -c 1000000 /dev/zero >&2";
    let (stdout, stderr): (Bytes, Bytes) = controller.call("outputs", &[script]).await.unwrap();
    assert_eq!((stdout.len(), stderr.len()), (2_000_000, 2_000_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_connects_to_places_that_were_granted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut request = String::new();
        socket.read_to_string(&mut request).unwrap();
        socket.write_all(request.to_uppercase().as_bytes()).unwrap();
    });
    let mut controller = granted(Grants::none().net(format!("localhost:{port}")));
    assert_eq!(
        controller
            .call("fetch", &("localhost", port, "hello"))
            .await,
        Ok("HELLO".to_owned())
    );
    server.join().unwrap();
    let addresses: Vec<String> = controller.call("addresses", &["localhost"]).await.unwrap();
    assert!(
        addresses.iter().any(|address| address == "127.0.0.1"),
        "{addresses:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_end_when_the_controller_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let script = format!(
        "setsid sh -c 'echo $$ >{}; exec sleep 60' & wait",
        file.display()
    );
    let mut controller = granted(Grants::none().run("sh"));
    controller
        .call::<i32>("run", &("sh", ["-c", "true"]))
        .await
        .unwrap();
    controller.begin("run", &("sh", ["-c", &script]), Limits::default());
    controller.peer.send().await;
    let pid = pid_in(&file).await;
    drop(controller.peer);
    assert!(ended(controller.agent).await.is_ok());
    is_gone(&pid).await;
}
