//! A bad day of a hundred hosts: some are dead, some are slow, one babbles, one is full, one dies.
//! Each has the ending that is right for it, the run ends by itself, nothing stays behind, and
//! resuming it touches what was not done.

use std::{collections::BTreeSet, fs, net::TcpListener, path::PathBuf, time::Duration};

use rustix::process::{Signal, kill_process};
use tempfile::TempDir;
use wxec::{
    fleet::Ending,
    history::{HostRecord, RunFolder, RunRecord},
};

use crate::harness::{
    Cli, Pid, SOON, Sshd, descendants, kill, needs, own_seconds, peak_memory, processes, skip,
    wait_until,
};

/// A hundred agents start meanwhile.
const A_WHILE: Duration = Duration::from_secs(300);

const HOSTS: usize = 100;

/// The hosts that have a bad day, and how work on them ends.
const BAD: [(&str, Ending); 8] = [
    ("refused", Ending::Unreachable),
    ("silent", Ending::Unreachable),
    ("unknown", Ending::Unreachable),
    ("garbage", Ending::Unreachable),
    ("slow1", Ending::Timeout),
    ("slow2", Ending::Timeout),
    ("full", Ending::Failed),
    ("dies", Ending::Lost),
];

/// Hosts that cannot be reached.
const UNREACHABLE: usize = 4;

/// Memory that the controller may have had: 32 MiB for itself, with the agent's image, and half a
/// MiB for each host, which is the budget at a thousand hosts as well.
const MAX_PEAK_BYTES: u64 = (32 << 20) + HOSTS as u64 * (512 << 10);

/// `last` connects when it may: until then, no work begins in a run that connects first.
const INVENTORY: &str = r#"
[all]
connect_timeout = "10m"

[hosts]
refused = {}
silent = { connect_timeout = "2s" }
unknown = {}
garbage = { address = 'exec:["sh","-c","[ -e %/mended ] && exec \"$@\"; exec yes garbage","sh"]' }
"slow[1-2]" = { address = 'exec:["env","N={host}"]', limits = { timeout = "1s" } }
full = { address = 'exec:["unshare","-m","sh","-c","[ -e %/mended ] || mount -t tmpfs -o size=4k full %/disk || exit 9; exec \"$@\"","sh"]' }
dies = { address = 'exec:["env","N={host}"]' }
"near[01-59]" = { address = "local:" }
"many[01-32]" = {}
last = { address = 'exec:["sh","-c","until [ -e %/go ]; do sleep .1; done; exec \"$@\"","sh"]' }
"#;

/// The work of a command: `dies` ends its own agent, once it is told to.
const WORK: &str = r#"
echo $$ >>%/begun
if ! [ -e %/mended ]; then
    case $N in
        slow*) exec sleep %seconds ;;
        dies) until [ -e %/now ]; do sleep .1; done; kill -9 $PPID; exec sleep %seconds ;;
    esac
fi
head -c 65536 /dev/zero >%/disk/$$ || exit 1
echo done
"#;

struct Day {
    directory: TempDir,
    sshd: Sshd,
    /// Takes connections and never answers.
    silent: TcpListener,
    seconds: String,
}

impl Day {
    /// Returns `None`, and skips the test, where such hosts cannot be made.
    fn begin() -> Option<Self> {
        if !needs(&["unshare", "mount"]) || !rustix::process::geteuid().is_root() {
            skip("only root can mount a small file system");
            return None;
        }
        let day = Self {
            directory: tempfile::tempdir().unwrap(),
            sshd: Sshd::start()?,
            silent: TcpListener::bind("127.0.0.1:0").unwrap(),
            seconds: own_seconds(),
        };
        let inventory = INVENTORY.replace('%', day.directory.path().to_str().unwrap());
        fs::write(day.path("wxec.toml"), inventory).unwrap();
        fs::create_dir(day.path("disk")).unwrap();
        fs::write(day.path("motd"), vec![7; 65536]).unwrap();
        let silent = day.silent.local_addr().unwrap().port();
        day.configure(&format!(
            "Host unknown\n    HostName unknown.invalid\nHost silent\n    Port {silent}\n"
        ));
        Some(day)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn touch(&self, name: &str) {
        fs::write(self.path(name), "").unwrap();
    }

    /// Writes the configuration of ssh, with `hosts` before those of the harness.
    fn configure(&self, hosts: &str) {
        let known = fs::read_to_string(self.sshd.config()).unwrap();
        fs::write(self.path("ssh_config"), hosts.to_owned() + &known).unwrap();
    }

    /// Makes all hosts do what they should.
    fn mend(&self) {
        self.touch("mended");
        let known = fs::read_to_string(self.sshd.config()).unwrap();
        let port = known.lines().find(|line| line.contains("Port ")).unwrap();
        self.configure(&format!("Host refused silent unknown\n{port}\n"));
    }

    fn cli(&self, words: &[&str]) -> Cli {
        Cli::new(words)
            .hosts(&self.sshd)
            .env("WXEC_SSH_CONFIG", self.path("ssh_config"))
            .env("WXEC_STATE", self.path("state"))
            .directory(&self.directory)
    }

    fn work(&self) -> String {
        WORK.replace("%seconds", &self.seconds)
            .replace('%', self.directory.path().to_str().unwrap())
    }

    /// Reads the record of the last run. It is whole up to now while the run goes on.
    fn record(&self) -> Option<RunRecord> {
        let runs = RunFolder::at(self.path("state/runs"));
        RunRecord::read(&runs, &runs.find("last").ok()?).ok()
    }

    /// Waits until so many hosts of the run that goes on satisfy `is_one`.
    #[track_caller]
    fn wait_for(&self, count: usize, what: &str, is_one: impl Fn(&HostRecord) -> bool) {
        wait_until(A_WHILE, what, || {
            let record = self.record();
            record.is_some_and(|run| run.hosts.iter().filter(|host| is_one(host)).count() == count)
        });
    }

    /// The number of times that the work of a command has begun.
    fn begun(&self) -> usize {
        fs::read_to_string(self.path("begun"))
            .unwrap()
            .lines()
            .count()
    }

    /// Asserts what the record says of a bad day.
    #[track_caller]
    fn has_right_endings(&self) {
        let run = self.record().unwrap();
        assert_eq!((run.exit_code, run.stopped), (Some(124), None));
        assert_eq!(run.hosts.len(), HOSTS);
        for host in &run.hosts {
            let bad = BAD.iter().find(|(name, _)| *name == host.host);
            let right = bad.map_or(Ending::Ok, |(_, ending)| *ending);
            assert_eq!(host.ending, Some(right), "{host:?}");
            assert_eq!(host.error.is_some(), bad.is_some(), "{host:?}");
        }
    }

    /// Asserts that the last run had the hosts that were bad, and no other, and did its work there.
    #[track_caller]
    fn has_mended_the_rest(&self) {
        let run = self.record().unwrap();
        let hosts: BTreeSet<_> = run.hosts.iter().map(|host| &*host.host).collect();
        assert_eq!(hosts, BAD.iter().map(|(name, _)| *name).collect());
        let is_ok = |host: &HostRecord| host.ending == Some(Ending::Ok);
        assert!(run.hosts.iter().all(is_ok), "{:?}", run.hosts);
        assert_eq!(run.exit_code, Some(0));
    }

    /// Waits until no host has a process of a controller that has ended.
    #[track_caller]
    fn is_left_clean(&self, controller: Pid) {
        let controller = format!(":{}", controller.as_raw_nonzero());
        wait_until(SOON, "nothing is left on any host", || {
            let agents = processes("wxec:");
            !agents.iter().any(|agent| titled(agent.pid, &controller))
                && processes(&self.seconds).is_empty()
                && descendants(self.sshd.pid()).is_empty()
        });
    }

    /// Returns the agent of a host that has its name in the variable N.
    #[track_caller]
    fn agent(&self, name: &str) -> Pid {
        let (name, state) = (format!("N={name}"), self.path("state"));
        let state = format!("WXEC_STATE={}", state.display());
        let is_it = |pid: &Pid| {
            let environment = file_of(*pid, "environ");
            [&name, &state].iter().all(|wanted| {
                let mut variables = environment.split('\0');
                variables.any(|variable| variable == *wanted)
            })
        };
        let agents: Vec<_> = processes("wxec")
            .into_iter()
            .map(|process| process.pid)
            .collect();
        agents.into_iter().find(is_it).expect("it is connected")
    }
}

/// Returns true if the title of a process ends with this.
fn titled(pid: Pid, end: &str) -> bool {
    let title = file_of(pid, "cmdline");
    title
        .split('\0')
        .next()
        .is_some_and(|title| title.ends_with(end))
}

fn file_of(pid: Pid, name: &str) -> String {
    let file = fs::read(format!("/proc/{}/{name}", pid.as_raw_nonzero()));
    String::from_utf8_lossy(&file.unwrap_or_default()).into_owned()
}

#[track_caller]
fn has_little_memory(controller: Pid) {
    let peak = peak_memory(controller);
    assert!(peak < MAX_PEAK_BYTES, "{peak} bytes");
}

#[test]
fn a_command_on_a_bad_day_ends_and_is_resumed() {
    let Some(day) = Day::begin() else { return };
    day.touch("go");
    let work = day.work();
    let exec = ["-q", "exec", "@all", "--sh", &work, "--deadline", "30m"];
    let running = day.cli(&exec).start();
    let controller = running.pid();
    day.wait_for(HOSTS - 1, "all but one host have ended", |host| {
        host.ending.is_some()
    });
    has_little_memory(controller);
    day.touch("now");
    let ended = running.wait();
    assert_eq!(ended.exit_code, Some(124), "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), HOSTS - BAD.len(), "{ended:?}");
    day.has_right_endings();
    assert_eq!(day.begun(), HOSTS - UNREACHABLE);
    day.is_left_clean(controller);

    day.mend();
    let resume = [&exec[..], &["--resume", "last"]].concat();
    let ended = day.cli(&resume).run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    day.has_mended_the_rest();
    assert_eq!(day.begun(), HOSTS - UNREACHABLE + BAD.len());
}

#[test]
fn a_file_goes_to_all_hosts_on_a_bad_day() {
    let Some(day) = Day::begin() else { return };
    let target = format!("@all:{}", day.path("disk/{host}").display());
    let rules = ["--batch", "100%", "--max-fail", "100%", "--deadline", "30m"];
    // A host whose agent does not answer is one that is slow; a second agent would answer.
    let put = [
        "-q",
        "put",
        "motd",
        &target,
        "--timeout",
        "30s",
        "--no-resume",
    ];
    let put = [&put[..], &rules].concat();
    let running = day.cli(&put).start();
    let controller = running.pid();
    day.wait_for(
        HOSTS - 1,
        "all but one host are connected or gone",
        |host| host.ending.is_some() || host.phases.iter().any(|phase| phase.to_ms.is_some()),
    );
    let stopped = ["slow1", "slow2", "dies"].map(|name| day.agent(name));
    for agent in stopped {
        kill_process(agent, Signal::STOP).unwrap();
    }
    day.touch("go");
    day.wait_for(1, "the last host has its file", |host| {
        host.host == "last" && host.ending.is_some()
    });
    kill(stopped[2]);
    day.wait_for(HOSTS - 2, "only the slow ones are left", |host| {
        host.ending.is_some()
    });
    has_little_memory(controller);
    let ended = running.wait();
    assert_eq!(ended.exit_code, Some(124), "{ended:?}");
    day.has_right_endings();
    day.is_left_clean(controller);
    let files = || fs::read_dir(day.path("disk")).unwrap().count();
    assert_eq!(files(), HOSTS - BAD.len());

    day.mend();
    let resume = [&put[..], &["--resume", "last"]].concat();
    let ended = day.cli(&resume).run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    day.has_mended_the_rest();
    assert_eq!(files(), HOSTS);
}
