//! Compares the compiler's whole output for functions that cannot be tasks, and checks that it
//! accepts functions that can.
//!
//! After an intended change, `TRYBUILD=overwrite cargo test -p wxec --test ui` writes the `.stderr`
//! files anew.

#[test]
fn complaints() {
    trybuild::TestCases::new().compile_fail("tests/ui/refused/*.rs");
}

#[test]
fn accepted_signatures() {
    trybuild::TestCases::new().pass("tests/ui/accepted.rs");
}
