//! Makes the module of a script: `wxec-scripts PROJECT [OUTPUT]`.
//!
//! It runs the runtime module by the command `wxec`, or the one that the variable `WXEC` names.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use bytes::Bytes;
use wxec_protocol::cbor;
use wxec_scripts::{IMAGE, Script, build, module};

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let Some(project) = arguments
        .next()
        .filter(|first| first != Path::new("--help"))
    else {
        eprintln!("usage: wxec-scripts PROJECT [OUTPUT]");
        return ExitCode::from(2);
    };
    match make(&project, arguments.next()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn make(project: &Path, output: Option<PathBuf>) -> Result<(), Box<dyn std::error::Error>> {
    let script = Script::read(project)?;
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| here.join("../../target"), PathBuf::from);
    // cargo runs in another directory.
    let target = std::path::absolute(target.join("scripts"))?;
    let runtime = build(script.language, &here.join("runtimes"), &target)?;
    let image = image(&runtime, &script)?;
    let made = module(&fs::read(&runtime)?, &image)?;
    let output = output.unwrap_or_else(|| format!("{}.wasm", script.name).into());
    fs::write(&output, &made)?;
    eprintln!("{}: {} bytes", output.display(), made.len());
    Ok(())
}

/// Runs the runtime module on a script, in the sandbox.
fn image(runtime: &Path, script: &Script) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let wxec = env::var_os("WXEC").unwrap_or_else(|| "wxec".into());
    let mut child = Command::new(wxec)
        // The same script gives the same module, which its digest names.
        .args(["call", "--deterministic", "--quiet", "--format=cbor"])
        .args(["--args=-", "local:"])
        .arg(format!("{}::{IMAGE}", runtime.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().expect("it is piped");
    // One that ends early says why itself.
    let _ = stdin.write_all(script.arguments().as_bytes());
    drop(stdin);
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        // The command tells it as it tells mistakes of any call.
        let said = said.replace("error: local: the arguments do not fit: ", "");
        return Err(format!("the script cannot be loaded: {}", said.trim()).into());
    }
    eprint!("{said}");
    let image = cbor::decode_shared::<Bytes>(output.stdout.into())?;
    Ok(image.into())
}
