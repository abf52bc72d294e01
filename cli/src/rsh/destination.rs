//! Finds the address. Tools split `HOST:PATH` at the first `:`, and allow no `/` before it: of
//! `ssh:bastion/sudo:app:dst/` they give `ssh` as the host and the rest as a path. So if the host
//! is a bare scheme, this module reassembles the address from the paths in the command, and removes
//! it from them. If the command has no such path, the user has to write the address in brackets,
//! with `,` for `/`.

use std::{net::Ipv6Addr, ops::Range};

use wxec::inventory::split_outside_brackets;

use crate::base::shell_words::{Word, words};

/// The result of a host word and a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) address: String,
    /// The login name, if it stood before the address.
    pub(crate) user: Option<String>,
    pub(crate) command: Vec<u8>,
}

/// Schemes that are complete without a value.
const COMPLETE: [&str; 3] = ["local", "sudo", "doas"];

impl Destination {
    /// Finds where `host` and `command` lead. `schemes` are those that addresses have.
    pub(crate) fn of(
        host: &str,
        command: &[u8],
        is_subsystem: bool,
        schemes: &[&str],
    ) -> Result<Self, String> {
        let (user, host) = split_user(host, schemes);
        let place = |address: String, command: Vec<u8>| Self {
            address,
            user: user.map(str::to_owned),
            command,
        };
        if let Some(inside) = in_brackets(host) {
            return Ok(place(with_slashes(inside), command.into()));
        }
        if !schemes.contains(&host) {
            return Ok(place(
                with_slashes(host.strip_prefix("ssh://").unwrap_or(host)),
                command.into(),
            ));
        }
        if is_subsystem {
            let hint = format!(
                "write an address in brackets, with `,` for `/`: `[{host}:…,sudo:app]`, or `[ssh:{host}]`"
            );
            return Err(format!(
                "the tool did not say what follows `{host}:`; {hint}"
            ));
        }
        let (address, command) = rejoined(host, command)?;
        Ok(place(address, command))
    }
}

/// Splits off a name before an address: `joe@[ssh:bastion]`, `joe@docker`. A name inside of an
/// address stays there.
fn split_user<'a>(host: &'a str, schemes: &[&str]) -> (Option<&'a str>, &'a str) {
    let is_scheme = |rest: &str| {
        rest.starts_with('[') || schemes.contains(&rest.split(':').next().unwrap_or_default())
    };
    match host.split_once('@') {
        Some((user, rest))
            if !user.is_empty() && !user.contains([':', '/', '[', ',']) && is_scheme(rest) =>
        {
            (Some(user), rest)
        }
        _ => (None, host),
    }
}

fn in_brackets(host: &str) -> Option<&str> {
    let inside = host.strip_prefix('[')?.strip_suffix(']')?;
    inside.parse::<Ipv6Addr>().is_err().then_some(inside)
}

/// Replaces commas by slashes, but not in JSON.
fn with_slashes(host: &str) -> String {
    split_outside_brackets(host, ',')
        .collect::<Vec<_>>()
        .join("/")
}

/// Returns the address that begins with `scheme` and goes on in the paths of `command`, and the
/// command without it. If the paths contain no address, `scheme` is the name of a host.
fn rejoined(scheme: &str, command: &[u8]) -> Result<(String, Vec<u8>), String> {
    let words = words(command);
    let mut address: Option<String> = None;
    let mut rewritten = Vec::new();
    let mut copied = 0;
    for word in &words[paths(scheme, &words)?] {
        let text = String::from_utf8_lossy(&word.text);
        let (found, path_at) = split(scheme, &text);
        let (found, path_at) = match &address {
            // `rsync ssh:web1:a :b` names the host only once.
            Some(first) if *first != found && !text.contains(':') => (first.clone(), 0),
            _ => (found, path_at),
        };
        if let Some(first) = address
            .replace(found.clone())
            .filter(|first| *first != found)
        {
            return Err(format!(
                "`{first}` and `{found}` are two hosts; one connection leads to one"
            ));
        }
        if !word.text.starts_with(text[..path_at].as_bytes()) {
            return Err(format!("`{found}` is not a valid address: it is not UTF-8"));
        }
        let path = if path_at == text.len() {
            b".".to_vec()
        } else {
            word.written_after(command, path_at)
        };
        rewritten.extend_from_slice(&command[copied..word.at.start]);
        rewritten.extend(path);
        copied = word.at.end;
    }
    rewritten.extend_from_slice(&command[copied..]);
    Ok((
        address.unwrap_or_else(|| format!("ssh:{scheme}")),
        rewritten,
    ))
}

/// Returns the words of a tool's command that are paths typed by the user.
fn paths(scheme: &str, words: &[Word]) -> Result<Range<usize>, String> {
    let is = |at: usize, text: &str| {
        words
            .get(at)
            .is_some_and(|word| word.text == text.as_bytes())
    };
    let name = words.first().map_or(&b""[..], |word| {
        word.text
            .rsplit(|byte| *byte == b'/')
            .next()
            .unwrap_or_default()
    });
    if words.iter().any(|word| word.text == b"--server") {
        let dot = (0..words.len()).find(|at| is(*at, "."));
        let hint = format!("write an address in brackets: `[{scheme}:…]`");
        return match dot {
            Some(dot) => Ok(dot + 1..words.len()),
            None => Err(format!(
                "rsync does not say what follows `{scheme}:`, as its paths are sent later; {hint}"
            )),
        };
    }
    if name == b"scp" {
        let direction = (1..words.len()).find(|at| is(*at, "-t") || is(*at, "-f"));
        // An unquoted path with spaces is several words here, as for the shell on the host.
        return Ok(direction.map_or(0..0, |at| {
            let path = at + 1 + usize::from(is(at + 1, "--"));
            path.min(words.len())..(path + 1).min(words.len())
        }));
    }
    if (name == b"git" || name.starts_with(b"git-")) && words.len() > 1 {
        return Ok(words.len() - 1..words.len());
    }
    Ok(0..0)
}

/// Returns the address in `scheme:text`, and where in `text` the path begins: after the first `:`
/// that is followed by `/`, `.` or `~`, else after the last `:`.
fn split(scheme: &str, text: &str) -> (String, usize) {
    let whole = format!("{scheme}:{text}");
    let begins_path = |at: &usize| whole[at + 1..].starts_with(['/', '.', '~']);
    let mut colons = whole.match_indices(':').map(|(at, _)| at);
    let colon = colons
        .find(begins_path)
        .or_else(|| whole.rfind(':'))
        .expect("one was put there");
    let colon = if scheme == "local" {
        scheme.len()
    } else {
        colon
    };
    let address = &whole[..colon];
    let last = address.rsplit('/').next().unwrap_or_default();
    let address = if COMPLETE.contains(&last) {
        format!("{address}:")
    } else if colon == scheme.len() {
        // Nothing follows the scheme: it was a host's name.
        format!("ssh:{address}")
    } else {
        address.to_owned()
    };
    (address, colon - scheme.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMES: [&str; 5] = ["local", "ssh", "sudo", "docker", "docker-run"];

    fn place(host: &str, command: &str) -> Result<(String, String), String> {
        let place = Destination::of(host, command.as_bytes(), false, &SCHEMES)?;
        let user = place
            .user
            .map(|user| format!("{user} at "))
            .unwrap_or_default();
        Ok((
            format!("{user}{}", place.address),
            String::from_utf8(place.command).unwrap(),
        ))
    }

    #[track_caller]
    fn goes(host: &str, command: &str, address: &str, rest: &str) {
        assert_eq!(
            place(host, command),
            Ok((address.into(), rest.into())),
            "{host} {command}"
        );
    }

    #[test]
    fn hosts_are_addresses() {
        for (host, address) in [
            ("web1", "web1"),
            ("joe@web1", "joe@web1"),
            ("::1", "::1"),
            ("[::1]", "[::1]"),
            ("ssh://joe@web1:22", "joe@web1:22"),
            ("ssh:bastion/sudo:app", "ssh:bastion/sudo:app"),
            ("ssh:bastion,sudo:app", "ssh:bastion/sudo:app"),
            ("[ssh:bastion,sudo:app]", "ssh:bastion/sudo:app"),
            ("joe@ssh:bastion,sudo:app", "joe at ssh:bastion/sudo:app"),
            ("joe@[bastion,sudo:app]", "joe at bastion/sudo:app"),
            ("joe@bastion,sudo:app", "joe@bastion/sudo:app"),
            ("ssh:joe@bastion", "ssh:joe@bastion"),
            ("local:", "local:"),
            (r#"exec:["a","b"],sudo:app"#, r#"exec:["a","b"]/sudo:app"#),
        ] {
            goes(host, "uptime", address, "uptime");
        }
    }

    #[test]
    fn rsync_gives_the_address_in_its_paths() {
        let server = "rsync --server -logDtpre.iLsfxCIvu . ";
        for (host, paths, address, rest) in [
            (
                "ssh",
                "bastion/sudo:app:dst/",
                "ssh:bastion/sudo:app",
                "dst/",
            ),
            (
                "ssh",
                r"bastion/sudo:app:my\ dst/",
                "ssh:bastion/sudo:app",
                r"my\ dst/",
            ),
            ("ssh", "bastion:/srv/a:b", "ssh:bastion", "/srv/a:b"),
            ("ssh", "bastion:2222:~/x", "ssh:bastion:2222", "~/x"),
            ("ssh", "bastion:", "ssh:bastion", "."),
            ("ssh", r"b:a\ b b:it\'s d", "ssh:b", r"a\ b it\'s d"),
            ("docker-run", "debian:12:/x", "docker-run:debian:12", "/x"),
            ("sudo", "app:dst", "sudo:app", "dst"),
            ("sudo", "/srv/x", "sudo:", "/srv/x"),
            ("ssh", "bastion/sudo:/srv/x", "ssh:bastion/sudo:", "/srv/x"),
            ("ssh", "bastion/sudo::x", "ssh:bastion/sudo:", "x"),
            ("docker", "dst", "ssh:docker", "dst"),
            ("docker", "/a:b", "ssh:docker", "/a:b"),
        ] {
            goes(
                host,
                &format!("{server}{paths}"),
                address,
                &format!("{server}{rest}"),
            );
        }
        goes(
            "joe@ssh",
            &format!("sudo {server}b:x"),
            "joe at ssh:b",
            &format!("sudo {server}x"),
        );
        goes(
            "ssh",
            &format!("{server}b:x y"),
            "ssh:b",
            &format!("{server}x y"),
        );
        let error = place("ssh", &format!("{server}a:x b:y")).unwrap_err();
        assert_eq!(
            error,
            "`ssh:a` and `ssh:b` are two hosts; one connection leads to one"
        );
        let error = place("ssh", "rsync --server -slogDtpr").unwrap_err();
        assert!(
            error.ends_with("write an address in brackets: `[ssh:…]`"),
            "{error}"
        );
    }

    #[test]
    fn scp_and_git_do_so_too() {
        goes(
            "ssh",
            "scp -r -t bastion/sudo:app:my dst",
            "ssh:bastion/sudo:app",
            "scp -r -t my dst",
        );
        goes("ssh", "scp -f -- bastion:-x", "ssh:bastion", "scp -f -- -x");
        goes(
            "ssh",
            "git-upload-pack 'b/sudo:app:repo.git'",
            "ssh:b/sudo:app",
            "git-upload-pack 'repo.git'",
        );
        goes(
            "docker",
            r"git-upload-pack 'web:/it'\''s'\!'.git'",
            "docker:web",
            r"git-upload-pack '/it'\''s'\!'.git'",
        );
        goes(
            "local",
            "git-upload-pack '/tmp/a:b'",
            "local:",
            "git-upload-pack '/tmp/a:b'",
        );
        goes(
            "docker",
            "git-receive-pack '/srv/x.git'",
            "ssh:docker",
            "git-receive-pack '/srv/x.git'",
        );
    }

    #[test]
    fn other_commands_have_no_address_in_them() {
        goes("docker", "echo web:x", "ssh:docker", "echo web:x");
        goes("docker", "", "ssh:docker", "");
        let error = Destination::of("ssh", b"sftp", true, &SCHEMES).unwrap_err();
        assert!(error.ends_with(
            "write an address in brackets, with `,` for `/`: `[ssh:…,sudo:app]`, or `[ssh:ssh]`"
        ));
    }
}
