//! Plans whose connection is cut.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use wxec_plan::{Fault, Run, command, file, plan, reboot};

/// The folder that a plan works in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Place {
    /// The folder.
    pub top: PathBuf,
}

/// A step that takes its time, and one behind it.
#[plan(write = "/tmp", run = "sh")]
pub fn patient(run: &mut Run, place: &Place) -> Result<(), Fault> {
    let at = |name: &str| place.top.join(name);
    let slow = format!(
        "touch {}; sleep 1; touch {}",
        at("began").display(),
        at("ended").display()
    );
    command(["sh", "-c", &slow]).creates(at("ended")).run(run)?;
    file(at("after")).ensure(run)?;
    Ok(())
}

/// Ends the agent, which its connection does not outlive, in a step in the middle.
#[plan(cuts_link, write = "/tmp", run = "sh")]
pub fn cut(run: &mut Run, place: &Place) -> Result<(), Fault> {
    let at = |name: &str| place.top.join(name);
    file(at("before")).ensure(run)?;
    let cut = format!("touch {}; kill -9 $PPID", at("cut").display());
    command(["sh", "-c", &cut]).creates(at("cut")).run(run)?;
    file(at("after")).ensure(run)?;
    Ok(())
}

/// Ends the agent each time that it is called.
#[plan(cuts_link, write = "/tmp", run = "sh")]
pub fn cut_always(run: &mut Run, place: &Place) -> Result<(), Fault> {
    let calls = place.top.join("calls");
    let cut = format!("echo >>{}; kill -9 $PPID", calls.display());
    command(["sh", "-c", &cut]).run(run)?;
    Ok(())
}

/// A kernel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kernel {
    /// Its version.
    pub version: String,
}

/// A kernel of some version, which a restart of the host makes the running one.
#[plan(manage = "reboot", write = "/srv", attributes)]
pub fn kernel(run: &mut Run, kernel: &Kernel) -> Result<(), Fault> {
    let Kernel { version } = kernel;
    let kernel = file("/srv/kernel")
        .content(version)
        .mode(0o644)
        .ensure(run)?;
    reboot().after([&kernel]).ensure(run)?;
    file("/srv/runs").content(version).mode(0o644).ensure(run)?;
    Ok(())
}
