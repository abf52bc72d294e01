//! Facts about hosts, which a module that wxec ships collects.

use std::time::Duration;

use tokio::sync::OnceCell;
use wxec_protocol::Facts;

use crate::{
    base::{operation::Operation, runtime},
    call::{CallTarget, TaskCall},
    error::{CallError, CallErrorKind, ModuleError},
    host::Host,
    module::Module,
};

/// Timeout. A host only reads some files to answer; one that takes this long hangs.
const FACTS_WITHIN: Duration = Duration::from_secs(60);

/// Name of the module, and of the function in it.
const NAME: &str = "facts";

impl Host {
    /// Returns facts about this host: its names, system, processors, memory and addresses. Connects
    /// if need be.
    ///
    /// ```no_run
    /// # use wxec_controller::__docs as wxec;
    /// use wxec::Host;
    ///
    /// let facts = Host::new("web1")?.facts().wait()?;
    /// println!("{} has {} processors", facts.hostname, facts.cpus);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn facts(&self) -> Operation<Result<Facts, CallError>> {
        let host = self.clone();
        Operation::new(async move {
            let failed = |error| CallError::new(host.shared_name(), CallErrorKind::from(error));
            let module = facts_module().await.map_err(failed)?;
            host.call(facts_call(&module)).timeout(FACTS_WITHIN).await
        })
    }
}

fn facts_call(module: &Module) -> TaskCall<Facts, std::convert::Infallible> {
    let no_arguments: [(); 0] = [];
    TaskCall::by_name(module, NAME, &no_arguments)
}

/// Returns the module, which is found or built once for this program.
async fn facts_module() -> Result<Module, ModuleError> {
    static MODULE: OnceCell<Module> = OnceCell::const_new();
    MODULE
        .get_or_try_init(|| runtime::blocking(|| Module::shipped(NAME)))
        .await
        .cloned()
}
