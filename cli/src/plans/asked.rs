//! Questions to the module of a plan about the plan's config. They are calls in a sandbox of this
//! machine, without grants.

use std::time::Duration;

use serde::de::DeserializeOwned;
use wxec::{
    CallErrorKind, CallOptions, Host, Module,
    call::{Bound, Value},
    cbor::Readable,
    module::Function,
};
use wxec_plan::config::Schema;

use crate::{output::command_error::CommandError, terminal::interrupt};

/// Time limit for an answer: most of it is for compiling a module that is new here.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

/// A plan that can be asked about its config.
pub(crate) struct Asked {
    bound: Bound,
    /// The function that answers.
    function: String,
    /// The plan, for errors.
    plan: String,
}

impl Asked {
    /// Returns `None` for a plan of a language that cannot answer.
    pub(crate) fn of(module: &Module, plan: &Function) -> Result<Option<Self>, CommandError> {
        let Some(function) = module.config_function(&plan.path) else {
            return Ok(None);
        };
        Ok(Some(Self {
            bound: Host::new("local:")?.bind(module),
            function: function.to_owned(),
            plan: plan.path.clone(),
        }))
    }

    /// Returns what the plan's config has to be like.
    pub(crate) fn schema(&self) -> Result<Schema, CommandError> {
        self.answer(&Readable([(); 0]))?
            .map_err(|reason| self.failed(&reason))
    }

    /// Returns the config in an order as the plan will see it, or the reason why it refuses it.
    pub(crate) fn settled(&self, order: &Value) -> Result<Result<Value, String>, CommandError> {
        self.answer(order)
    }

    fn answer<T: DeserializeOwned + Send + 'static>(
        &self,
        arguments: &impl serde::Serialize,
    ) -> Result<Result<T, String>, CommandError> {
        let options = CallOptions::new().timeout(ANSWERED_WITHIN);
        let call = self.bound.call(&self.function, arguments).options(options);
        match interrupt::block_on(call)? {
            Ok(answer) => Ok(Ok(answer)),
            Err(error) => match error.kind {
                CallErrorKind::BadArguments(reason) => Ok(Err(reason)),
                kind => Err(self.failed(&kind.to_string())),
            },
        }
    }

    fn failed(&self, reason: &str) -> CommandError {
        let message = format!("cannot ask {} what its settings are: {reason}", self.plan);
        CommandError::usage(message)
    }
}
