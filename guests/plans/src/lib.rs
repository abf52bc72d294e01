//! Plans: one as people write it, and some that tests need.

use std::{fs, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use wxec_plan::{
    Fault, Run, Secret, authorized_key, block, command, cron, file, folder, group, line, package,
    packages, plan, setting, symlink, unit, user,
};

pub mod links;

/// A greeting, and the file that it stands in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Greeting {
    /// The file.
    pub path: PathBuf,
    /// The one who is greeted.
    pub name: String,
}

/// Greets in a file.
#[plan(write = "/tmp", attributes)]
pub fn greeting(run: &mut Run, config: &Greeting) -> Result<(), Fault> {
    let text = format!("Hello, {}!\n", config.name);
    file(&config.path).content(text).mode(0o644).ensure(run)?;
    Ok(())
}

/// A folder for a site, and a secret in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Site {
    /// The folder.
    pub top: PathBuf,
    /// A secret.
    pub key: Secret<String>,
}

/// Uses each prefab.
#[plan(write = "/tmp", attributes)]
pub fn site(run: &mut Run, config: Site) -> Result<(), Fault> {
    let at = |name: &str| config.top.join(name);
    folder(at("conf")).ensure(run)?;
    file(at("conf/key")).content(&config.key).ensure(run)?;
    file(at("conf/site.ini")).ensure(run)?;
    setting(at("conf/site.ini"), "port", "443")
        .in_section("web")
        .ensure(run)?;
    line(at("conf/site.ini"), "# mine").ensure(run)?;
    block(at("conf/site.ini"), "db", "[db]\nport=5432").ensure(run)?;
    symlink(at("current"), "conf").ensure(run)?;
    run.verify("key", || {
        fs::metadata(at("conf/key")).map(|key| key.len() > 0)
    })
}

/// A number that has to be even, and others that need not be there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Picky {
    /// The number.
    pub even: Even,
    /// A secret number.
    #[serde(default)]
    pub key: Secret<u16>,
    /// One of two words.
    #[serde(default)]
    pub level: Level,
}

/// A number that its type checks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "u8")]
pub struct Even(u8);

impl TryFrom<u8> for Even {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        if number.is_multiple_of(2) {
            Ok(Self(number))
        } else {
            Err(format!("{number} is odd"))
        }
    }
}

/// One of two words.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The first.
    #[default]
    Quiet,
    /// The second.
    Loud,
}

/// Takes what fits.
#[plan]
pub fn picky(run: &mut Run, config: Picky) -> Result<(), Fault> {
    run.verify("even", || config.even.0.is_multiple_of(2))
}

/// A page that is made of templates.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Page {
    /// The folder.
    pub top: PathBuf,
    /// Its title.
    pub title: String,
    /// Names on it.
    #[serde(default = "names")]
    pub names: Vec<String>,
    /// A secret.
    pub key: Secret<String>,
}

fn names() -> Vec<String> {
    vec!["one".into(), "two".into()]
}

/// Writes files that are made of templates.
#[plan(templates = "page.conf.j2 key.conf.j2", write = "/tmp", attributes)]
pub fn page(run: &mut Run, config: &Page) -> Result<(), Fault> {
    let page = run.template("page.conf.j2")?;
    file(config.top.join("page.conf"))
        .content(page)
        .ensure(run)?;
    let key = run.template("key.conf.j2")?;
    file(config.top.join("key.conf")).content(key).ensure(run)?;
    Ok(())
}

/// Writes what the host is into a file.
#[plan(templates = "card.j2", write = "/tmp", facts)]
pub fn card(run: &mut Run, path: Card) -> Result<(), Fault> {
    let card = run.template("card.j2")?;
    file(&path.path).content(card).ensure(run)?;
    let facts = run.target()?;
    let wanted = format!("{} with {}\n", facts.arch, facts.cpus);
    run.verify("the facts are those of the host", || {
        fs::read_to_string(&path.path).map(|card| card == wanted)
    })
}

/// The place of a card.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Card {
    /// The file.
    pub path: PathBuf,
}

/// Writes a file without a prefab, whatever was ordered.
#[plan(write = "/tmp")]
pub fn liar(_run: &mut Run, path: PathBuf) -> Result<(), Fault> {
    Ok(fs::write(path, "written")?)
}

/// A server: its package, its config and its unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The word in its config.
    pub word: String,
    /// The program of its unit.
    #[serde(default = "sleeps")]
    pub program: String,
}

fn sleeps() -> String {
    "cat /etc/hello.conf >>/srv/log; exec sleep 1000000".into()
}

/// Sets a server up, which notes in `/srv/log` what it was started with.
#[plan(
    write = ["/etc", "/srv"],
    manage = "packages units",
    attributes
)]
pub fn server(run: &mut Run, config: &Server) -> Result<(), Fault> {
    let package = package("wxec-hello").refresh().ensure(run)?;
    let word = format!("{}\n", config.word);
    let word = file("/etc/hello.conf").content(word).ensure(run)?;
    let program = &config.program;
    let text = format!(
        "[Service]\nExecStart=/bin/sh -c '{program}'\n\n[Install]\nWantedBy=basic.target\n"
    );
    let service = file("/etc/systemd/system/hello.service")
        .content(text)
        .ensure(run)?;
    unit("hello")
        .enabled()
        .running()
        .restart_after([&package, &word, &service])
        .settles(Duration::from_millis(500))
        .ensure(run)?;
    Ok(())
}

/// Packages, and what is wanted of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Their names.
    pub names: Vec<String>,
    /// A version of them.
    #[serde(default)]
    pub version: Option<String>,
    /// True to remove them.
    #[serde(default)]
    pub absent: bool,
    /// True to end what was interrupted.
    #[serde(default)]
    pub repair: bool,
}

/// Installs packages, or removes them.
#[plan(manage = "packages")]
pub fn installed(run: &mut Run, wanted: &Wanted) -> Result<(), Fault> {
    let mut wants = packages(wanted.names.clone()).refresh();
    if let Some(version) = &wanted.version {
        wants = wants.version(version);
    }
    if wanted.absent {
        wants = wants.absent();
    }
    if wanted.repair {
        wants = wants.repair();
    }
    wants.ensure(run).map(drop)
}

/// A unit, and what is wanted of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Its name.
    pub name: String,
    /// False to stop and disable it.
    pub up: bool,
}

/// Starts and enables a unit, or the opposite.
#[plan(manage = "units")]
pub fn up(run: &mut Run, wish: &Wish) -> Result<(), Fault> {
    let unit = unit(&wish.name);
    let unit = if wish.up {
        unit.enabled().running()
    } else {
        unit.disabled().stopped()
    };
    unit.ensure(run).map(drop)
}

/// The folder of twenty things.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Twenty {
    /// The folder, which is there.
    pub top: PathBuf,
}

/// Takes twenty steps: `tests/plans-bench` compares them with those of other tools.
#[plan(write = "/tmp", attributes)]
pub fn twenty(run: &mut Run, config: &Twenty) -> Result<(), Fault> {
    let at = |name: String| config.top.join(name);
    for i in 0..5 {
        folder(at(format!("folder{i}"))).mode(0o755).ensure(run)?;
    }
    for i in 0..9 {
        let lines = if i == 0 { 5 } else { 0 };
        let lines: String = (0..lines).map(|line| format!("line {line}\n")).collect();
        file(at(format!("folder{}/file{i}", i % 5)))
            .content(format!("file {i}\n{lines}"))
            .mode(0o644)
            .ensure(run)?;
    }
    for i in 0..5 {
        line(at("folder0/file0".into()), format!("line {i}")).ensure(run)?;
    }
    symlink(at("current".into()), "folder0")
        .ensure(run)
        .map(drop)
}

/// Tries to change its host, in all ways that its code can. In a preview it fails with those that
/// worked, if any did.
#[plan(
    read = "/",
    write = ["/etc", "/srv"],
    run = "*",
    net = "*",
    host = "*",
    manage = "packages units users",
    attributes
)]
pub fn liar_of_all_trades(run: &mut Run) -> Result<(), Fault> {
    use std::{io, time::SystemTime};

    use wxec::{fs as host, net::TcpStream, process::Command};

    type Attempt = fn() -> io::Result<()>;
    let there = || "/srv/there";
    assert!(fs::exists(there())?, "the test makes it");
    let attempts: [(&str, Attempt); 20] = [
        ("write", || fs::write("/srv/new", "x")),
        ("overwrite", || fs::write("/srv/there", "x")),
        ("append", || {
            fs::OpenOptions::new()
                .append(true)
                .open("/srv/there")
                .map(drop)
        }),
        ("truncate", || {
            let mut options = fs::OpenOptions::new();
            options
                .write(true)
                .truncate(true)
                .open("/srv/there")
                .map(drop)
        }),
        ("set times", || {
            fs::File::open("/srv/there")?.set_modified(SystemTime::UNIX_EPOCH)
        }),
        ("set length", || fs::File::open("/srv/there")?.set_len(0)),
        ("remove", || fs::remove_file("/srv/there")),
        ("make a folder", || fs::create_dir("/srv/folder")),
        ("remove a folder", || fs::remove_dir("/srv/empty")),
        ("rename", || fs::rename("/srv/there", "/srv/moved")),
        ("hard link", || fs::hard_link("/srv/there", "/etc/linked")),
        ("symlink", || host::symlink("/srv/there", "/srv/link")),
        ("set mode", || host::set_mode("/srv/there", 0o4777)),
        ("set owner", || {
            host::set_owner("/srv/there", Some(1), Some(1))
        }),
        ("durable rename", || {
            host::rename("/srv/there", "/srv/moved")
        }),
        ("lock", || host::lock("/srv/there").map(drop)),
        ("write its record", || {
            fs::write("/.wxec-record/record", "x")
        }),
        ("run a program", || {
            Command::new("touch").arg("/srv/new").status().map(drop)
        }),
        ("ask a question of its own", || {
            Command::new("getent")
                .args(["passwd", "--service=files"])
                .status()
                .map(drop)
        }),
        ("connect", || TcpStream::connect(("127.0.0.1", 7)).map(drop)),
    ];
    let worked = attempts.iter().filter(|(_, attempt)| attempt().is_ok());
    let worked: Vec<_> = worked.map(|(name, _)| *name).collect();
    command(["touch", "/srv/new"]).run(run)?;
    package("wxec-hello").ensure(run)?;
    run.verify("nothing worked", || {
        if worked.is_empty() {
            Ok(true)
        } else {
            Err(format!("these worked: {}", worked.join(", ")))
        }
    })
}

/// An account, and what belongs to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its groups.
    pub groups: Vec<String>,
    /// The hash of its password.
    pub hash: Secret<String>,
    /// A key that may log in.
    pub key: String,
}

/// Makes an account with its groups, a folder, a key and a job.
#[plan(write = ["/etc/cron.d", "/srv", "/home"], manage = "users", attributes)]
pub fn account(run: &mut Run, config: &Account) -> Result<(), Fault> {
    let name = &config.name;
    for name in &config.groups {
        group(name).ensure(run)?;
    }
    let home = format!("/home/{name}");
    user(name)
        .groups(config.groups.clone())
        .home(&home)
        .shell("/bin/sh")
        .password_hash(config.hash.clone())
        .ensure(run)?;
    folder(format!("/srv/{name}"))
        .owned_by(name, name)
        .mode(0o750)
        .ensure(run)?;
    authorized_key(&home, &config.key).ensure(run)?;
    cron("plans-test")
        .user(name)
        .schedule("*/5 * * * *")
        .command("date +%s >>/srv/dates")
        .ensure(run)?;
    Ok(())
}

/// A secret, and how it is to be let out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leak {
    /// The folder, which is there.
    pub top: PathBuf,
    /// The secret.
    pub key: Secret<String>,
    /// One of `not`, `command`, `line` and `panic`.
    pub how: String,
}

/// Writes a secret to files, and fails in a way that could show it.
#[plan(write = "/tmp", run = "sh", attributes)]
pub fn leak(run: &mut Run, config: &Leak) -> Result<(), Fault> {
    let at = |name: &str| config.top.join(name);
    file(at("key")).content(&config.key).ensure(run)?;
    let words = Secret::new(format!("key {}", config.key.expose()));
    file(at("conf")).ensure(run)?;
    line(at("conf"), words).ensure(run)?;
    match &*config.how {
        "command" => command(["sh", "-c", "cat >&2; exit 3"])
            .input(&config.key)
            .run(run)
            .map(drop),
        "line" => {
            let twice = Secret::new(format!("{0}\n{0}", config.key.expose()));
            line(at("conf"), twice).ensure(run).map(drop)
        }
        "panic" => panic!("{config:?}"),
        _ => Ok(()),
    }
}
