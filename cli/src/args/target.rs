//! TARGET: the hosts that a command is for.

use std::path::Path;

use wxec::{
    Host,
    address::Address,
    inventory::{Connecting, Inventory, Selection, TargetError},
    output::OutputHandler,
};

use crate::{
    args::connect_args::ConnectArgs, output::command_error::CommandError, terminal::stderr::say,
};

/// Names that are warned about one by one: those of a range are much alike.
const MAX_WARNINGS: usize = 3;

/// Returns the hosts that `target` names, each once, with the options that the inventory has for
/// them and those of `connect`. The output of their guests goes to the handler that `output` makes;
/// its argument says whether there are several hosts.
pub(crate) fn hosts(
    target: &str,
    connect: &ConnectArgs,
    output: impl FnOnce(bool) -> OutputHandler,
) -> Result<Vec<Host>, CommandError> {
    hosts_in(&connect.inventory(target)?, target, connect, output)
}

/// Returns the same of an inventory that was read for `target`.
pub(crate) fn hosts_in(
    inventory: &Inventory,
    target: &str,
    connect: &ConnectArgs,
    output: impl FnOnce(bool) -> OutputHandler,
) -> Result<Vec<Host>, CommandError> {
    let selection = select(inventory, target)?;
    let hosts = selection.hosts().len();
    let options = connect.options(hosts)?;
    let output = output(hosts > 1);
    let fleet = selection.into_fleet(|own| connect.over(own, options.clone()));
    Ok(fleet
        .hosts()
        .iter()
        .map(|host| host.with_output(output.clone()))
        .collect())
}

/// Returns the address of the one host that `target` names, for a command that connects to nothing.
pub(crate) fn address(target: &str, connect: &ConnectArgs) -> Result<Address, CommandError> {
    only(target, select(&connect.inventory(target)?, target)?).map(|(address, _)| address)
}

/// Returns the address of the host that a tool names, and the inventory's options for it. The tool
/// may have the name from a stranger, and run in a directory that one has filled: an inventory has
/// to be named.
pub(crate) fn for_tool(
    target: &str,
    connect: &ConnectArgs,
) -> Result<(Address, Connecting), CommandError> {
    match connect.named_inventory()? {
        Some(inventory) => only(target, inventory.resolve(target)?),
        None if target.is_empty() => Err(TargetError::Missing.into()),
        None => Ok((target.parse()?, Connecting::default())),
    }
}

/// Returns the one host of a selection.
fn only(target: &str, selection: Selection) -> Result<(Address, Connecting), CommandError> {
    let all = selection.hosts().len();
    let mut hosts = selection.into_hosts();
    match (hosts.next(), all) {
        (Some((host, options)), 1) => Ok((host.address().clone(), options)),
        _ => Err(CommandError::usage(format!(
            "`{}` is {all} hosts, and this is for one",
            target.escape_debug()
        ))),
    }
}

fn select(inventory: &Inventory, target: &str) -> Result<Selection, CommandError> {
    let selection = inventory.resolve(target)?;
    tell_strangers(inventory, &selection);
    Ok(selection)
}

/// Warns about names that are probably typos. They may be names of ssh's configuration, which only
/// ssh knows.
pub(crate) fn tell_strangers(inventory: &Inventory, selection: &Selection) {
    let Some(file) = inventory.file().map(Path::display) else {
        return;
    };
    let typos = selection
        .strangers()
        .filter_map(|(name, similar)| Some((name, similar?)));
    for (name, similar) in typos.clone().take(MAX_WARNINGS) {
        say(&format!(
            "warning: `{name}` is not in {file}, and goes to ssh; did you mean `{similar}`?"
        ));
    }
    let more = typos.count().saturating_sub(MAX_WARNINGS);
    if more > 0 {
        say(&format!("warning: {more} more names are not in {file}"));
    }
}
