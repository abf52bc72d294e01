//! `docker:`, `podman:`, `docker-run:` and `podman-run:`: a running container, or a fresh one of an
//! image.
//!
//! If the image has a shell, the way in is like any other. If it has none, the engine copies the
//! agent's image in, and starts it in place of the shell.

use std::time::Duration;

use wxec_protocol::{Command, Platform};

use super::{Complaint, Limit, Phase, Place, Shell, Transport, Way, Writer};
use crate::{
    address::{Engine, Hop},
    bootstrap::{architecture, send_image},
    error::Unreachable,
    options::Options,
    runtime,
};
use wxec_build::AgentImage;

/// Marks fresh containers as ours.
const LABEL: &str = "--label=wxec";

pub(crate) fn way(engine: Engine, name: &str, shell: &Shell, options: &Options) -> Way {
    let argv = [&options.tool_path(engine.name()), "exec", "-i", name].map(Into::into);
    Way::new(argv.into_iter().chain(shell.argv.iter().cloned())).complaints(COMPLAINTS)
}

/// Returns the way into a fresh container. The agent becomes its first process: the container ends
/// with the agent, and the engine removes it.
pub(crate) fn way_to_fresh(engine: Engine, image: &str, shell: &Shell, options: &Options) -> Way {
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

/// A container without a shell.
pub(crate) struct NoShell<'a> {
    engine: Engine,
    /// A running container's name, or an image's.
    name: &'a str,
    is_image: bool,
    tool: String,
}

/// An agent in a container without a shell, about to say hello.
pub(crate) struct ShellLess {
    pub(crate) transport: Transport,
    pub(crate) sent_bytes: u64,
    /// The container, to be [kept](Created::keep) once the agent has said hello: from then on the
    /// end of the agent ends the container.
    pub(crate) created: Option<Created>,
}

/// A container that was created for us and does not run yet. Dropping this removes the container:
/// its engine would not.
pub(crate) struct Created {
    place: Place,
    remove: Option<Command>,
}

impl Created {
    pub(crate) fn keep(mut self) {
        self.remove = None;
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        if let Some(remove) = self.remove.take() {
            let place = self.place.clone();
            runtime::spawn(async move { place.run(&remove, async |_| Ok(())).await });
        }
    }
}

/// A container that allows this many processes, or fewer, may be too small for the agent and the
/// shell that starts it.
const FEW_PROCESSES: u32 = 16;

/// Bound on a question to the engine about a failure, which must not delay the error for long.
const ASKED_WITHIN: Duration = Duration::from_secs(5);

/// Adds the limit on processes of a running container to a `failure` in it, if the limit may be the
/// reason: programs that die of that limit print many things, and none of them names it.
pub(crate) async fn limited_by_container(
    failure: Unreachable,
    hop: &Hop,
    place: &Place,
    options: &Options,
) -> Unreachable {
    let Hop::Container(engine, name) = hop else {
        return failure;
    };
    if !matches!(failure.phase, Phase::Shell | Phase::Exec | Phase::Protocol) {
        return failure;
    }
    let tool = options.tool_path(engine.name());
    let inspect = [
        &tool,
        "inspect",
        "--format",
        "{{.HostConfig.PidsLimit}}",
        name,
    ]
    .map(Into::into);
    let inspect = Way::new(inspect).command;
    let asked = tokio::time::timeout(ASKED_WITHIN, place.run(&inspect, async |_| Ok(()))).await;
    match asked
        .ok()
        .and_then(Result::ok)
        .and_then(|limit| limit.parse().ok())
    {
        Some(limit @ 1..=FEW_PROCESSES) => {
            Limit::Processes.failure(&format!("the container allows {limit}"))
        }
        _ => failure,
    }
}

impl<'a> NoShell<'a> {
    /// Returns the container of `hop`, if `failure` means that it has no shell.
    pub(crate) fn of(hop: &'a Hop, failure: &Unreachable, options: &Options) -> Option<Self> {
        let (engine, name, is_image) = match hop {
            Hop::Container(engine, name) => (*engine, name, false),
            Hop::ContainerRun(engine, image) => (*engine, image, true),
            _ => return None,
        };
        // Docker complains on stdout, which is part of the reason.
        let said = [&failure.reason, &failure.stderr_tail];
        let no_such_program = NO_SUCH_PROGRAM
            .iter()
            .any(|words| said.iter().any(|said| said.contains(words)));
        no_such_program.then(|| Self {
            engine,
            name,
            is_image,
            tool: options.tool_path(engine.name()),
        })
    }

    /// Returns the platform that containers of this engine run on.
    pub(crate) async fn platform(&self, place: &Place) -> Result<Platform, Unreachable> {
        let format = match self.engine {
            Engine::Docker => "{{.Server.Arch}}",
            Engine::Podman => "{{.Client.OsArch}}",
        };
        let answer = place
            .run(&self.command(["version", "--format", format]), async |_| {
                Ok(())
            })
            .await?;
        architecture("Linux", answer.strip_prefix("linux/").unwrap_or(&answer))
    }

    /// Copies the agent in and starts it.
    pub(crate) async fn connect(
        &self,
        place: &Place,
        image: &AgentImage,
        token: &str,
        title: &str,
    ) -> Result<ShellLess, Unreachable> {
        let file = format!(".wxec-{token}");
        let path = format!("/{file}");
        let (container, created) = match self.is_image {
            false => (self.name.to_owned(), None),
            true => {
                let entrypoint = format!("--entrypoint={path}");
                let create = self.command([
                    "create",
                    "-i",
                    "--rm",
                    LABEL,
                    &entrypoint,
                    self.name,
                    title,
                    &path,
                ]);
                let container = place.run(&create, async |_| Ok(())).await?;
                let remove = Some(self.command(["rm", "-f", &container]));
                (
                    container,
                    Some(Created {
                        place: place.clone(),
                        remove,
                    }),
                )
            }
        };
        let sent_bytes = self.copy(place, image, &file, &container).await?;
        let start = match self.is_image {
            // The agent removes its file.
            false => self.command(["exec", "-i", &container, &path, title, &path]),
            true => self.command(["start", "-a", "-i", &container]),
        };
        Ok(ShellLess {
            transport: place.start(&start, false).await?,
            sent_bytes,
            created,
        })
    }

    /// Copies the agent to the container's root, as the one file of an archive. Returns the number
    /// of bytes sent.
    async fn copy(
        &self,
        place: &Place,
        image: &AgentImage,
        file: &str,
        container: &str,
    ) -> Result<u64, Unreachable> {
        const BLOCK: u64 = 512;
        let mut header = tar::Header::new_gnu();
        header
            .set_path(file)
            .map_err(|error| Unreachable::new(Phase::Local, error.to_string()))?;
        header.set_size(image.bytes);
        header.set_mode(0o755);
        header.set_cksum();
        // tar pads the file to whole blocks; two empty blocks end the archive.
        let rest = image.bytes.next_multiple_of(BLOCK) - image.bytes + 2 * BLOCK;
        let mut sent_bytes = 0;
        let destination = format!("{container}:/");
        let feed = async |writer: &mut Writer| {
            use tokio::io::AsyncWriteExt;

            writer.write_all(header.as_bytes()).await?;
            sent_bytes = send_image(writer, image, place.agent()).await?;
            writer
                .write_all(&vec![0; usize::try_from(rest).unwrap_or(0)])
                .await
        };
        let copied = place
            .run(&self.command(["cp", "-", &destination]), feed)
            .await;
        copied.map_err(|error| super::classify(error, &[COMPLAINTS]))?;
        Ok(sent_bytes)
    }

    fn command<const N: usize>(&self, arguments: [&str; N]) -> Command {
        Way::new(
            std::iter::once(&*self.tool)
                .chain(arguments)
                .map(Into::into),
        )
        .command
    }
}

/// Messages of engines, and of the runtimes below them, about a missing `sh`.
const NO_SUCH_PROGRAM: &[&str] = &[
    "executable file not found",
    "executable file `sh` not found",
    "exec: \"sh\": stat",
    "sh: no such file or directory",
    "\"sh\": no such file",
];

const COMPLAINTS: &[Complaint] = &[
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
