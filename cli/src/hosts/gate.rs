//! The gate between two batches: a function that is called on the hosts that are done.

use std::sync::Arc;

use wxec::{CallOptions, Fleet, Host, Module, call::Value, fleet::FLEET_TIMEOUT};

use crate::{
    args::{call_arguments::CallArguments, module_name::split_function, rollout_args::RolloutArgs},
    base::{shell_words, verbosity::Verbosity},
    module::{functions::find_function, load::load},
    output::command_error::CommandError,
};

/// A function to call, with its arguments.
pub(crate) struct Gate(Arc<Call>);

struct Call {
    module: Module,
    function: String,
    input: Value,
    options: CallOptions,
}

/// Returns the gate that `--gate` describes, if it was given.
pub(crate) fn of(args: &RolloutArgs, verbosity: Verbosity) -> Result<Option<Gate>, CommandError> {
    let Some(line) = &args.gate else {
        return Ok(None);
    };
    let word = |word: shell_words::Word| String::from_utf8_lossy(&word.text).into_owned();
    let mut words = shell_words::words(line.as_bytes()).into_iter().map(word);
    let function = words.next().unwrap_or_default();
    let (source, name) = split_function(&function)?;
    let module = load(&source, &Default::default(), verbosity)?;
    let declared = find_function(&module, name)?;
    let input = CallArguments::Words(words.collect()).into_value(declared)?;
    let mut options = CallOptions::new().timeout(FLEET_TIMEOUT);
    if let Some(declared) = declared.filter(|_| args.gate_allow_declared) {
        options = options.grant(declared.wants.grants());
    }
    let function = declared.map_or(name, |function| &function.path).to_owned();
    Ok(Some(Gate(Arc::new(Call {
        module,
        function,
        input,
        options,
    }))))
}

impl Gate {
    /// Calls the function on `hosts`. Fails at the first that fails or returns false.
    pub(crate) fn ask(
        &self,
        hosts: &[Host],
    ) -> impl Future<Output = Result<(), String>> + Send + use<> {
        let (fleet, call) = (hosts.iter().cloned().collect::<Fleet>(), self.0.clone());
        async move {
            let mut run = fleet.each(move |host| {
                let bound = host.bind(&call.module);
                bound
                    .call::<Value>(&call.function, &call.input)
                    .options(call.options.clone())
            });
            while let Some(outcome) = run.next_outcome().await {
                match outcome.result {
                    Ok(Value::Bool(false)) => {
                        return Err(format!("it returned false on {}", outcome.host));
                    }
                    Ok(_) => {}
                    Err(error) => return Err(error.to_string()),
                }
            }
            Ok(())
        }
    }
}
