//! Lists the commands that connecting to an address would run, without running them.

use crate::{
    address::{Address, Hop},
    bootstrap::{self, Terms},
    connect::title::title,
    options::{ConnectOptions, Options},
    ways::{Shell, ssh, way},
};

/// Placeholder for a socket's path: the real one is created when it is needed.
const SOCKET: &str = "SOCKET";
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
/// assert_eq!(steps[2].hop.as_deref(), Some("web1"));
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
    let step = |argv: Vec<String>| Step {
        hop: place.clone(),
        argv,
    };
    match (address.last(), &place) {
        (Hop::Local, _) => vec![step(vec!["wxec-agent".into()])],
        (Hop::Ssh(ssh), None) => {
            let tool = options.tool_path("ssh");
            let master = [&tool, "-S", SOCKET].map(Into::into).into_iter();
            let session = [&tool, "-S", SOCKET, "--", &ssh.host, &shell.line].map(Into::into);
            vec![
                step(master.chain(ssh::master_arguments(ssh, options)).collect()),
                step(session.into()),
            ]
        }
        (hop, _) => {
            // Lossless: the words were made from strings.
            let text = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
            let way = way(hop, &shell, options, TOKEN).into_iter();
            way.map(|way| step(way.command.words.iter().map(|word| text(word)).collect()))
                .collect()
        }
    }
}
