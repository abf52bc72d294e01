use std::{
    io::Write,
    process::{Command, Stdio},
};

/// Runs `tests/summary` on the output of `cargo test` and the reports of skipped tests.
fn summary(output: &str, skips: &str) -> String {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(skips.as_bytes()).unwrap();
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/summary"));
    let mut summary = command
        .arg(file.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    summary
        .stdin
        .take()
        .unwrap()
        .write_all(output.as_bytes())
        .unwrap();
    let output = summary.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn all_that_went_well_is_counted() {
    let output = "    Finished `test` profile [unoptimized + debuginfo] target(s) in 2.07s
     Running unittests src/lib.rs (target/debug/deps/words-98e52fb7a2e30490)

running 2 tests
test counts ... ok
test sorts ... ok

test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

     Running tests/fine.rs (target/debug/deps/fine-020b1da08cabfa11)

running 2 tests
test alone ... ignored, run by another test
test good ... ok

test result: ok. 11 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

   Doc-tests words

running 0 tests

test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

";
    assert_eq!(summary(output, ""), "tests: 13 passed, 0 failed\n");
}

#[test]
fn skipped_tests_are_named_once_with_their_reason() {
    let skips = "skipped: ssh::b: there is no sshd here: install it
skipped: ssh::a: there is no sshd here: install it
skipped: ssh::b: there is no sshd here: install it
skipped: ssh::b: only `local:` was tried
";
    let expected = "skipped: ssh::a: there is no sshd here: install it
skipped: ssh::b: only `local:` was tried
skipped: ssh::b: there is no sshd here: install it
tests: 0 passed, 0 failed, 2 skipped (they count as passed)
";
    let output = "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
    assert_eq!(summary(output, skips), expected);
}

#[test]
fn wishes_of_tests_are_shown_but_not_counted() {
    let notice = "notice: baseline::a: warm-round-trips is 1, less than its baseline of 2\n";
    let output = "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
    assert_eq!(
        summary(output, notice),
        format!("{notice}tests: 1 passed, 0 failed\n")
    );
}

#[test]
fn each_failure_is_named_with_the_way_to_run_it_again() {
    let output = "     Running unittests src/lib.rs (target/debug/deps/crate_a-98e52fb7a2e30490)

running 3 tests
test deep::also ... FAILED
test fails ... FAILED
test passes ... ok

failures:

---- deep::also stdout ----

thread 'deep::also' (6238) panicked at a/src/lib.rs:8:32:
explicit panic

---- fails stdout ----
failures:
    not::this

test result: FAILED. 100 passed; 3 failed; what a test prints is not what became of it

failures:
    deep::also
    fails

test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.33s

error: test failed, to rerun pass `-p crate-a --lib`
     Running unittests src/lib.rs (target/debug/deps/crate_b-9d23e44cc141d73c)

running 1 test
test good ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

   Doc-tests crate_a

running 1 test
test a/src/lib.rs - f (line 1) ... FAILED

failures:

---- a/src/lib.rs - f (line 1) stdout ----
Test executable failed (exit status: 101).

failures:
    a/src/lib.rs - f (line 1)

test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.29s

all doctests ran in 1.17s; merged doctests compilation took 0.87s
error: doctest failed, to rerun pass `-p crate-a --doc`
error: 2 targets failed:
    `-p crate-a --lib`
    `-p crate-a --doc`
";
    let expected = "failed: -p crate-a --lib: deep::also
failed: -p crate-a --lib: fails
failed: -p crate-a --doc: a/src/lib.rs - f (line 1)
tests: 2 passed, 3 failed
";
    assert_eq!(summary(output, ""), expected);
}

#[test]
fn a_program_that_dies_counts_as_failed_and_hides_none_after_it() {
    let output = "     Running tests/dies.rs (target/debug/deps/dies-4edf8f704c2eaf02)

running 2 tests
error: test failed, to rerun pass `-p crate-a --test dies`

Caused by:
  process didn't exit successfully: `target/debug/deps/dies-4edf8f704c2eaf02` (signal: 6, SIGABRT: process abort signal)
     Running tests/exits.rs (target/debug/deps/exits-0b6c06dc50824148)

running 1 test
error: test failed, to rerun pass `-p crate-b --test exits`

Caused by:
  process didn't exit successfully: `target/debug/deps/exits-0b6c06dc50824148` (exit status: 3)
note: test exited abnormally; to see the full output pass --no-capture to the harness.
     Running tests/silent.rs (target/debug/deps/silent-0b6c06dc50824148)
error: test failed, to rerun pass `-p crate-b --test silent`
     Running tests/fine.rs (target/debug/deps/fine-020b1da08cabfa11)

running 1 test
test good ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

error: 3 targets failed:
    `-p crate-a --test dies`
    `-p crate-b --test exits`
    `-p crate-b --test silent`
";
    let ended = "the program ended without a result";
    let expected = format!(
        "failed: -p crate-a --test dies: {ended}: signal: 6, SIGABRT: process abort signal
failed: -p crate-b --test exits: {ended}: exit status: 3
failed: -p crate-b --test silent: the program failed and named no test
tests: 1 passed, 3 failed
"
    );
    assert_eq!(summary(output, ""), expected);
}

#[test]
fn what_does_not_compile_counts_as_failed() {
    let output = "   Compiling crate-b v0.1.0 (/somewhere/b)
error[E0308]: mismatched types
 --> b/src/lib.rs:2:14
error: could not compile `crate-b` (lib test) due to 1 previous error
warning: build failed, waiting for other jobs to finish...
error: could not compile `crate-b` (test \"fine\") due to 2 previous errors; 1 warning emitted
";
    let expected = "failed: crate-b (lib test): does not compile
failed: crate-b (test \"fine\"): does not compile
tests: 0 passed, 2 failed
";
    assert_eq!(summary(output, ""), expected);
}
