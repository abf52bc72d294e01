//! Tests that cannot run here say so.

use std::{
    env,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    thread,
};

/// Names a file that collects the reasons; `tests/run` prints it at the end.
const SKIPS_VARIABLE: &str = "WXEC_TEST_SKIPS";

/// Tells that the test that calls this cannot run on this machine. The test returns right after.
pub(crate) fn skip(reason: &str) {
    let line = format!("skipped: {}: {reason}\n", thread::current().name().unwrap_or("a test"));
    eprint!("{line}");
    if let Some(path) = env::var_os(SKIPS_VARIABLE) {
        let file = File::options().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the file of skips can be written");
    }
}

/// Whether all these programs are here; if not, the test is skipped.
pub(crate) fn needs(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().copied().filter(|program| find(program).is_none()).collect();
    if !missing.is_empty() {
        skip(&format!("there is no {} here; tests/run knows the packages", missing.join(", no ")));
    }
    missing.is_empty()
}

/// Daemons are often outside of a user's PATH. sshd insists on being started by its whole path.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(Into::into));
    directories.map(|directory| directory.join(Path::new(program))).find(|path| path.is_file())
}
