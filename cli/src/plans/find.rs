//! Finds the plan that a command names.

use wxec::{
    Module,
    module::{Function, Plan},
};

use wxec_plan::CLEAN_MODE;

use crate::{module::functions::find_function, output::command_error::CommandError};

/// Returns the function `name` of the module, if it is a plan.
pub(crate) fn find_plan<'a>(
    module: &'a Module,
    name: &str,
) -> Result<(&'a Function, &'a Plan), CommandError> {
    let function = find_function(module, name)?;
    let found = function.and_then(|function| Some((function, function.plan.as_ref()?)));
    found.ok_or_else(|| {
        let message = format!("{}::{name} is a function, and no plan", module.name());
        CommandError::usage(message).hint("`wxec plan list MODULE` shows the plans of a module")
    })
}

/// Refuses a mode that the plan does not have. Every plan can be cleaned up, by its record.
pub(crate) fn check_mode(plan: &Plan, mode: &str) -> Result<(), CommandError> {
    if mode == CLEAN_MODE || plan.modes.iter().any(|known| known == mode || known == "*") {
        return Ok(());
    }
    let message = format!("the plan has no mode `{}`", mode.escape_debug());
    Err(CommandError::usage(message).hint(format!(
        "it has {}, and {CLEAN_MODE}",
        plan.modes.join(", ")
    )))
}

/// Returns the last part of a function's path: the name of a plan, by which settings know it.
pub(crate) fn last_part(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}
