//! `docker:`, `podman:`, `docker-run:` and `podman-run:`: a running container, or a fresh one of an
//! image.
//!
//! If the image has a shell, the way in is like any other. If it has none, the engine copies the
//! agent's image in, and starts it in place of the shell.

use super::{Complaint, Phase, Shell, Way};
use crate::{address::ContainerEngine, options::Options};

/// Marks fresh containers as ours.
pub(crate) const LABEL: &str = "--label=wxec";

pub(crate) fn way(engine: ContainerEngine, name: &str, shell: &Shell, options: &Options) -> Way {
    let argv = [&options.tool_path(engine.name()), "exec", "-i", name].map(Into::into);
    Way::new(argv.into_iter().chain(shell.argv.iter().cloned())).complaints(COMPLAINTS)
}

/// Returns the way into a fresh container. The agent becomes its first process: the container ends
/// with the agent, and the engine removes it.
pub(crate) fn way_to_fresh(
    engine: ContainerEngine,
    image: &str,
    shell: &Shell,
    options: &Options,
) -> Way {
    let [sh, rest @ ..] = &*shell.argv else {
        return Way::default();
    };
    let entrypoint = format!("--entrypoint={sh}");
    let argv = [
        &options.tool_path(engine.name()),
        "run",
        "-i",
        "--rm",
        LABEL,
        &entrypoint,
        image,
    ]
    .map(Into::into);
    Way::new(argv.into_iter().chain(rest.iter().cloned())).complaints(COMPLAINTS)
}

pub(crate) const COMPLAINTS: &[Complaint] = &[
    Complaint {
        words: "No such container",
        phase: Phase::Resolve,
        hint: "check the container's name (`docker ps`)",
    },
    Complaint {
        words: "no such container",
        phase: Phase::Resolve,
        hint: "check the container's name (`podman ps`)",
    },
    Complaint {
        words: "no container with name or ID",
        phase: Phase::Resolve,
        hint: "check the container's name (`podman ps`)",
    },
    Complaint {
        words: "is not running",
        phase: Phase::Connect,
        hint: "start the container",
    },
    Complaint {
        words: "can only create exec sessions on running containers",
        phase: Phase::Connect,
        hint: "start the container",
    },
    Complaint {
        words: "is paused",
        phase: Phase::Connect,
        hint: "unpause the container",
    },
    Complaint {
        words: "permission denied while trying to connect",
        phase: Phase::Privilege,
        hint: "your account may not use the engine: put `sudo:` before it, or join its group",
    },
    Complaint {
        words: "Cannot connect to the Docker daemon",
        phase: Phase::Connect,
        hint: "check that Docker runs there",
    },
    Complaint {
        words: "failed to connect to the docker API",
        phase: Phase::Connect,
        hint: "check that Docker runs there",
    },
    Complaint {
        words: "pull access denied",
        phase: Phase::Resolve,
        hint: "check the image's name, or log in to its registry",
    },
    Complaint {
        words: "initializing source",
        phase: Phase::Resolve,
        hint: "check the image's name, and that its registry can be reached from there",
    },
    Complaint {
        words: "authorization denied",
        phase: Phase::Policy,
        hint: "a plugin of the engine does not allow it",
    },
    Complaint {
        words: "read-only",
        phase: Phase::Exec,
        hint: "the container has no shell and its root cannot be written to: the agent can neither be unpacked nor copied in",
    },
    // Docker prints this before each pull.
    Complaint {
        words: "Unable to find image",
        phase: Phase::Resolve,
        hint: "check the image's name, or pull it first",
    },
];
