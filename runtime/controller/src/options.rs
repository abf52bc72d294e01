//! Options for reaching hosts, beyond their addresses.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::PathBuf,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use zeroize::Zeroizing;

use crate::base::sync::lock;

/// Time limit for reaching one hop and starting the agent there. Building an agent does not count.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// Size limit for passwords. PAM itself stops at 512 bytes, so a longer text is not a password.
const MAX_PASSWORD_BYTES: usize = 1024;

/// Options for reaching hosts, beyond their addresses. Hosts with the same options (clones of one
/// value) share the hops that their addresses have in common.
///
/// ```
/// # use wxec_controller::__docs as wxec;
/// use wxec::{Host, host::{ConnectOptions, Password}};
///
/// let options = ConnectOptions::new().become_password(Password::from_env("APP_PASSWORD")).tool("docker", "/opt/docker");
/// let host = Host::new("web1/sudo:app")?.with_options(&options);
/// # Ok::<(), wxec::address::AddressError>(())
/// ```
#[derive(Clone, Default)]
pub struct ConnectOptions(Arc<Options>);

#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) become_password: Option<Password>,
    pub(crate) cache_agent: bool,
    pub(crate) mask_name: bool,
    pub(crate) ask_on_terminal: bool,
    pub(crate) timeout: Duration,
    pub(crate) ssh_config: Option<PathBuf>,
    pub(crate) ssh_options: Vec<String>,
    tools: BTreeMap<String, String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            become_password: None,
            cache_agent: false,
            mask_name: false,
            ask_on_terminal: false,
            timeout: CONNECT_WITHIN,
            ssh_config: None,
            ssh_options: Vec::new(),
            tools: BTreeMap::new(),
        }
    }
}

impl Options {
    /// Returns the path to run for the tool `name`.
    pub(crate) fn tool_path(&self, name: &str) -> String {
        self.tools.get(name).map_or(name, String::as_str).to_owned()
    }
}

/// Variables of this process that hold passwords. Programs that are started here do not get them.
static SECRETS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Calls `each` with the name of each variable to keep from programs.
#[doc(hidden)]
pub fn secret_variables(each: impl FnMut(&str)) {
    lock(&SECRETS).iter().map(String::as_str).for_each(each);
}

static USUAL: LazyLock<ConnectOptions> = LazyLock::new(ConnectOptions::default);

impl ConnectOptions {
    /// Creates the default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the one value that is shared by all hosts without options of their own.
    pub(crate) fn usual() -> Self {
        USUAL.clone()
    }

    /// Sets the password that `sudo`, `su` and `doas` get when they ask. Without a password they
    /// fail if they need one.
    #[must_use]
    pub fn become_password(self, password: Password) -> Self {
        self.with(|options| options.become_password = Some(password))
    }

    /// Keeps the agent's image in the account's cache directory on the host, under its digest, so
    /// that the next connection need not send it. It is verified before each use. Off by default:
    /// nothing is left on hosts.
    #[must_use]
    pub fn cache_agent(self, keep: bool) -> Self {
        self.with(|options| options.cache_agent = keep)
    }

    /// Shows agents in process lists as `wxec` only, without this account, machine and process.
    #[must_use]
    pub fn mask_name(self, mask: bool) -> Self {
        self.with(|options| options.mask_name = mask)
    }

    /// Lets ssh ask for passwords and codes on this program's terminal. Off by default, since many
    /// programs run unattended. An askpass program named by `SSH_ASKPASS` is used in any case.
    #[must_use]
    pub fn ask_on_terminal(self, ask: bool) -> Self {
        self.with(|options| options.ask_on_terminal = ask)
    }

    /// Limits the time for reaching each hop and starting its agent, questions to the user
    /// included. 30 s by default.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|options| options.timeout = timeout)
    }

    /// Runs `path` in place of the tool `name`: `ssh`, `sudo`, `su`, `doas`, `docker`, `podman`,
    /// `kubectl`, `nsenter`, `lxc-attach` or `systemd-run`, on whichever machine a hop starts from.
    #[must_use]
    pub fn tool(self, name: impl Into<String>, path: impl Into<String>) -> Self {
        self.with(|options| _ = options.tools.insert(name.into(), path.into()))
    }

    /// Sets the configuration file of the ssh client on this machine, in place of `WXEC_SSH_CONFIG`
    /// and the user's own. It applies to the first hop, if that is `ssh:`. Later hops use the
    /// configuration of the hosts they start from.
    #[must_use]
    pub fn ssh_config(self, path: impl Into<PathBuf>) -> Self {
        self.with(|options| options.ssh_config = Some(path.into()))
    }

    /// Adds an option for the same ssh client, as its `-o` takes it: `IdentityFile=/home/me/key`,
    /// `ProxyJump=bastion`. The option takes precedence over the configuration.
    #[must_use]
    pub fn ssh_option(self, option: impl Into<String>) -> Self {
        self.with(|options| options.ssh_options.push(option.into()))
    }

    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    pub(crate) fn get(&self) -> &Options {
        &self.0
    }

    /// Returns these options for hosts that a guest asks for: without password and questions,
    /// because a guest must neither have passwords typed nor have the user asked.
    pub(crate) fn for_guests(&self) -> Self {
        self.clone().with(|options| {
            options.become_password = None;
            options.ask_on_terminal = false;
        })
    }

    /// Returns a number that tells values apart: only clones of one value have the same.
    pub(crate) fn identity(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("cache_agent", &self.0.cache_agent)
            .field("mask_name", &self.0.mask_name)
            .field("timeout", &self.0.timeout)
            .field("ssh_config", &self.0.ssh_config)
            .field("ssh_options", &self.0.ssh_options)
            .field("tools", &self.0.tools)
            .finish_non_exhaustive()
    }
}

/// Source of an account's password, read when a program on the way asks. Copies made here for
/// typing are wiped; the buffers of pipes that carry the password are not.
#[derive(Clone)]
pub struct Password(Arc<Source>);

type Source = dyn Fn(&str) -> io::Result<Zeroizing<String>> + Send + Sync;

impl Password {
    /// Uses this password.
    pub fn new(password: impl Into<String>) -> Self {
        let password = Zeroizing::new(password.into());
        Self(Arc::new(move |_| Ok(password.clone())))
    }

    /// Reads the password from an environment variable of this process. Programs that wxec starts
    /// here do not get that variable.
    pub fn from_env(name: impl Into<String>) -> Self {
        let name = name.into();
        lock(&SECRETS).insert(name.clone());
        Self(Arc::new(move |_| match std::env::var(&name) {
            Ok(password) => Ok(Zeroizing::new(password)),
            Err(error) => Err(io::Error::other(format!(
                "the environment variable {name}: {error}"
            ))),
        }))
    }

    /// Reads the password from the first line of a file.
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self(Arc::new(move |_| {
            let text = std::fs::read_to_string(&path).map(Zeroizing::new);
            let text =
                text.map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
            Ok(Zeroizing::new(
                text.lines().next().unwrap_or_default().to_owned(),
            ))
        }))
    }

    /// Gets the password from `ask`, which is called with the address of the account.
    pub fn ask(ask: impl Fn(&str) -> io::Result<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |address| ask(address).map(Zeroizing::new)))
    }

    /// Returns the password for an address, as a line to be typed.
    pub(crate) fn line(&self, address: &str) -> io::Result<Zeroizing<String>> {
        let mut line = (self.0)(address)?;
        if line.len() > MAX_PASSWORD_BYTES || line.contains(['\n', '\r', '\0']) {
            return Err(io::Error::other(
                "it is no password: too long, or more than one line",
            ));
        }
        // Reserve the whole line: a string that grows leaves an unwiped copy behind.
        let mut typed = Zeroizing::new(String::with_capacity(line.len() + 1));
        typed.push_str(&line);
        typed.push('\n');
        line.clear();
        Ok(typed)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_lines_and_never_shown() {
        let password = Password::new("correct horse");
        assert_eq!(&*password.line("sudo:").unwrap().clone(), "correct horse\n");
        assert!(
            !format!(
                "{password:?} {:?}",
                ConnectOptions::new().become_password(password.clone())
            )
            .contains("horse")
        );
        assert!(Password::new("two\nlines").line("sudo:").is_err());
        assert!(
            Password::from_env("WXEC_NO_SUCH_VARIABLE")
                .line("sudo:")
                .is_err()
        );
        let asked = Password::ask(|address| Ok(format!("for {address}")));
        assert_eq!(&*asked.line("a/su:b").unwrap().clone(), "for a/su:b\n");
    }

    #[test]
    fn guests_have_no_passwords_typed() {
        let options = ConnectOptions::new()
            .become_password(Password::new("x"))
            .ask_on_terminal(true)
            .mask_name(true);
        let for_guests = options.for_guests();
        assert!(for_guests.get().become_password.is_none() && !for_guests.get().ask_on_terminal);
        assert!(for_guests.get().mask_name && options.get().become_password.is_some());
    }

    #[test]
    fn only_clones_are_the_same() {
        let options = ConnectOptions::new();
        assert_eq!(options.identity(), options.clone().identity());
        assert_ne!(
            options.identity(),
            options.clone().mask_name(true).identity()
        );
        assert_eq!(
            ConnectOptions::usual().identity(),
            ConnectOptions::usual().identity()
        );
    }
}
