//! A locale in which programs do not speak English.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use super::skip::{find, skip};

/// Returns a directory with the locale `zh_CN.UTF-8`, to be mounted where glibc looks for locales:
/// a program that runs as another user does not look elsewhere. Making the directory takes two
/// seconds, so it is kept with cargo's build output.
pub(super) fn chinese_locale() -> Option<PathBuf> {
    static LOCALE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match LOCALE.get_or_init(make) {
        Ok(path) => Some(path.clone()),
        Err(reason) => {
            skip(reason);
            None
        }
    }
}

fn make() -> Result<PathBuf, String> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = directory.join("locales");
    if path.is_dir() {
        return Ok(path);
    }
    if find("localedef").is_none() || !Path::new("/usr/share/i18n/locales/zh_CN").exists() {
        return Err("there are no sources of locales here; install locales".into());
    }
    // Other processes may make the locale at the same time.
    let made = tempfile::Builder::new()
        .prefix("locales-")
        .tempdir_in(directory)
        .expect("it is cargo's");
    let locale = made.path().join("zh_CN.utf8");
    let output = Command::new("localedef")
        .args(["--no-archive", "-i", "zh_CN", "-f", "UTF-8"])
        .arg(&locale)
        .output();
    let output = output.map_err(|error| error.to_string())?;
    if !locale.join("LC_MESSAGES").exists() {
        return Err(format!(
            "localedef: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    fs::set_permissions(
        made.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .expect("it is ours");
    match fs::rename(made.path(), &path) {
        Err(_) if !path.is_dir() => Err("the locale cannot be kept".into()),
        _ => Ok(path),
    }
}
