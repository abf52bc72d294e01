//! Containers without a shell: the engine copies the agent's image in, and starts it in place of the
//! shell.

use std::time::Duration;

use wxec_build::AgentImage;
use wxec_protocol::{Command, Platform};

use super::{architecture, send_image};
use crate::{
    address::{ContainerEngine, Hop},
    base::runtime,
    error::{Limit, Phase, Unreachable},
    options::Options,
    session::transport::{Transport, Writer},
    ways::{Runner, Way, classify, container},
};

/// A container without a shell.
pub(crate) struct NoShell<'a> {
    engine: ContainerEngine,
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
    runner: Runner,
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
            let runner = self.runner.clone();
            runtime::spawn(async move { runner.run(&remove, async |_| Ok(())).await });
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
    runner: &Runner,
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
    let asked = tokio::time::timeout(ASKED_WITHIN, runner.run(&inspect, async |_| Ok(()))).await;
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
    pub(crate) async fn platform(&self, runner: &Runner) -> Result<Platform, Unreachable> {
        let format = match self.engine {
            ContainerEngine::Docker => "{{.Server.Arch}}",
            ContainerEngine::Podman => "{{.Client.OsArch}}",
        };
        let answer = runner
            .run(&self.command(["version", "--format", format]), async |_| {
                Ok(())
            })
            .await?;
        architecture("Linux", answer.strip_prefix("linux/").unwrap_or(&answer))
    }

    /// Copies the agent in and starts it.
    pub(crate) async fn connect(
        &self,
        runner: &Runner,
        image: &AgentImage,
        token: &str,
        title: &str,
    ) -> Result<ShellLess, Unreachable> {
        let file = format!(".wxec-{token}");
        let path = format!("/{file}");
        let (container, created) = if self.is_image {
            let entrypoint = format!("--entrypoint={path}");
            let create = self.command([
                "create",
                "-i",
                "--rm",
                container::LABEL,
                &entrypoint,
                self.name,
                title,
                &path,
            ]);
            let container = runner.run(&create, async |_| Ok(())).await?;
            let remove = Some(self.command(["rm", "-f", &container]));
            (
                container,
                Some(Created {
                    runner: runner.clone(),
                    remove,
                }),
            )
        } else {
            (self.name.to_owned(), None)
        };
        let sent_bytes = self.copy(runner, image, &file, &container).await?;
        let start = if self.is_image {
            self.command(["start", "-a", "-i", &container])
        } else {
            // The agent removes its file.
            self.command(["exec", "-i", &container, &path, title, &path])
        };
        Ok(ShellLess {
            transport: runner.start(&start, false).await?,
            sent_bytes,
            created,
        })
    }

    /// Copies the agent to the container's root, as the one file of an archive. Returns the number
    /// of bytes sent.
    async fn copy(
        &self,
        runner: &Runner,
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
            sent_bytes = send_image(writer, image, runner.agent()).await?;
            writer
                .write_all(&vec![0; usize::try_from(rest).unwrap_or(0)])
                .await
        };
        let copied = runner
            .run(&self.command(["cp", "-", &destination]), feed)
            .await;
        copied.map_err(|error| classify(error, &[container::COMPLAINTS]))?;
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
