//! Output of guests and of programs on hosts, as it arrives.

use std::{borrow::Cow, sync::Arc};

use wxec::output::{GuestOutput, OutputHandler};

use crate::{
    base::verbosity::Verbosity,
    terminal::{
        stderr::{say_bytes, say_tagged},
        stdout::{print_raw_line, print_tagged},
    },
};

/// Returns a handler that shows guests' output and logs on stderr, after the host's name if there
/// are several hosts.
pub(crate) fn guest_output(several: bool, verbosity: Verbosity) -> OutputHandler {
    Arc::new(move |host, output| {
        let say = |line: &[u8]| {
            if several {
                say_tagged(host, line)
            } else {
                say_bytes(line)
            }
        };
        match output {
            GuestOutput::Stdout(_) | GuestOutput::Stderr(_) => say(&without_end(output)),
            GuestOutput::Log(record) if record.level <= verbosity.log_level() => {
                record
                    .to_string()
                    .lines()
                    .for_each(|line| say(line.as_bytes()));
            }
            GuestOutput::Held => say(HELD),
            _ => {}
        }
    })
}

/// Returns a handler that prints programs' stdout on stdout and everything else on stderr, after
/// the host's name if there are several hosts.
pub(crate) fn program_output(several: bool, verbosity: Verbosity) -> OutputHandler {
    let others = guest_output(several, verbosity);
    Arc::new(move |host, output| match output {
        GuestOutput::Stdout(_) if several => print_tagged(host, &without_end(output)),
        GuestOutput::Stdout(_) => print_raw_line(&without_end(output)),
        other => others(host, other),
    })
}

/// Warning that output may be missing.
const HELD: &[u8] = b"warning: what the program left running holds its output, and the rest of that is missing here; \
    add --wait-output to wait for it";

/// Mark behind a part of a line that is too long to be kept until its end.
const CUT: &[u8] = b" (wxec: the line goes on)";

/// Returns a line without its end, or a part of a line with the mark.
fn without_end(output: GuestOutput<'_>) -> Cow<'_, [u8]> {
    let (GuestOutput::Stdout(line) | GuestOutput::Stderr(line)) = output else {
        return Cow::default();
    };
    if output.is_cut() {
        [line, CUT].concat().into()
    } else {
        line.strip_suffix(b"\n").unwrap_or(line).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_line_is_marked() {
        let long = vec![b'x'; wxec::output::MAX_LINE_BYTES];
        assert!(without_end(GuestOutput::Stdout(&long)).ends_with(CUT));
        assert_eq!(*without_end(GuestOutput::Stdout(b"a\n")), *b"a");
        assert_eq!(*without_end(GuestOutput::Stderr(b"a")), *b"a");
    }
}
