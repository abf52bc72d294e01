//! Facts read from files, most of them under `/etc`.

use std::{fs::File, io::Read};

use wxec_protocol::Distro;

/// Most bytes that are read of a file. Such a file is a page long; `/etc/hosts` and `/etc/passwd`
/// may have many lines.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Files that systemd's specification names, in this order.
const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

pub(crate) fn distro() -> Option<Distro> {
    OS_RELEASE
        .into_iter()
        .find_map(read)
        .map(|text| parse_os_release(&text))
}

/// Returns the whole name of a host, as far as it is known without asking the network.
pub(crate) fn fqdn(hostname: &str) -> Option<String> {
    if hostname.contains('.') {
        Some(hostname.into())
    } else {
        find_fqdn(&read("/etc/hosts")?, hostname)
    }
}

pub(crate) fn user(uid: u32) -> Option<String> {
    find_user(&read("/etc/passwd")?, uid)
}

fn read(path: &str) -> Option<String> {
    let mut text = Vec::new();
    File::open(path)
        .ok()?
        .take(MAX_FILE_BYTES)
        .read_to_end(&mut text)
        .ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

fn parse_os_release(text: &str) -> Distro {
    let value = |key: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        let value = lines
            .rfind(|(name, _)| name.trim() == key)
            .map(|(_, value)| unquoted(value.trim()));
        value.unwrap_or_default()
    };
    let (id, name) = (value("ID"), value("NAME"));
    Distro::new(
        if id.is_empty() { "linux".into() } else { id },
        name,
        value("VERSION_ID"),
    )
}

/// Returns the value of a shell's assignment: in quotes or not, with backslashes before characters
/// that would end it.
fn unquoted(value: &str) -> String {
    let quote = value.chars().next().filter(|first| "\"'".contains(*first));
    let inner = quote
        .and_then(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value);
    let mut text = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        text.extend(if c == '\\' && quote != Some('\'') {
            chars.next()
        } else {
            Some(c)
        });
    }
    text
}

/// Finds the whole name as `hostname -f` does without a name server: the first name of the line
/// that has `hostname`.
fn find_fqdn(hosts: &str, hostname: &str) -> Option<String> {
    let lines = hosts
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    let mut lines = lines.map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>());
    let names = lines.find(|names| names.contains(&hostname))?;
    names
        .first()
        .filter(|name| name.contains('.'))
        .map(ToString::to_string)
}

fn find_user(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_is_what_a_shell_would_read() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"13\"\nID=debian\n";
        assert_eq!(
            parse_os_release(debian),
            Distro::new("debian", "Debian GNU/Linux", "13")
        );
        let odd =
            "# a comment\nID='odd'\nNAME=\"The \\\"Odd\\\" One\"\nVERSION_ID=1\nVERSION_ID=2\n";
        assert_eq!(
            parse_os_release(odd),
            Distro::new("odd", r#"The "Odd" One"#, "2")
        );
        assert_eq!(parse_os_release("nonsense"), Distro::new("linux", "", ""));
    }

    #[test]
    fn the_whole_name_is_the_first_of_its_line() {
        let hosts = "127.0.0.1 localhost\n10.0.0.5\tdb1.example.org db1 # the first\n10.0.0.6 db2 db2.example.org\n";
        assert_eq!(find_fqdn(hosts, "db1").as_deref(), Some("db1.example.org"));
        assert_eq!(find_fqdn(hosts, "db2"), None);
        assert_eq!(find_fqdn(hosts, "first"), None);
        assert_eq!(fqdn("db3.example.org").as_deref(), Some("db3.example.org"));
    }

    #[test]
    fn accounts_are_found_by_number() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\n\nbroken\napp:x:1000:1000::/srv/app:/bin/false\n";
        assert_eq!(find_user(passwd, 1000).as_deref(), Some("app"));
        assert_eq!(find_user(passwd, 1), None);
    }
}
