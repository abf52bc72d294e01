//! Groups of accounts.

use crate::{
    accounts::{check_account, group_item},
    action::{Action, Change},
    command::command,
    fault::Fault,
    item::{Attributes, Effect},
    look::Look,
    prefab::Prefab,
    record::{Made, Removal},
    run::Run,
    settled::Settled,
};

/// A group of accounts. Made by [`group`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until a run ensures it"]
pub struct Group {
    name: String,
    gid: Option<u32>,
    is_system: bool,
    is_absent: bool,
}

/// A group of accounts: `group("app").system().ensure(run)?`. Its members are a matter of
/// [`user`](crate::user).
///
/// A plan needs `manage = "users"`. The programs of shadow-utils change it, or those of busybox where
/// the host lacks them; these cannot give a group another number.
pub fn group(name: impl Into<String>) -> Group {
    Group {
        name: name.into(),
        gid: None,
        is_system: false,
        is_absent: false,
    }
}

impl Group {
    /// Has this number. The files of a group that gets another one keep the old one.
    pub fn gid(mut self, gid: u32) -> Self {
        self.gid = Some(gid);
        self
    }

    /// Gets a number from those for the system, if it is new.
    pub fn system(mut self) -> Self {
        self.is_system = true;
        self
    }

    /// Wants the group not to be there.
    pub fn absent(mut self) -> Self {
        self.is_absent = true;
        self
    }

    /// Sees to it in `run`.
    pub fn ensure(&self, run: &mut Run) -> Result<Settled, Fault> {
        run.ensure(self)
    }

    /// The action that makes it.
    pub(super) fn make(&self) -> Action {
        let (mut add, mut busybox) = (command(["groupadd"]), command(["addgroup"]));
        let mut after = Attributes::new();
        if self.is_system {
            (add, busybox) = (add.args(["--system"]), busybox.args(["-S"]));
        }
        if let Some(gid) = self.gid {
            let gid = gid.to_string();
            (add, busybox) = (add.args(["--gid", &gid]), busybox.args(["-g", &gid]));
            after.insert("gid".into(), gid);
        }
        let (add, busybox) = (add.args([&self.name]), busybox.args([&self.name]));
        Action::Run(add.otherwise(busybox).effect(Effect {
            item: group_item(&self.name),
            before: None,
            after: Some(after),
        }))
    }
}

impl Prefab for Group {
    /// The number, if one is said; `None` if there is no such group.
    type Seen = Option<Option<String>>;

    fn name(&self) -> String {
        let no = if self.is_absent { "no " } else { "" };
        format!("{no}group {}", self.name)
    }

    fn look(&self, look: &Look<'_>) -> Result<Self::Seen, Fault> {
        check_account(&self.name)?;
        let found = look.group(&self.name)?;
        Ok(found.map(|mut found| self.gid.and_then(|_| found.remove("gid"))))
    }

    fn plan(&self, seen: &Self::Seen) -> Change {
        let effect = |after: Option<Attributes>| {
            let gid = seen.iter().flatten();
            Effect {
                item: group_item(&self.name),
                before: Some(gid.map(|gid| ("gid".into(), gid.clone())).collect()),
                after,
            }
        };
        let wanted = self.gid.map(|gid| gid.to_string());
        match seen {
            None if self.is_absent => Change::settled(),
            None => Change::of([self.make()]),
            Some(_) if self.is_absent => {
                let busybox = command(["delgroup", &self.name]);
                let delete = command(["groupdel", &self.name]).otherwise(busybox);
                Change::of([Action::Run(delete.effect(effect(None)))])
            }
            Some(gid) if *gid == wanted => Change::settled(),
            Some(_) => {
                let gid = wanted.unwrap_or_default();
                let set = command(["groupmod", "--gid", &gid, &self.name]);
                let after = Attributes::from([("gid".into(), gid)]);
                Change::of([Action::Run(set.effect(effect(Some(after))))])
            }
        }
    }

    fn made(&self, seen: &Self::Seen) -> Vec<Made> {
        let makes = seen.is_none() && !self.is_absent;
        let made = makes.then(|| made_group(&self.name));
        made.into_iter().collect()
    }
}

/// What was made, if a group was.
pub(super) fn made_group(name: &str) -> Made {
    Made::Item(Box::new(Removal {
        item: group_item(name),
        asks: ["getent", "group", name].map(str::to_owned).into(),
        removes: ["groupdel", "delgroup"]
            .map(|program| vec![program.into(), name.into()])
            .into(),
        ..Removal::default()
    }))
}
