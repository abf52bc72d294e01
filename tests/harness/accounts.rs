//! The accounts of a machine, and the rules by which one account may become another.

use std::{fs, os::unix::fs::chown, path::Path};

use super::keys::write;

/// The password of `asked`, `stranger` and `login`; the other one is that of `app` and `root`.
pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const OTHER_PASSWORD: &str = "battery staple";

/// A PAM configuration that asks for no password.
pub(crate) const PERMIT: &str = "auth sufficient pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n";

const HASH: &str = "$6$machine$7gPWY0erhNWhFpqf0Pdj48zP8LGBk7wf3LJJSd6jOpSF5beXyC/bvlOxIdfyL1lMwLZ6DOa4XT/XJ4Za3.POr/";
const OTHER_HASH: &str = "$6$machine$.aqjJptdqYBbhF7T47h0FQGhMtYoKuJARS3dBUX8NppvPTeb/9h4W47FJsSr3Adr6atYAwGxS.lNKDpnBKadP.";

/// Without `nodelay` a wrong password takes two seconds.
const PAM: &str = "auth required pam_unix.so nodelay\naccount required pam_unix.so\nsession required pam_permit.so\n";
const PAM_SU: &str = "auth sufficient pam_rootok.so\n";

const SUDOERS: &str = "Defaults secure_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin, !mail_no_user
root ALL=(ALL:ALL) ALL
login ALL=(ALL:ALL) NOPASSWD: ALL
asked ALL=(ALL:ALL) ALL
";
const DOAS: &str = "permit nopass login\npermit asked\n";

pub(super) struct User {
    pub(super) name: &'static str,
    /// The id of the account and of its group; unused elsewhere on the machine.
    pub(super) id: u32,
    hash: &'static str,
}

/// | account | is |
/// |---|---|
/// | `login` | may become any user by sudo or doas, without a password |
/// | `asked` | may become any user, too, with its own password |
/// | `stranger` | is in no configuration of sudo or doas |
/// | `app` | is the account that others become |
pub(super) const USERS: [User; 4] = [
    User {
        name: "login",
        id: 61001,
        hash: HASH,
    },
    User {
        name: "asked",
        id: 61002,
        hash: HASH,
    },
    User {
        name: "stranger",
        id: 61003,
        hash: HASH,
    },
    User {
        name: "app",
        id: 61004,
        hash: OTHER_HASH,
    },
];

/// A login shell of accounts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Shell {
    Bash,
    Dash,
    Busybox,
    Tcsh,
    Fish,
}

impl Shell {
    pub(crate) const ALL: [Self; 5] = [
        Self::Bash,
        Self::Dash,
        Self::Busybox,
        Self::Tcsh,
        Self::Fish,
    ];

    /// The name of its program.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Dash => "dash",
            Self::Busybox => "busybox",
            Self::Tcsh => "tcsh",
            Self::Fish => "fish",
        }
    }
}

/// Writes the accounts into the private `/etc` and `/home` of the machine whose root is at `root`.
pub(super) fn write_accounts(root: &Path, shell: &str, is_noisy: bool, sudoers: &str) {
    let etc = root.join("etc");
    let names: Vec<_> = USERS.iter().map(|user| user.name).collect();
    let add = |file: &str, hidden: &[&str], mode, line: &dyn Fn(&User) -> String| {
        let text = fs::read_to_string(etc.join(file)).expect("root may");
        let is_kept = |line: &&str| {
            !hidden
                .iter()
                .any(|name| line.split(':').next() == Some(name))
        };
        let kept = text
            .lines()
            .filter(is_kept)
            .map(str::to_owned)
            .chain(USERS.iter().map(line));
        write(
            &etc.join(file),
            kept.collect::<Vec<_>>().join("\n") + "\n",
            mode,
        );
    };
    add("passwd", &names, 0o644, &|User { name, id, .. }| {
        format!("{name}:x:{id}:{id}::/home/{name}:{shell}")
    });
    add("group", &names, 0o644, &|User { name, id, .. }| {
        format!("{name}:x:{id}:")
    });
    let hidden: Vec<_> = names.iter().copied().chain(["root"]).collect();
    add("shadow", &hidden, 0o600, &|User { name, hash, .. }| {
        format!("{name}:{hash}:19000::::::")
    });
    let shadow = fs::read_to_string(etc.join("shadow")).expect("it was written");
    write(
        &etc.join("shadow"),
        format!("root:{OTHER_HASH}:19000::::::\n{shadow}"),
        0o600,
    );

    write(&etc.join("sudoers"), format!("{SUDOERS}{sudoers}"), 0o440);
    write(&etc.join("doas.conf"), DOAS, 0o400);
    for (service, first) in [
        ("sudo", ""),
        ("sudo-i", ""),
        ("su", PAM_SU),
        ("su-l", PAM_SU),
        ("doas", ""),
    ] {
        write(
            &etc.join("pam.d").join(service),
            format!("{first}{PAM}"),
            0o644,
        );
    }
    for user in &USERS {
        write_home(&root.join("home").join(user.name), user.id, is_noisy);
    }
}

fn write_home(home: &Path, id: u32, is_noisy: bool) {
    fs::create_dir_all(home.join(".config/fish")).expect("it is new");
    if is_noisy {
        let line = "this host has been up for 1234 days, and has a lot to say to those who log in";
        let line = format!("{line:-<99}\n");
        write(&home.join(".noise"), line.repeat(NOISE / line.len()), 0o644);
        // bash reads the first two, dash and busybox only the first, and only as login shells.
        for file in [".profile", ".bashrc", ".tcshrc", ".config/fish/config.fish"] {
            write(&home.join(file), "cat ~/.noise\n", 0o644);
        }
    }
    for entry in walk(home) {
        chown(entry, Some(id), Some(id)).expect("root may");
    }
}

/// The number of bytes that a noisy profile prints.
pub(crate) const NOISE: usize = 100_000;

fn walk(path: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let below = entries.flat_map(|entry| walk(&entry.path()));
    std::iter::once(path.to_owned()).chain(below).collect()
}
