//! What the compiler says about functions that cannot be tasks, compared whole, and that it accepts those that can.
//!
//! After an intended change, `TRYBUILD=overwrite cargo test -p wxec --test ui` writes the `.stderr` files anew.

#[test]
fn complaints() {
    trybuild::TestCases::new().compile_fail("tests/ui/refused/*.rs");
}

#[test]
fn accepted_signatures() {
    trybuild::TestCases::new().pass("tests/ui/accepted.rs");
}
