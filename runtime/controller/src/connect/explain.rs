//! Lists the commands that connecting to an address would run, without running them.

use serde_bytes::ByteBuf;

use crate::{
    address::{Address, Hop},
    bootstrap::{self, Terms},
    connect::title::title,
    options::{ConnectOptions, Options},
    ways::{Shell, Way, ssh, way},
};

/// Placeholder for the bootstrap's random token.
const TOKEN: &str = "TOKEN";

/// One command line on the way to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// The hop where it runs; `None` for this machine.
    pub hop: Option<String>,
    /// Program and arguments.
    pub argv: Vec<String>,
}

/// Returns the command lines that reach `address` with `options`, in the order they would run. The
/// command that makes the far end's shell start the agent is a long line; `script`, if given,
/// stands in its place.
///
/// ```
/// # use wxec_controller::__docs as wxec;
/// use wxec::host::{ConnectOptions, explain};
///
/// let steps = explain(&"ssh:web1/sudo:app".parse()?, &ConnectOptions::new(), Some("SCRIPT"));
/// assert_eq!(steps[0].argv[0], "ssh");
/// assert_eq!(steps[1].hop.as_deref(), Some("web1"));
/// # Ok::<(), wxec::address::AddressError>(())
/// ```
pub fn explain(address: &Address, options: &ConnectOptions, script: Option<&str>) -> Vec<Step> {
    let parents = std::iter::successors(Some(address.clone()), Address::parent);
    let mut steps: Vec<_> = parents
        .flat_map(|address| {
            explain_hop(&address, options.get(), script)
                .into_iter()
                .rev()
        })
        .collect();
    steps.reverse();
    steps
}

fn explain_hop(address: &Address, options: &Options, script: Option<&str>) -> Vec<Step> {
    let place = address.parent().map(|parent| parent.name());
    let shell = match script {
        Some(script) => Shell {
            argv: ["sh", "-c", script].map(Into::into).into(),
            line: format!("exec sh -c {script}"),
        },
        None => bootstrap::shell(&Terms {
            token: TOKEN,
            title: &title(options),
            images: "-",
        }),
    };
    // Lossless: the words were made from strings.
    let text = |word: &ByteBuf| String::from_utf8_lossy(word).into_owned();
    let step = |way: Way| Step {
        hop: place.clone(),
        argv: way.command.words.iter().map(text).collect(),
    };
    match (address.last(), &place) {
        (Hop::Local, _) => vec![step(Way::new(["wxec-agent".into()]))],
        (Hop::Ssh(address), None) => vec![step(ssh::way_from_here(address, &shell, options))],
        (hop, _) => way(hop, &shell, options, TOKEN)
            .into_iter()
            .map(step)
            .collect(),
    }
}
