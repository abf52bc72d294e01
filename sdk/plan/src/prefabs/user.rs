//! Accounts.

use std::{collections::BTreeSet, path::PathBuf};

use serde::Serialize;

use super::group::group;
use super::group::made_group;
use crate::{
    accounts::{check_account, group_item, user_item},
    action::{Action, Change},
    command::{Command, command},
    content::Content,
    fault::{Fault, FaultKind},
    item::{Attributes, Effect, SECRET_ATTRIBUTE},
    look::Look,
    prefab::Prefab,
    record::{Made, Removal},
    run::Run,
    secret::Secret,
    settled::Settled,
};

/// An account. Made by [`user`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until a run ensures it"]
pub struct User {
    name: String,
    /// Attributes that are said: `uid`, `comment`, `home`, `shell`, `group`.
    said: Attributes,
    groups: BTreeSet<String>,
    has_no_other_groups: bool,
    password_hash: Option<Secret<String>>,
    is_locked: bool,
    is_system: bool,
    is_absent: bool,
}

/// An account: `user("app").system().home("/srv/app").group("app").ensure(run)?`.
///
/// What is not said is left as it is. A new account has a group of its own, with its name, if no
/// [`group`](User::group) is said. It has a home in `/home`, unless it is one of the
/// [`system`](User::system), whose home is a matter of [`folder`](crate::folder). No home is ever
/// moved or removed.
///
/// A plan needs `manage = "users"`. The programs of shadow-utils change it, or those of busybox where
/// the host lacks them; these make and remove accounts, and cannot change the attributes of one.
///
/// ```no_run
/// use wxec_plan::{Fault, Run, Secret, folder, group, plan, user};
///
/// /// An account for an app, and one for an operator.
/// #[plan(write = "/srv", manage = "users", attributes)]
/// fn accounts(run: &mut Run, hash: Secret<String>) -> Result<(), Fault> {
///     user("app").system().home("/srv/app").shell("/usr/sbin/nologin").ensure(run)?;
///     folder("/srv/app").owned_by("app", "app").ensure(run)?;
///
///     group("deployers").ensure(run)?;
///     user("mia").groups(["deployers"]).password_hash(hash).ensure(run)?;
///     user("bob").absent().ensure(run)?;
///     Ok(())
/// }
/// ```
pub fn user(name: impl Into<String>) -> User {
    User {
        name: name.into(),
        said: Attributes::new(),
        groups: BTreeSet::new(),
        has_no_other_groups: false,
        password_hash: None,
        is_locked: false,
        is_system: false,
        is_absent: false,
    }
}

impl User {
    /// Has this number.
    pub fn uid(self, uid: u32) -> Self {
        self.say("uid", uid.to_string())
    }

    /// Has this as its own group, which has to be there.
    pub fn group(self, name: impl Into<String>) -> Self {
        self.say("group", name.into())
    }

    /// Has this comment: by habit, the full name.
    pub fn comment(self, comment: impl Into<String>) -> Self {
        self.say("comment", comment.into())
    }

    /// Has its home here. Of an account that is there, the old home stays where it is.
    pub fn home(self, path: impl Into<PathBuf>) -> Self {
        self.say("home", path.into().display().to_string())
    }

    /// Has this shell.
    pub fn shell(self, path: impl Into<PathBuf>) -> Self {
        self.say("shell", path.into().display().to_string())
    }

    /// Is in these groups as well, which have to be there.
    pub fn groups<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.groups.extend(names.into_iter().map(Into::into));
        self
    }

    /// Is in no other groups than its own one and those that are said.
    pub fn exactly(mut self) -> Self {
        self.has_no_other_groups = true;
        self
    }

    /// Has the password with this hash, as `openssl passwd -6` makes it. It is compared with what
    /// `getent shadow` tells, which takes root, and is shown nowhere.
    pub fn password_hash(mut self, hash: impl Into<Secret<String>>) -> Self {
        self.password_hash = Some(hash.into());
        self
    }

    /// Has no password to log in with. Keys of ssh are not affected.
    pub fn locked(mut self) -> Self {
        self.is_locked = true;
        self
    }

    /// Gets a number from those for the system, and no folder as its home, if it is new.
    pub fn system(mut self) -> Self {
        self.is_system = true;
        self
    }

    /// Wants the account not to be there. Its home stays; a group with its name that nobody else is in
    /// goes with it.
    pub fn absent(mut self) -> Self {
        self.is_absent = true;
        self
    }

    /// Sees to it in `run`.
    pub fn ensure(&self, run: &mut Run) -> Result<Settled, Fault> {
        run.ensure(self)
    }

    fn say(mut self, attribute: &str, value: String) -> Self {
        self.said.insert(attribute.into(), value);
        self
    }

    fn check(&self) -> Result<(), Fault> {
        check_account(&self.name)?;
        let mut groups = self.groups.iter().chain(self.said.get("group"));
        groups.try_for_each(|name| check_account(name))?;
        let hash = self
            .password_hash
            .iter()
            .map(|hash| ("password hash", hash.expose()));
        let said = self
            .said
            .iter()
            .map(|(attribute, value)| (&**attribute, value));
        // An empty hash would let everybody in, and a password that is no hash nobody.
        let is_hash = |hash: &Secret<String>| hash.expose().starts_with(['$', '!', '*']);
        if !self.password_hash.as_ref().is_none_or(is_hash) {
            let message = format!(
                "the password hash of {} is none: one begins with `$`, or with `!` or `*` to let \
                 nobody in",
                self.name
            );
            return Err(Fault::of(FaultKind::Refused, message));
        }
        for (attribute, value) in said.chain(hash) {
            let is_path = matches!(attribute, "home" | "shell");
            if is_path && !value.starts_with('/') {
                let message = format!("the {attribute} of {} does not begin with `/`", self.name);
                return Err(Fault::of(FaultKind::Refused, message));
            }
            // They stand in lines with colons between the fields.
            if value.contains([':', '\n', '\r', '\0']) || value.starts_with('-') {
                let message = format!(
                    "the {attribute} of {} has a colon or a line break, or begins with `-`",
                    self.name
                );
                return Err(Fault::of(FaultKind::Refused, message));
            }
        }
        Ok(())
    }

    fn looks_at_password(&self) -> bool {
        self.is_locked || self.password_hash.is_some()
    }

    /// Returns true if the account has a group with its name and is alone in it: that group is removed
    /// with the account.
    fn has_group_alone(&self, seen: &SeenUser, look: &Look<'_>) -> Result<bool, Fault> {
        let own = seen.all.as_ref().and_then(|all| all.get("group"));
        if own != Some(&self.name) {
            return Ok(false);
        }
        let group = look.group(&self.name)?;
        let is_alone = |group: Attributes| {
            let members = group.get("members").map_or("", String::as_str);
            members
                .split(' ')
                .all(|member| member.is_empty() || member == self.name)
        };
        Ok(group.is_some_and(is_alone))
    }

    /// Returns the password that it is to have in place of this one, if one is said.
    fn password(&self, found: &str) -> Option<String> {
        match (&self.password_hash, self.is_locked) {
            (Some(hash), true) => Some(format!("!{}", hash.expose())),
            (Some(hash), false) => Some(hash.expose().clone()),
            (None, true) if found.starts_with(['!', '*']) => Some(found.to_owned()),
            (None, true) => Some(format!("!{found}")),
            (None, false) => None,
        }
    }

    /// Returns the attributes that are said, of all.
    fn view(&self, all: &Attributes) -> Attributes {
        let mut view = all.clone();
        view.retain(|attribute, _| self.said.contains_key(attribute));
        let groups = groups_in(all).into_iter();
        let groups = groups.filter(|group| self.has_no_other_groups || self.groups.contains(group));
        view.insert("groups".into(), joined(&groups.collect()));
        let found = all.get(SECRET_ATTRIBUTE).map_or("", |found| found);
        match self.password(found) {
            // A lock has several forms.
            Some(wanted) if wanted == found && self.password_hash.is_none() => {
                view.insert(SECRET_ATTRIBUTE.into(), "!".into());
            }
            Some(wanted) if wanted == found => {
                view.insert(SECRET_ATTRIBUTE.into(), wanted);
            }
            _ => {}
        }
        view
    }

    /// The command that makes it, and its attributes then. Its group is there by then.
    fn make(&self) -> (Command, Attributes) {
        let (mut add, mut busybox) = (command(["useradd"]), command(["adduser", "-D"]));
        if self.is_system {
            add = add.args(["--system", "--no-create-home"]);
            busybox = busybox.args(["-S", "-H"]);
        } else {
            let home = self.said.get("home").cloned();
            let home = home.unwrap_or_else(|| format!("/home/{}", self.name));
            add = add.args(["--create-home"]).makes(home);
        }
        let mut after = self.said.clone();
        let group = after
            .entry("group".into())
            .or_insert_with(|| self.name.clone());
        add = add.args(["--gid", group]);
        busybox = busybox.args(["-G", group]);
        let options = [
            ("uid", "--uid", "-u"),
            ("comment", "--comment", "-g"),
            ("home", "--home-dir", "-h"),
            ("shell", "--shell", "-s"),
        ];
        for (attribute, option, of_busybox) in options {
            if let Some(value) = self.said.get(attribute) {
                add = add.args([option, value]);
                busybox = busybox.args([of_busybox, value]);
            }
        }
        after.insert("groups".into(), String::new());
        if self.looks_at_password() {
            after.insert(SECRET_ATTRIBUTE.into(), "!".into());
        }
        let (add, busybox) = (add.args([&self.name]), busybox.args([&self.name]));
        (add.otherwise(busybox), after)
    }

    /// The command that changes what is said and not so, if anything.
    fn modify(&self, now: &mut Attributes) -> Option<Command> {
        let options = [
            ("uid", "--uid"),
            ("group", "--gid"),
            ("comment", "--comment"),
            ("home", "--home"),
            ("shell", "--shell"),
        ];
        let mut change = None;
        for (attribute, option) in options {
            let Some(wanted) = self.said.get(attribute) else {
                continue;
            };
            if now.get(attribute) != Some(wanted) {
                let command = change.unwrap_or_else(|| command(["usermod"]));
                change = Some(command.args([option, wanted]));
                now.insert(attribute.into(), wanted.clone());
                if attribute == "group" {
                    now.remove("gid");
                }
            }
        }
        change.map(|change| change.args([&self.name]))
    }

    /// The actions that make the groups and the password of an account right.
    fn memberships_and_password(&self, steps: &mut Steps<'_>) {
        let is_in = groups_in(&steps.now);
        let own = steps.now.get("group").cloned();
        let is_own = |group: &&String| Some(*group) == own.as_ref();
        for group in self
            .groups
            .difference(&is_in)
            .filter(|group| !is_own(group))
        {
            let add = command(["gpasswd", "--add", &self.name, group]);
            let add = add.otherwise(command(["addgroup", &self.name, group]));
            let mut groups = groups_in(&steps.now);
            groups.insert(group.clone());
            steps.take(add, |now| {
                drop(now.insert("groups".into(), joined(&groups)))
            });
        }
        let others = is_in.difference(&self.groups);
        for group in others.filter(|_| self.has_no_other_groups) {
            let delete = command(["gpasswd", "--delete", &self.name, group]);
            let delete = delete.otherwise(command(["delgroup", &self.name, group]));
            let mut groups = groups_in(&steps.now);
            groups.remove(group);
            steps.take(delete, |now| {
                drop(now.insert("groups".into(), joined(&groups)))
            });
        }
        let found = steps.now.get(SECRET_ATTRIBUTE).cloned().unwrap_or_default();
        if let Some(wanted) = self.password(&found).filter(|wanted| *wanted != found) {
            // Its arguments can be seen by all accounts, its input cannot.
            let line = Content::new(format!("{}:{wanted}\n", self.name)).secret();
            let set = command(["chpasswd", "-e"]).input(line);
            steps.take(set, |now| drop(now.insert(SECRET_ATTRIBUTE.into(), wanted)));
        }
    }
}

/// The commands that change an account one after the other.
struct Steps<'a> {
    name: &'a str,
    now: Attributes,
    actions: Vec<Action>,
}

impl Steps<'_> {
    fn take(&mut self, command: Command, change: impl FnOnce(&mut Attributes)) {
        let before = self.now.clone();
        change(&mut self.now);
        self.actions.push(Action::Run(command.effect(Effect {
            item: user_item(self.name),
            before: Some(before),
            after: Some(self.now.clone()),
        })));
    }
}

fn groups_in(attributes: &Attributes) -> BTreeSet<String> {
    let groups = attributes.get("groups").into_iter();
    groups
        .flat_map(|groups| groups.split(' '))
        .filter(|group| !group.is_empty())
        .map(Into::into)
        .collect()
}

fn joined(groups: &BTreeSet<String>) -> String {
    groups
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

/// An account as a look finds it. Two are equal if what the step sees to is.
#[derive(Debug, Clone, Serialize)]
#[doc(hidden)]
pub struct SeenUser {
    /// The attributes that are said.
    view: Option<Attributes>,
    /// Groups that it is to be in, and that are not there.
    lacks_groups: Vec<String>,
    /// True if there is a group with its name; for an account that is to be removed, if that group goes
    /// with it.
    has_own_group: bool,
    /// All attributes, for predictions.
    #[serde(skip)]
    all: Option<Attributes>,
}

impl PartialEq for SeenUser {
    fn eq(&self, other: &Self) -> bool {
        (&self.view, &self.lacks_groups, self.has_own_group)
            == (&other.view, &other.lacks_groups, other.has_own_group)
    }
}

impl SeenUser {
    fn makes_group(&self, user: &User) -> bool {
        self.all.is_none() && !user.said.contains_key("group") && !self.has_own_group
    }
}

impl Prefab for User {
    type Seen = SeenUser;

    fn name(&self) -> String {
        let no = if self.is_absent { "no " } else { "" };
        format!("{no}user {}", self.name)
    }

    fn look(&self, look: &Look<'_>) -> Result<SeenUser, Fault> {
        self.check()?;
        let all = if self.looks_at_password() {
            look.user_with_password(&self.name)?
        } else {
            look.user(&self.name)?
        };
        let mut seen = SeenUser {
            view: all.as_ref().map(|all| self.view(all)),
            lacks_groups: Vec::new(),
            has_own_group: false,
            all,
        };
        if self.is_absent {
            seen.has_own_group = self.has_group_alone(&seen, look)?;
            return Ok(seen);
        }
        for name in self.groups.iter().chain(self.said.get("group")) {
            if look.group(name)?.is_none() {
                seen.lacks_groups.push(name.clone());
            }
        }
        seen.has_own_group = look.group(&self.name)?.is_some();
        Ok(seen)
    }

    fn plan(&self, seen: &SeenUser) -> Change {
        if self.is_absent {
            let Some(all) = &seen.all else {
                return Change::settled();
            };
            let delete = command(["userdel", &self.name]);
            let delete = delete.otherwise(command(["deluser", &self.name]));
            let gone = |item: String, before: Attributes| Effect {
                item,
                before: Some(before),
                after: None,
            };
            let mut delete = delete.effect(gone(user_item(&self.name), all.clone()));
            if seen.has_own_group {
                let gid = all.get("gid").cloned();
                let before = gid.map(|gid| ("gid".into(), gid)).into_iter().collect();
                delete = delete.effect(gone(group_item(&self.name), before));
            }
            return Change::of([Action::Run(delete)]);
        }
        if !seen.lacks_groups.is_empty() {
            let message = format!(
                "there is no group {}",
                seen.lacks_groups.join(" and no group ")
            );
            return Change::refused(Fault::of(FaultKind::Missing, message));
        }
        let mut steps = Steps {
            name: &self.name,
            now: seen.all.clone().unwrap_or_default(),
            actions: Vec::new(),
        };
        if seen.all.is_none() {
            if seen.makes_group(self) {
                let own = group(&self.name);
                let own = if self.is_system { own.system() } else { own };
                steps.actions.push(own.make());
            }
            let (make, after) = self.make();
            steps.now = after.clone();
            steps.actions.push(Action::Run(make.effect(Effect {
                item: user_item(&self.name),
                before: None,
                after: Some(after),
            })));
        } else {
            let mut after = steps.now.clone();
            if let Some(change) = self.modify(&mut after) {
                steps.take(change, |now| *now = after);
            }
        }
        self.memberships_and_password(&mut steps);
        Change::of(steps.actions)
    }

    fn made(&self, seen: &SeenUser) -> Vec<Made> {
        if seen.all.is_some() || self.is_absent {
            return Vec::new();
        }
        let group = seen.makes_group(self).then(|| made_group(&self.name));
        group.into_iter().chain([made_user(&self.name)]).collect()
    }
}

/// What was made, if a user was. The home stays when the user is removed.
fn made_user(name: &str) -> Made {
    Made::Item(Box::new(Removal {
        item: user_item(name),
        asks: ["getent", "passwd", name].map(str::to_owned).into(),
        removes: ["userdel", "deluser"]
            .map(|program| vec![program.into(), name.into()])
            .into(),
        ..Removal::default()
    }))
}

#[cfg(test)]
#[path = "user_tests.rs"]
mod tests;
