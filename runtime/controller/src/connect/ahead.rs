//! Artifacts that are sent before the agent has greeted: the targets of hosts are remembered from one
//! connection to the next.
//!
//! A wrong guess costs the bytes. The artifact is named by its digest, and a call names that of the
//! target that the agent tells.

use std::{
    fs::{self, DirBuilder},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use wxec_protocol::{ControllerConnection, Digest, Platform, Target};

use crate::{
    address::{Address, Hop},
    base::runtime,
    module::{Module, artifact::Artifact},
};

/// Length of the longest artifact that is sent ahead. A place on the host that proves too small has
/// everything sent once more.
const MAX_BYTES: usize = 1 << 20;

/// Room for the greeting and the heads of frames.
const FRAMES_BYTES: usize = 16 << 10;

/// Number of files in which targets are remembered. A host may take that of another.
const FILES: u16 = 4096;

/// The artifact of the call for which a host is being connected, once it is found.
#[derive(Default)]
pub(crate) struct Ahead(OnceLock<(Target, Artifact)>);

impl Ahead {
    /// Looks for the artifact that `address` will need if it is what it was.
    pub(crate) async fn look(&self, address: &Address, module: &Module) {
        if !is_first_ssh(address) {
            return;
        }
        let address = address.to_string();
        let recalled = runtime::blocking(move || recall(&cache()?, &address)).await;
        let Some(target) = recalled else { return };
        let artifact = module.kept_artifact(&target).await;
        if let Some(artifact) = artifact.filter(|artifact| artifact.bytes.len() <= MAX_BYTES) {
            let _ = self.0.set((target, artifact));
        }
    }

    /// Returns the artifact, if it was found and is for `platform`.
    pub(super) fn artifact(&self, platform: &Platform) -> Option<&Artifact> {
        let (target, artifact) = self.0.get()?;
        (target.platform == *platform).then_some(artifact)
    }
}

/// Begins a conversation with an agent that has not greeted: with the greeting, and `artifact`.
pub(super) fn beginning(conversation: &mut ControllerConnection, artifact: &Artifact) -> Vec<u8> {
    conversation.bring(artifact.digest, artifact.bytes.clone());
    // Room for the frames, too.
    let mut beginning = Vec::with_capacity(artifact.bytes.len() + FRAMES_BYTES);
    let mut part = Vec::new();
    loop {
        let splice = conversation.poll_transmit(&mut part);
        debug_assert!(splice.is_none(), "no hop has the artifact");
        if part.is_empty() {
            return beginning;
        }
        beginning.append(&mut part);
    }
}

/// Remembers the target of a host that is reached by ssh from here.
pub(super) fn remember(address: &Address, target: &Target) {
    if !is_first_ssh(address) {
        return;
    }
    let (address, target) = (address.to_string(), target.clone());
    runtime::spawn(runtime::blocking(move || {
        if let Some(cache) = cache()
            && recall(&cache, &address).as_ref() != Some(&target)
        {
            // A full disk costs the next connection some time.
            let _ = write(&cache, &address, &target);
        }
    }));
}

fn is_first_ssh(address: &Address) -> bool {
    address.parent().is_none() && matches!(address.last(), Hop::Ssh(_))
}

fn cache() -> Option<PathBuf> {
    wxec_build::cache_directory().ok()
}

/// Returns the directory and the name of the file for `address`, which begins with the address itself.
fn place(cache: &Path, address: &str) -> (PathBuf, String) {
    let [first, second, ..] = *Digest::of(address.as_bytes()).as_bytes();
    let number = u16::from_le_bytes([first, second]) % FILES;
    (cache.join("hosts"), format!("{number:03x}"))
}

/// Returns the target that was remembered for `address`.
fn recall(cache: &Path, address: &str) -> Option<Target> {
    let (directory, name) = place(cache, address);
    let text = fs::read_to_string(directory.join(name)).ok()?;
    let (remembered, target) = text.trim_end().split_once('\n')?;
    let target = target.parse().ok()?;
    (remembered == address).then_some(target)
}

fn write(cache: &Path, address: &str, target: &Target) -> io::Result<()> {
    let (directory, name) = place(cache, address);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&directory)?;
    let mut new = tempfile::NamedTempFile::new_in(&directory)?;
    writeln!(new, "{address}\n{target}")?;
    new.persist(directory.join(name))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_remembered_for_its_host_alone() {
        let cache = tempfile::tempdir().unwrap();
        let cache = cache.path();
        let target = Target::here();
        assert_eq!(recall(cache, "ssh:web1"), None);
        write(cache, "ssh:web1", &target).unwrap();
        assert_eq!(recall(cache, "ssh:web1"), Some(target.clone()));
        assert_eq!(recall(cache, "ssh:web2"), None);

        let (directory, name) = place(cache, "ssh:web1");
        let file = directory.join(name);
        for text in ["", "ssh:web1", "ssh:web1\n", "ssh:web1\nnonsense\n"] {
            fs::write(&file, text).unwrap();
            assert_eq!(recall(cache, "ssh:web1"), None, "{text}");
        }
        fs::write(&file, format!("ssh:web9\n{target}\n")).unwrap();
        assert_eq!(recall(cache, "ssh:web1"), None, "another host took it");
    }

    #[test]
    fn a_conversation_begins_with_the_artifact() {
        let mut conversation = ControllerConnection::new();
        let artifact = Artifact::new(vec![7; 700_000].into());
        let beginning = beginning(&mut conversation, &artifact);
        assert!((700_000..701_000).contains(&beginning.len()));
        assert_eq!(conversation.traffic().module_bytes, 700_000);
        assert_eq!(conversation.traffic().bytes_sent, beginning.len() as u64);
    }

    #[test]
    fn only_first_hops_by_ssh_have_their_artifacts_sent_ahead() {
        for (address, is_first) in [
            ("ssh:web1", true),
            ("web1", true),
            ("local:", false),
            ("ssh:a/ssh:b", false),
            ("docker:a", false),
        ] {
            assert_eq!(
                is_first_ssh(&address.parse().unwrap()),
                is_first,
                "{address}"
            );
        }
    }
}
