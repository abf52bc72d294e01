//! What lists of processes on hosts show agents as.

use rustix::system::uname;

use crate::options::Options;

/// Enough for names people use; a list of processes is no place for more.
const MAX_NAME_BYTES: usize = 64;

/// `wxec:user@machine:pid`, so that whoever finds an agent knows whom to ask; or `wxec`, for the shy.
pub(crate) fn title(options: &Options) -> String {
    if options.mask_name {
        return "wxec".into();
    }
    let user = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok()).filter(|user| !user.is_empty());
    let user = user.unwrap_or_else(|| rustix::process::getuid().as_raw().to_string());
    let machine = uname().nodename().to_string_lossy().into_owned();
    format!("wxec:{}@{}:{}", plain(&user), plain(&machine), std::process::id())
}

/// Without what would mean something to a shell.
fn plain(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
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
        assert!(open.starts_with("wxec:") && open.ends_with(&format!(":{}", std::process::id())), "{open}");
        assert_eq!(title_of(&options.mask_name(true)), "wxec");
    }

    #[test]
    fn no_name_means_anything_to_a_shell() {
        assert_eq!(plain("joe $(id)'; rm"), "joe___id____rm");
        assert_eq!(plain(&"x".repeat(100)).len(), MAX_NAME_BYTES);
    }
}
