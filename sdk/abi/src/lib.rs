//! Test vectors of the guest ABI, and the runner that compares a module with them.
//!
//! The vectors are data, in `vectors.json`: calls of a module that each SDK has the source of, and
//! what each call has to do. `README.md` beside that file describes the ABI and how the vectors
//! read. `wxec inspect --conformance` prints what this crate finds.
//!
//! ```no_run
//! use wxec::{Host, Module};
//! use wxec_conformance::{Vectors, run};
//!
//! let report = run(&Host::new("local:")?, &Module::from_file("conformance.wasm")?, Vectors::bundled())?;
//! for tested in &report.tested {
//!     println!("{} {}: {}", tested.group, tested.name, tested.verdict);
//! }
//! assert!(report.conforms());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

// From the bottom up: a module uses only those above it in this list.
/// Values, as JSON and as hexadecimal digits.
mod notation;
/// The file of vectors.
mod vectors;
/// What a call did.
mod observed;
/// A directory on the host for the files of vectors.
mod scratch;
/// Differences between what a call did and what it had to do.
mod compare;
/// Calls as vectors describe them.
mod call;
/// All vectors, one after the other.
mod run;

pub use compare::Difference;
pub use notation::NotationError;
pub use run::{Report, Run, RunError, Tested, Verdict, run};
pub use vectors::{
    Denied, Failure, Granted, Group, LimitName, Limited, Logged, Outcome, Parameter, Signature,
    Vector, Vectors,
};
