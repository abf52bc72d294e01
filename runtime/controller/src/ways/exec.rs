//! `exec:`: any program whose stdin and stdout lead, unchanged, to a place that has `sh`.

use super::{Shell, Way};

/// Placeholder for the bootstrap as one line for a shell.
const LINE: &str = "{}";

/// Adds the words of the bootstrap as further arguments, as `chroot DIR` or `docker exec -i NAME`
/// expect them. If the program takes a line for a shell instead, as ssh does, `{}` marks the place
/// of that line.
pub(crate) fn way(argv: &[String], shell: &Shell) -> Way {
    let added = if argv.iter().any(|word| word == LINE) {
        &[][..]
    } else {
        &shell.argv
    };
    let argv = argv
        .iter()
        .map(|word| if word == LINE { &shell.line } else { word });
    let mut way = Way::new(argv.chain(added).cloned());
    // No `LC_ALL=C`: the meanings of its messages are not known anyway.
    way.command.env.clear();
    way
}
