//! Modules that describe themselves by a function, because their language cannot write custom
//! sections.

use std::time::Duration;

use wxec_protocol::abi::{self, RecordError};

use crate::{
    base::operation::Operation,
    call::Bound,
    error::{CallError, CallErrorKind, ModuleError},
    module::{DESCRIBE, Module},
};

/// Timeout. A module only has to write some kilobytes to answer; most of the time is for an
/// interpreter to start.
const DESCRIBED_WITHIN: Duration = Duration::from_secs(60);

/// Arguments of a function without parameters.
const NO_ARGUMENTS: &[u8] = b"\x80";

impl Bound {
    /// Returns the module with the descriptions that its own function `wx1__describe` writes, which
    /// is called on the host without grants. Returns the module as it is if it has descriptions, or
    /// no such function.
    ///
    /// Whoever builds a module calls this once, and keeps the [bytes](Module::bytes) of the result.
    pub fn describe(&self) -> Operation<Result<Module, CallError>> {
        let (bound, host) = (self.clone(), self.host.clone());
        Operation::new(async move {
            let module = &bound.module;
            if !module.functions().is_empty() || !module.describes_itself() {
                return Ok(module.clone());
            }
            let records = bound
                .call_encoded(DESCRIBE, NO_ARGUMENTS)
                .timeout(DESCRIBED_WITHIN)
                .await?;
            let failed =
                |error: ModuleError| CallError::new(host.shared_name(), CallErrorKind::from(error));
            if records.len() > abi::MAX_SECTION_BYTES {
                return Err(failed(ModuleError::Records {
                    name: module.name().to_owned(),
                    source: RecordError::TooLong(records.len()),
                }));
            }
            module.with_section(abi::SECTION, &records).map_err(failed)
        })
    }
}
