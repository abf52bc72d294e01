//! Questions about users and groups, which programs of the host answer.

use crate::{
    action::Owner,
    ask::{ask, failed},
    command::Answer,
    fault::{Fault, FaultKind},
    item::{Attributes, SECRET_ATTRIBUTE},
    look::Look,
};

/// Longest name of a user or group, as Linux has it.
const MAX_NAME_BYTES: usize = 32;

impl Look<'_> {
    /// Returns the attributes of a user, or `None` if there is no such user. Needs `ask = "users"`, as
    /// a plan that may `manage` them has.
    ///
    /// The attributes are `uid`, `gid`, `comment`, `home`, `shell`, `group`, and `groups`: the names of
    /// the other groups, with spaces between them. In a preview, those that cannot be foreseen are
    /// not there.
    pub fn user(&self, name: &str) -> Result<Option<Attributes>, Fault> {
        self.item(&user_item(name), || read_user(name))
    }

    /// Returns the attributes of a user, with the hash of the password if that can be seen.
    pub(crate) fn user_with_password(&self, name: &str) -> Result<Option<Attributes>, Fault> {
        self.item(&user_item(name), || {
            let mut found = read_user(name)?;
            if let Some(found) = &mut found
                && let Some(entry) = entry("shadow", name)?
                && let Some(hash) = entry.get(1)
            {
                found.insert(SECRET_ATTRIBUTE.into(), hash.clone());
            }
            Ok(found)
        })
    }

    /// Returns the attributes of a group, or `None` if there is no such group. Needs `ask = "users"`.
    ///
    /// The attributes are `gid` and `members`: the names of accounts that are in it beside those whose own
    /// group it is, with spaces between them. In a preview, those that cannot be foreseen are not
    /// there.
    pub fn group(&self, name: &str) -> Result<Option<Attributes>, Fault> {
        self.item(&group_item(name), || {
            let entry = entry("group", name)?;
            Ok(entry.and_then(|entry| {
                let (gid, members) = (entry.get(2)?.clone(), entry.get(3)?.replace(',', " "));
                let attributes = [("gid".into(), gid), ("members".into(), members)];
                Some(Attributes::from(attributes))
            }))
        })
    }

    /// Returns the numbers of a user and a group. In a preview, those of one that an earlier step
    /// would have made are left out.
    pub(crate) fn owner_named(&self, user: &str, group: &str) -> Result<Owner, Fault> {
        let number = |kind: &str, name: &str, found: Option<Attributes>, attribute: &str| {
            let missing = || Fault::of(FaultKind::Missing, format!("there is no {kind} {name}"));
            let found = found.ok_or_else(missing)?;
            let number = found.get(attribute).map(|number| number.parse::<u32>());
            number.transpose().map_err(|_| missing())
        };
        check_account(user)?;
        check_account(group)?;
        Ok(Owner {
            uid: number("user", user, self.user(user)?, "uid")?,
            gid: number("group", group, self.group(group)?, "gid")?,
        })
    }
}

/// The item that a user is.
pub(crate) fn user_item(name: &str) -> String {
    format!("user {name}")
}

/// The item that a group is.
pub(crate) fn group_item(name: &str) -> String {
    format!("group {name}")
}

/// Refuses what is no name of a user or group: a number would be taken for an id, and a `-` for an
/// option.
pub(crate) fn check_account(name: &str) -> Result<(), Fault> {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if name.starts_with(begins) && name.chars().all(plain) && name.len() <= MAX_NAME_BYTES {
        return Ok(());
    }
    let message = format!(
        "{name:?} is no name of a user or group: it begins with a letter or `_`, goes on with \
         letters, digits, `_`, `-` and `.`, and has up to {MAX_NAME_BYTES} of them"
    );
    Err(Fault::of(FaultKind::Refused, message))
}

fn read_user(name: &str) -> Result<Option<Attributes>, Fault> {
    let Some(entry) = entry("passwd", name)? else {
        return Ok(None);
    };
    let groups = ask(&["id", "-Gn"], &[name])?.ok_or_else(|| lacks("id"))?;
    if groups.code != Some(0) {
        return Err(failed("id", &groups));
    }
    Ok(of_passwd(&entry, &groups.stdout))
}

/// Returns the fields of an entry of a database, which `getent` finds by its name.
fn entry(database: &str, name: &str) -> Result<Option<Vec<String>>, Fault> {
    let answer = ask(&["getent", database], &[name])?.ok_or_else(|| lacks("getent"))?;
    of_getent(&answer, name)
}

fn of_getent(answer: &Answer, name: &str) -> Result<Option<Vec<String>>, Fault> {
    match answer.code {
        Some(0) => {}
        // The name is not in the database.
        Some(2) => return Ok(None),
        _ => return Err(failed("getent", answer)),
    }
    let lines = answer.stdout.lines();
    let mut entries = lines.map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>());
    Ok(entries.find(|fields| fields[0] == name))
}

/// Reads the fields of a user, and what `id -Gn` says: the user's own group first.
fn of_passwd(entry: &[String], groups: &str) -> Option<Attributes> {
    let [_, _, uid, gid, comment, home, shell] = entry else {
        return None;
    };
    let mut groups = groups.split_ascii_whitespace();
    let group = groups.next().unwrap_or_default();
    let mut others: Vec<_> = groups.collect();
    others.sort_unstable();
    let attributes = [
        ("uid", &**uid),
        ("gid", gid),
        ("comment", comment),
        ("home", home),
        ("shell", shell),
        ("group", group),
        ("groups", &others.join(" ")),
    ];
    let attributes = attributes.into_iter();
    Some(attributes.map(|(k, v)| (k.into(), v.into())).collect())
}

fn lacks(program: &str) -> Fault {
    let message = format!("the host has no program `{program}`, which tells users and groups");
    Fault::of(FaultKind::Unsupported, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shadow::Shadow;

    #[test]
    fn what_getent_and_id_say_is_understood() {
        let said = |code, stdout: &str| Answer {
            code: Some(code),
            stdout: stdout.into(),
            stderr: String::new(),
        };
        let line = "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n";
        let entry = of_getent(&said(0, line), "www-data").unwrap().unwrap();
        let found = of_passwd(&entry, "www-data ssl-cert adm\n").unwrap();
        assert_eq!(found["uid"], "33");
        assert_eq!(found["home"], "/var/www");
        assert_eq!(found["group"], "www-data");
        assert_eq!(found["groups"], "adm ssl-cert");

        assert_eq!(of_getent(&said(2, ""), "app").unwrap(), None);
        // Entries are found by number as well, which is another name.
        assert_eq!(of_getent(&said(0, line), "33").unwrap(), None);
        let fault = of_getent(&said(1, ""), "app").unwrap_err();
        assert_eq!(fault.kind, FaultKind::Command);
    }

    #[test]
    fn accounts_of_this_machine_are_found() {
        let shadow = Shadow::default();
        let look = Look::over(&shadow);
        let root = look.user("root").unwrap().unwrap();
        assert_eq!((&*root["uid"], &*root["group"]), ("0", "root"));
        assert_eq!(look.group("root").unwrap().unwrap()["gid"], "0");
        assert_eq!(look.user("no-such-user").unwrap(), None);
        let owner = look.owner_named("root", "root").unwrap();
        assert_eq!((owner.uid, owner.gid), (Some(0), Some(0)));
        let fault = look.owner_named("no-such-user", "root").unwrap_err();
        assert_eq!(fault.message, "there is no user no-such-user");
    }

    #[test]
    fn names_are_checked() {
        for name in ["app", "_apt", "www-data", "A.b_c"] {
            check_account(name).unwrap();
        }
        for name in ["", "-r", "1000", "a b", "a:b", "a\n", "ä", &"a".repeat(33)] {
            assert!(check_account(name).is_err(), "{name:?}");
        }
    }
}
