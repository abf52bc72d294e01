//! `exec:`: any program whose stdin and stdout lead, unchanged, to a place that has `sh`.

use super::{Shell, Way};

/// Stands for the bootstrap as one line for a shell.
const LINE: &str = "{}";

/// The words of the bootstrap are added as further arguments, as `chroot DIR` or `docker exec -i NAME` want them. A
/// program that takes a line for a shell instead, as ssh does, has `{}` where that belongs.
pub(crate) fn way(argv: &[String], shell: &Shell) -> Way {
    let added = if argv.iter().any(|word| word == LINE) { &[][..] } else { &shell.argv };
    let argv = argv.iter().map(|word| if word == LINE { &shell.line } else { word });
    let mut way = Way::new(argv.chain(added).cloned());
    // What its messages mean is not known anyway.
    way.command.env.clear();
    way
}
