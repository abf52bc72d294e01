//! Turning a module into an artifact, in a child process: a module that makes the compiler run wild harms only that.

use std::{process::Stdio, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
};
use wxec_protocol::{MAX_MODULE_BYTES, Target};

use crate::{artifact::Artifact, module::ModuleError, progress, runtime, transport::printable};

/// The largest guests seen take 20 s; the child also limits its own CPU time and memory.
const COMPILE_WITHIN: Duration = Duration::from_secs(180);

/// Errors are one line.
const MAX_STDERR_BYTES: u64 = 4 << 10;

/// Compiles `module` for `target`.
pub(crate) async fn compile(module: Bytes, target: &Target) -> Result<Artifact, ModuleError> {
    let compiler = runtime::blocking(|| wxec_build::compiler(&*progress::current())).await?;
    let failed = |reason: String| ModuleError::Compile { target: target.to_string(), reason };
    let run = async {
        let mut child = Command::new(&compiler)
            .arg(target.to_string())
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
        let (mut stdout, mut stderr) = (stdout.take(MAX_MODULE_BYTES + 1), stderr.take(MAX_STDERR_BYTES));
        let feed = async {
            // A compiler that refuses stops reading; its exit status says so.
            let _ = stdin.write_all(&module).await;
            drop(stdin);
            Ok(0)
        };
        tokio::try_join!(feed, stdout.read_to_end(&mut artifact), stderr.read_to_end(&mut errors))?;
        Ok((child.wait().await?, artifact, errors))
    };
    let (status, artifact, errors) = match tokio::time::timeout(COMPILE_WITHIN, run).await {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => return Err(failed(format!("cannot run {}: {error}", compiler.display()))),
        Err(_) => return Err(failed(format!("no end after {COMPILE_WITHIN:?}"))),
    };
    if !status.success() {
        let errors = printable(String::from_utf8_lossy(&errors).trim());
        return Err(failed(if errors.is_empty() { format!("the compiler ended with {status}") } else { errors }));
    }
    if artifact.len() as u64 > MAX_MODULE_BYTES {
        return Err(failed(format!("the artifact is larger than {MAX_MODULE_BYTES} bytes")));
    }
    Ok(Artifact::new(artifact.into()))
}
