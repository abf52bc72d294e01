//! Compares the compiler's whole output for functions that cannot be plans.
//!
//! After an intended change, `TRYBUILD=overwrite cargo test -p wxec-plan --test ui` writes the
//! `.stderr` files anew.

#[test]
fn complaints() {
    trybuild::TestCases::new().compile_fail("tests/ui/refused/*.rs");
}
