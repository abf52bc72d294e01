//! Compiles modules to artifacts in a child process, so that a module that makes the compiler run
//! wild harms only that process.

use std::{
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Once,
    time::Duration,
};

use bytes::Bytes;
use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    sync::Mutex,
};
use wxec_build::BuildError;
use wxec_protocol::{MAX_MODULE_BYTES, Target};

use crate::{
    base::{progress, runtime, text::printable},
    error::ModuleError,
    module::{artifact::Artifact, packing::pack},
};

/// Address space of the compiler. Far more than any honest module needs, far less than makes a
/// machine swap.
const MAX_MEMORY_BYTES: u64 = 4 << 30;

/// Processor time, all threads together. The largest module seen, Python compiled to wasm, takes 19
/// s.
const MAX_CPU_SECONDS: u64 = 120;

/// Elapsed time: enough for that processor time on one processor that other programs use as well.
const MAX_WALL_SECONDS: u64 = 180;

/// Timeout for a compiler that is stopped, or a program that is not the compiler. The compiler
/// enforces the limits above itself.
const COMPILE_WITHIN: Duration = Duration::from_secs(MAX_WALL_SECONDS + 10);

/// Size limit for errors, which are one line.
const MAX_STDERR_BYTES: u64 = 4 << 10;

/// Held while this program looks for a compiler or builds it, so that it never waits for itself as
/// if for another program.
static FINDING: Mutex<()> = Mutex::const_new(());

/// Begins to build the compiler if this machine is new to this build of wxec. Its first call takes
/// the agent as well, which a single processor links for a minute. Looks once in a program's life.
pub(crate) fn build_ahead() {
    static LOOKED: Once = Once::new();
    LOOKED.call_once(|| {
        runtime::spawn(async {
            let _turn = FINDING.lock().await;
            runtime::blocking(|| {
                if wxec_build::lacks_agent() {
                    // `compile` meets the same error, if it is one that lasts, and reports it.
                    let _ = wxec_build::compiler(&Target::here(), &*progress::current());
                }
            })
            .await;
        });
    });
}

/// Finds or builds a compiler for `target`.
async fn find_compiler(target: Target) -> Result<PathBuf, BuildError> {
    let _turn = FINDING.lock().await;
    runtime::blocking(move || wxec_build::compiler(&target, &*progress::current())).await
}

/// Compiles `module` for `target`.
pub(crate) async fn compile(module: Bytes, target: &Target) -> Result<Artifact, ModuleError> {
    let compiler = find_compiler(target.clone()).await?;
    let failed = |reason: String| ModuleError::Compile {
        target: target.to_string(),
        reason,
    };
    let run = async {
        let mut child = Command::new(&compiler)
            .arg(target.to_string())
            .args(
                [MAX_MEMORY_BYTES, MAX_CPU_SECONDS, MAX_WALL_SECONDS]
                    .map(|limit| limit.to_string()),
            )
            // The author of the module reads the errors, and needs no backtrace of the compiler.
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(mut stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(std::io::Error::other("a pipe of the compiler is missing"));
        };
        let (mut artifact, mut errors) = (Vec::new(), Vec::new());
        let (mut stdout, mut stderr) = (
            stdout.take(MAX_MODULE_BYTES + 1),
            stderr.take(MAX_STDERR_BYTES),
        );
        let feed = async {
            // Ignore write errors: a compiler that refuses the module stops reading, and its exit
            // status says so.
            let _ = stdin.write_all(&module).await;
            drop(stdin);
            Ok(0)
        };
        tokio::try_join!(
            feed,
            stdout.read_to_end(&mut artifact),
            stderr.read_to_end(&mut errors)
        )?;
        Ok((child.wait().await?, artifact, errors))
    };
    let (status, artifact, errors) = match tokio::time::timeout(COMPILE_WITHIN, run).await {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => {
            return Err(failed(format!(
                "cannot run {}: {error}",
                compiler.display()
            )));
        }
        Err(_) => return Err(failed(format!("no end after {COMPILE_WITHIN:?}"))),
    };
    if !status.success() {
        return Err(failed(why_it_failed(
            status,
            &String::from_utf8_lossy(&errors),
        )));
    }
    if artifact.len() as u64 > MAX_MODULE_BYTES {
        // The number of bytes read; the artifact may be larger.
        let (name, size) = (format!("the artifact for {target}"), artifact.len() as u64);
        return Err(ModuleError::TooLarge {
            name,
            size,
            limit: MAX_MODULE_BYTES,
        });
    }
    let packed = runtime::blocking(move || pack(artifact)).await;
    Ok(Artifact::new(packed))
}

/// Returns the reason why the compiler made no artifact. If the kernel enforced a limit, the
/// compiler could not report that itself, so the signal tells.
fn why_it_failed(status: ExitStatus, errors: &str) -> String {
    let ended_by = |signal: Signal| status.signal() == Some(signal.as_raw());
    if ended_by(Signal::XCPU) {
        return format!("it took more than {MAX_CPU_SECONDS} s of processor time");
    }
    // The message of any Rust program that fails to allocate memory.
    if ended_by(Signal::ABORT) && errors.contains("memory allocation of ") {
        return format!("it took more than {} GiB of memory", MAX_MEMORY_BYTES >> 30);
    }
    if ended_by(Signal::KILL) {
        return "the compiler was killed, perhaps because this machine has no memory left".into();
    }
    match errors.trim() {
        "" => format!("the compiler ended with {status}"),
        errors => printable(errors),
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Output};

    use super::*;

    #[test]
    fn a_compiler_that_was_killed_has_a_reason() {
        let reason = |script: &str| {
            let script = format!("ulimit -c 0; {script}");
            let Output { status, stderr, .. } =
                Command::new("sh").args(["-c", &script]).output().unwrap();
            why_it_failed(status, &String::from_utf8_lossy(&stderr))
        };
        assert_eq!(
            reason("kill -XCPU $$"),
            "it took more than 120 s of processor time"
        );
        // Two threads may run out of memory at once, which mixes their messages.
        let out_of_memory =
            "echo 'memory allocation of memory allocation of 24 bytes failed' >&2; kill -ABRT $$";
        assert_eq!(reason(out_of_memory), "it took more than 4 GiB of memory");
        assert_eq!(
            reason("kill -KILL $$"),
            "the compiler was killed, perhaps because this machine has no memory left"
        );
        assert_eq!(
            reason("echo 'overflowed its stack' >&2; kill -ABRT $$"),
            "overflowed its stack"
        );
        assert_eq!(reason("exit 7"), "the compiler ended with exit status: 7");
        assert_eq!(
            reason("echo 'not a WebAssembly module' >&2; exit 1"),
            "not a WebAssembly module"
        );
    }
}
