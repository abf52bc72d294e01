//! Reports of tests that pass: those that cannot run on this machine, those that have a wish, and
//! those that have a result to show.

use std::{
    env,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    thread,
};

/// The variable that names a file for the reports; `tests/run` prints that file at the end.
const SKIPS_VARIABLE: &str = "WXEC_TEST_SKIPS";

/// Reports that the calling test cannot run on this machine. The test returns right after.
pub(crate) fn skip(reason: &str) {
    report("skipped", reason);
}

/// Reports something that calls for a change, but fails no test.
pub(super) fn notice(text: &str) {
    report("notice", text);
}

/// Reports a result that is worth a line of the summary.
pub(crate) fn tell(text: &str) {
    report("result", text);
}

fn report(kind: &str, text: &str) {
    let line = format!(
        "{kind}: {}: {text}\n",
        thread::current().name().unwrap_or("a test")
    );
    eprint!("{line}");
    if let Some(path) = env::var_os(SKIPS_VARIABLE) {
        let file = File::options().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes()))
            .expect("the file of reports can be written");
    }
}

/// Returns true if all these programs are installed; otherwise skips the test.
pub(crate) fn needs(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs
        .iter()
        .copied()
        .filter(|program| find(program).is_none())
        .collect();
    if !missing.is_empty() {
        skip(&format!(
            "there is no {} here; tests/run knows the packages",
            missing.join(", no ")
        ));
    }
    missing.is_empty()
}

/// Finds a program, also among daemons, whose directories are often missing from a user's PATH.
/// Returns the whole path, because sshd insists on being started by it.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories =
        env::split_paths(&path).chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(Into::into));
    directories
        .map(|directory| directory.join(Path::new(program)))
        .find(|path| path.is_file())
}
