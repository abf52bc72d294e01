//! The agent's description of the place it runs in.

use wxec_protocol::ControllerEvent;

use crate::start;

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_describes_its_place() {
    let (mut peer, _agent) = start();
    peer.connection.describe();
    let told = loop {
        if let ControllerEvent::Description(description) = peer.event().await {
            break description;
        }
    };
    assert_eq!(told.pid, std::process::id());
    assert_eq!(told.uid, rustix::process::getuid().as_raw());
    assert_eq!(
        told.cpus as usize,
        std::thread::available_parallelism().unwrap().get()
    );
    assert!(
        told.memory_bytes.is_some_and(|bytes| bytes > 1 << 20),
        "{told:?}"
    );
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    assert_eq!(told.open_files, files);
}
