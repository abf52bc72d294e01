//! Titles of agents in the process lists of hosts.

use rustix::system::uname;

use crate::options::Options;

/// Length limit for user and machine names: enough for real names, and short enough for a process
/// list.
const MAX_NAME_BYTES: usize = 64;

/// Returns `wxec:user@machine:pid`, which tells the finder of an agent whom to ask, or just `wxec`
/// with `mask_name`.
pub(crate) fn title(options: &Options) -> String {
    if options.mask_name {
        return "wxec".into();
    }
    let user = ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .filter(|user| !user.is_empty());
    let user = user.unwrap_or_else(|| rustix::process::getuid().as_raw().to_string());
    let machine = uname().nodename().to_string_lossy().into_owned();
    format!(
        "wxec:{}@{}:{}",
        plain(&user),
        plain(&machine),
        std::process::id()
    )
}

/// Replaces characters that could mean something to a shell, and cuts long names.
fn plain(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '_'
        }
    };
    name.chars().map(plain).take(MAX_NAME_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::ConnectOptions;

    #[test]
    fn a_title_says_who_unless_it_is_masked() {
        let title_of = |options: &ConnectOptions| title(options.get());
        let options = ConnectOptions::new();
        let open = title_of(&options);
        assert!(
            open.starts_with("wxec:") && open.ends_with(&format!(":{}", std::process::id())),
            "{open}"
        );
        assert_eq!(title_of(&options.mask_name(true)), "wxec");
    }

    #[test]
    fn no_name_means_anything_to_a_shell() {
        assert_eq!(plain("joe $(id)'; rm"), "joe___id____rm");
        assert_eq!(plain(&"x".repeat(100)).len(), MAX_NAME_BYTES);
    }
}
