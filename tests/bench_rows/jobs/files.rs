//! One large file there and back, beside `cat`, scp and rsync. All files are in memory.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

use rustix::fs::statvfs;
use tempfile::TempDir;
use wxec::Host;

use super::{host, ms, tiny_call, warm_caches};
use crate::{
    floors::{self, Piped, ssh},
    options::Options,
    row::{Budget, Round, Row},
};

const MIB: u64 = 1 << 20;

/// A file system in memory, on every Linux.
const IN_MEMORY: &str = "/dev/shm";

/// The programs that copy, one after another.
#[derive(Debug, Clone, Copy)]
enum Tool {
    Wxec,
    Scp,
    Rsync,
}

#[derive(Debug, Clone, Copy)]
enum Direction {
    Put,
    Get,
}

pub(super) fn put_and_get(options: &Options) -> Vec<Row> {
    let mib = options.large_file_mib();
    let Some(place) = Place::with(mib * MIB) else {
        eprintln!("skipped: files: {IN_MEMORY} has no room for two files of {mib} MiB");
        return Vec::new();
    };
    warm_caches();
    let host = host();
    tiny_call(&host);
    let mut rows = Vec::new();
    for (verb, direction) in [("put", Direction::Put), ("get", Direction::Get)] {
        let name = format!("{verb} of {mib} MiB; floor cat");
        let mut measured = [
            Row::new(name, "ms", Budget::Ratio(1.15)),
            Row::new("– scp in wxec's place", "ms", Budget::None),
            Row::new("– rsync in wxec's place", "ms", Budget::None),
        ];
        for _ in 0..options.rounds(3) {
            let floor = place.cat(direction);
            for (row, tool) in measured
                .iter_mut()
                .zip([Tool::Wxec, Tool::Scp, Tool::Rsync])
            {
                row.rounds
                    .push(Round::of(floor, place.copy(tool, direction, &host)));
            }
        }
        rows.extend(measured);
    }
    rows
}

/// A directory in memory with a large file, which is also on the host.
struct Place {
    directory: TempDir,
}

impl Place {
    /// Returns `None` if there is no room for the file and a copy.
    fn with(bytes: u64) -> Option<Self> {
        let room = statvfs(IN_MEMORY).ok()?;
        if room.f_bavail * room.f_frsize < 2 * bytes + 64 * MIB {
            return None;
        }
        let directory = TempDir::new_in(IN_MEMORY).ok()?;
        let place = Self { directory };
        let random = File::open("/dev/urandom").expect("it is everywhere");
        let mut file = File::create(place.path("here")).expect("the directory is ours");
        io::copy(&mut random.take(bytes), &mut file).expect("there is room");
        Some(place)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Returns the time of `copy`, which makes `there` from `here`, and removes the copy.
    fn time(&self, copy: impl FnOnce()) -> f64 {
        let start = Instant::now();
        copy();
        let time = ms(start.elapsed());
        let lengths =
            ["here", "there"].map(|name| fs::metadata(self.path(name)).map(|file| file.len()).ok());
        assert_eq!(lengths[0], lengths[1], "the copy is whole");
        fs::remove_file(self.path("there")).expect("it is ours");
        time
    }

    fn copy(&self, tool: Tool, direction: Direction, host: &Host) -> f64 {
        let (here, there) = (self.path("here"), self.path("there"));
        let config = floors::config();
        match (tool, direction) {
            (Tool::Wxec, Direction::Put) => {
                self.time(|| drop(host.put(here, there).run().wait().expect("it is copied")))
            }
            (Tool::Wxec, Direction::Get) => {
                self.time(|| drop(host.get(here, there).run().wait().expect("it is copied")))
            }
            // The newer protocol takes a server that the harness does not have.
            (Tool::Scp, _) => self.run("scp", &["-q", "-O", "-F", &config], direction),
            (Tool::Rsync, _) => {
                let ssh = format!("ssh -F {config}");
                self.run("rsync", &["--whole-file", "-e", &ssh], direction)
            }
        }
    }

    /// `cat` on an open session.
    fn cat(&self, direction: Direction) -> f64 {
        let (here, there) = (self.path("here"), self.path("there"));
        match direction {
            Direction::Put => {
                let bytes = fs::metadata(&here).expect("it is there").len();
                // Like `cat`, but ends before the session does, which takes ssh a while.
                let command = format!("echo go; head -c {bytes} >{}; echo ok", there.display());
                let mut session = Piped::start_and_wait(&mut ssh("host", &command));
                let mut file = File::open(here).expect("it is there");
                self.time(|| session.pour(&mut file))
            }
            Direction::Get => {
                let command = format!("echo go; read line; cat {}", here.display());
                let mut session = Piped::start_and_wait(&mut ssh("host", &command));
                let mut file = File::create(there).expect("the directory is ours");
                self.time(|| session.drain(&mut file))
            }
        }
    }

    /// Runs a program that takes the source and the destination, one of which is on the host.
    /// Connecting counts, since such programs have no connection yet.
    fn run(&self, program: &str, options: &[&str], direction: Direction) -> f64 {
        let [here, there] = ["here", "there"].map(|name| self.path(name).display().to_string());
        let ends = match direction {
            Direction::Put => [here, format!("host:{there}")],
            Direction::Get => [format!("host:{here}"), there],
        };
        let mut command = Command::new(program);
        command
            .args(options)
            .args(ends)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        self.time(|| {
            let status = command.status().expect("it is installed");
            assert!(status.success(), "{command:?}: {status}");
        })
    }
}
