//! Jobs of cron.

use std::path::{Path, PathBuf};

use super::{
    Absent,
    file::{File, SeenFile, file},
};
use crate::{
    accounts::check_account,
    action::{Change, Owner},
    fault::{Fault, FaultKind},
    look::{Kind, Look},
    prefab::Prefab,
    run::Run,
    settled::Settled,
};

/// A job of cron. Made by [`cron`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until a run ensures it"]
pub struct Cron {
    name: String,
    folder: PathBuf,
    schedule: String,
    user: String,
    command: String,
    environment: Vec<(String, String)>,
}

/// A job of cron, which is a whole file in `/etc/cron.d`.
///
/// The schedule, the account and the command have to be said. The command is a line of `sh`, in which
/// a `%` is a `%`: the file has it with the `\` that cron wants. A plan needs
/// `write = "/etc/cron.d", attributes`. The host has to have a cron that reads this folder, as that of
/// Debian and of Fedora does; the one of busybox does not.
///
/// ```
/// use wxec_plan::{Run, cron};
///
/// let folder = tempfile::tempdir()?;
/// cron("backup")
///     .schedule("30 3 * * mon-fri")
///     .user("root")
///     .command("backup /srv --to /backup/$(date +%a)")
///     .in_folder(folder.path())
///     .ensure(&mut Run::new())?;
/// assert_eq!(
///     std::fs::read_to_string(folder.path().join("backup"))?,
///     "30 3 * * mon-fri root backup /srv --to /backup/$(date +\\%a)\n"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn cron(name: impl Into<String>) -> Cron {
    Cron {
        name: name.into(),
        folder: FOLDER.into(),
        schedule: String::new(),
        user: String::new(),
        command: String::new(),
        environment: Vec::new(),
    }
}

/// Longest command that cron reads.
const MAX_COMMAND_BYTES: usize = 998;
/// Words in place of a schedule.
const WORDS: [&str; 8] = [
    "@reboot",
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
];
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Cron {
    /// Runs then: a minute, an hour, a day of the month, a month and a day of the week, or a word such
    /// as `@daily`.
    pub fn schedule(mut self, schedule: impl Into<String>) -> Self {
        self.schedule = schedule.into();
        self
    }

    /// Runs as this account.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// Runs this line of `sh`.
    pub fn command(mut self, command: impl Into<String>) -> Self {
        self.command = command.into();
        self
    }

    /// Has this variable in its environment. `MAILTO` is the one who gets what it prints.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Stands in this folder, in place of `/etc/cron.d`.
    pub fn in_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }

    /// Wants the job not to be there. Needs nothing but the name.
    pub fn absent(self) -> Absent {
        Absent::new(self.path(), Kind::File)
    }

    /// Sees to it in `run`.
    pub fn ensure(&self, run: &mut Run) -> Result<Settled, Fault> {
        run.ensure(self)
    }

    fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Returns the file, or the first mistake in what was said.
    fn file(&self) -> Result<File, Fault> {
        let mut text = String::new();
        check_name(&self.name)?;
        for (name, value) in &self.environment {
            let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if !begins || !name.chars().all(is_plain) {
                return Err(refused(format!("{name:?} is no name of a variable")));
            }
            if value.contains(['"', '\n', '\r', '\0']) {
                let message = format!("the value of {name} has a `\"` or a line break");
                return Err(refused(message));
            }
            text += &format!("{name}=\"{value}\"\n");
        }
        check_schedule(&self.schedule)?;
        if self.user.is_empty() {
            return Err(refused("it has no `.user(…)` to run as"));
        }
        check_account(&self.user)?;
        let command = escaped(&self.command)?;
        text += &format!("{} {} {command}\n", self.schedule, self.user);
        // Cron ignores files that others than their owner can write to, and those there that are not
        // root's.
        let file = file(self.path()).content(text).mode(0o644);
        if self.folder == Path::new(FOLDER) {
            Ok(file.owner(0, 0))
        } else {
            Ok(file)
        }
    }
}

/// The folder that cron reads.
const FOLDER: &str = "/etc/cron.d";

/// Cron ignores files with other names, and says so nowhere.
fn check_name(name: &str) -> Result<(), Fault> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if !name.is_empty() && name.chars().all(is_plain) {
        return Ok(());
    }
    Err(refused(format!(
        "{name:?} is no name of a job: cron ignores files whose names have more than letters, \
         digits, `_` and `-`"
    )))
}

fn escaped(command: &str) -> Result<String, Fault> {
    if command.trim().is_empty() {
        return Err(refused("it has no `.command(…)` to run"));
    }
    if command.contains(['\n', '\r', '\0']) {
        return Err(refused(
            "its command has a line break: put a script in a file",
        ));
    }
    let mut backslashes = 0;
    for c in command.chars() {
        if c == '%' && backslashes % 2 == 1 {
            let message = "its command has a `\\` before a `%`, which a crontab cannot have: put a \
                           script in a file";
            return Err(refused(message));
        }
        backslashes = if c == '\\' { backslashes + 1 } else { 0 };
    }
    let escaped = command.replace('%', "\\%");
    if escaped.len() > MAX_COMMAND_BYTES {
        let message = format!("its command has more than {MAX_COMMAND_BYTES} bytes");
        return Err(refused(message));
    }
    Ok(escaped)
}

fn check_schedule(schedule: &str) -> Result<(), Fault> {
    if WORDS.contains(&schedule) {
        return Ok(());
    }
    let fields: Vec<_> = schedule.split(' ').collect();
    if fields.len() != 5 {
        return Err(refused(format!(
            "{schedule:?} is no schedule: it has a minute, an hour, a day of the month, a month and \
             a day of the week, with a space between them, or is a word such as `@daily`"
        )));
    }
    let ranges: [(&str, u32, u32, &[&str]); 5] = [
        ("minute", 0, 59, &[]),
        ("hour", 0, 23, &[]),
        ("day of the month", 1, 31, &[]),
        ("month", 1, 12, &MONTHS),
        ("day of the week", 0, 7, &DAYS),
    ];
    for (field, (noun, first, last, names)) in fields.into_iter().zip(ranges) {
        let is_right = |part| is_part(part, (first, last), names);
        if !field.split(',').all(is_right) {
            return Err(refused(format!(
                "{field:?} in the schedule {schedule:?} is no {noun}: these go from {first} to {last}"
            )));
        }
    }
    Ok(())
}

/// Returns true for `*`, a number and a range, also with a step behind it.
fn is_part(part: &str, (first, last): (u32, u32), names: &[&str]) -> bool {
    let number = |text: &str| {
        let mut named = (first..).zip(names);
        let named = named.find(|(_, name)| name.eq_ignore_ascii_case(text));
        let named = named.map(|(number, _)| number);
        let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = named.or_else(|| text.parse().ok().filter(|_| is_digits));
        number.filter(|number| (first..=last).contains(number))
    };
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (part, None),
    };
    let is_step = |step: &str| {
        step.parse()
            .is_ok_and(|step: u32| (1..=last).contains(&step))
    };
    let is_range = match range.split_once('-') {
        _ if range == "*" => true,
        Some((from, to)) => matches!((number(from), number(to)), (Some(a), Some(b)) if a <= b),
        // Cron takes a step of a single number for a mistake.
        None => step.is_none() && number(range).is_some(),
    };
    is_range && step.is_none_or(is_step)
}

fn refused(message: impl std::fmt::Display) -> Fault {
    Fault::of(FaultKind::Refused, message)
}

impl Prefab for Cron {
    type Seen = (SeenFile, Owner);

    fn name(&self) -> String {
        format!("cron {}", self.name)
    }

    fn look(&self, look: &Look<'_>) -> Result<Self::Seen, Fault> {
        self.file()?.look(look)
    }

    fn plan(&self, seen: &Self::Seen) -> Change {
        match self.file() {
            Ok(file) => file.plan(seen),
            Err(fault) => Change::refused(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_checked() {
        for schedule in [
            "* * * * *",
            "0 0 1 1 0",
            "59 23 31 12 7",
            "*/5 0-8/2 1,15 jan-Mar mon-fri",
            "@reboot",
        ] {
            check_schedule(schedule).unwrap();
        }
        for schedule in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "*/0 * * * *",
            "5/10 * * * *",
            "9-5 * * * *",
            "1, * * * *",
            "+1 * * * *",
            "mon * * * *",
            "@never",
            "*  * * * *",
            "* * * * *\n",
        ] {
            assert!(check_schedule(schedule).is_err(), "{schedule:?}");
        }
        let message = check_schedule("0 24 * * *").unwrap_err().message;
        assert_eq!(
            message,
            r#""24" in the schedule "0 24 * * *" is no hour: these go from 0 to 23"#
        );
    }

    #[test]
    fn commands_are_one_line_for_sh() {
        assert_eq!(escaped("date +%F").unwrap(), "date +\\%F");
        assert_eq!(escaped(r"printf \\%").unwrap(), r"printf \\\%");
        for command in ["", " ", "a\nb", r"date +\%F", &"x".repeat(999)] {
            assert!(escaped(command).is_err(), "{command:?}");
        }
    }
}
