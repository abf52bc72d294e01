//! `wxec rsh`: real rsync, scp, sftp and git that use it in place of ssh, to accounts over ssh and
//! behind sudo.

/// git: clones, fetches and pushes.
mod git;
/// `wxec rsh` by itself: exit codes, input, options, accounts, shells.
mod itself;
/// The tools, as their users run them.
mod tools;

use std::{fs, io::Write, process::Stdio};

use rustix::process::{Signal, kill_process};

use crate::harness::{Pid, SOON, wait_until};
use tools::{Place, WAYS, assert_same, ends, fails, noise, works, write_tree};

#[test]
fn rsync_there_and_back() {
    let Some(place) = Place::with("rsync") else {
        return;
    };
    write_tree(&place.path("tree"));
    for (number, (plain, brackets, home)) in WAYS.into_iter().enumerate() {
        for (way, address) in [("plain", plain), ("brackets", brackets)] {
            let there = format!("{address}:some dir/{way}/");
            works(place.tool("rsync", ["-a", "--mkpath", "tree/", &there]));
            assert_same(
                &place.path("tree"),
                &place.there(home, &format!("some dir/{way}")),
            );

            let again = works(place.tool("rsync", ["-a", "--itemize-changes", "tree/", &there]));
            assert_eq!(again, "", "nothing is left to do");

            let back = format!("back-{way}-{number}");
            works(place.tool("rsync", ["-a", &there, &format!("{back}/")]));
            assert_same(&place.path("tree"), &place.path(&back));
        }
    }
}

#[test]
fn rsync_takes_away_and_takes_several() {
    let Some(place) = Place::with("rsync") else {
        return;
    };
    fs::create_dir_all(place.path("tree/sub")).unwrap();
    for (name, text) in [("a", "1"), ("sub/b", "2"), ("sub/c d", "3")] {
        fs::write(place.path("tree").join(name), text).unwrap();
    }
    for (plain, _, home) in WAYS {
        let there = format!("{plain}:t");
        works(place.tool("rsync", ["-a", "tree/", &there]));
        fs::write(place.there(home, "t/not ours"), "").unwrap();
        let out = works(place.tool(
            "rsync",
            ["-a", "--delete", "--itemize-changes", "tree/", &there],
        ));
        // The directory may have another time as well.
        assert_eq!(out.lines().next(), Some("*deleting   not ours"), "{out}");
        assert_same(&place.path("tree"), &place.there(home, "t"));

        // The second source names the host again, the third does not.
        let sources = [
            &*format!("{there}/a"),
            &format!("{there}/sub/b"),
            ":t/sub/c d",
        ];
        fs::create_dir_all(place.path("flat")).unwrap();
        works(place.tool("rsync", ["-a"].iter().chain(&sources).chain(&["flat/"])));
        let mut names: Vec<_> = fs::read_dir(place.path("flat"))
            .unwrap()
            .map(|it| it.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["a", "b", "c d"]);
        fs::remove_dir_all(place.path("flat")).unwrap();
    }
}

#[test]
fn rsync_hears_what_is_wrong_there() {
    let Some(place) = Place::with("rsync") else {
        return;
    };
    for (plain, _, _) in WAYS {
        let (_, stderr) = ends(
            place.tool("rsync", ["-a", &format!("{plain}:missing"), "x"]),
            23,
        );
        assert!(
            stderr.contains("/missing\" failed: No such file or directory (2)"),
            "{stderr}"
        );
        let stderr = fails(place.tool(
            "rsync",
            ["-a", "--rsync-path=/no/rsync", &format!("{plain}:a"), "x"],
        ));
        assert!(stderr.contains("/no/rsync: not found"), "{stderr}");
    }
    let stderr = fails(place.tool("rsync", ["-a", "ssh:127.0.0.1:1:a", "x"]));
    assert!(
        stderr.starts_with("wxec rsh: 127.0.0.1:1: unreachable (connecting): "),
        "{stderr}"
    );
    let stderr = fails(place.tool("rsync", ["-a", "-s", "ssh:login:a", "x"]));
    assert!(
        stderr.contains("write an address in brackets: `[ssh:…]`"),
        "{stderr}"
    );
}

/// The user interrupts the tool, or the user's machine is gone.
#[test]
fn an_interrupted_rsync_leaves_no_process() {
    let Some(place) = Place::with("rsync") else {
        return;
    };
    fs::write(place.path("large"), noise(8 << 20, 1)).unwrap();
    for (plain, _, home) in WAYS {
        for signal in [Signal::INT, Signal::KILL] {
            let there = format!("{plain}:large");
            let arguments = ["--bwlimit=500", "--inplace", "large", &there];
            let mut rsync = place
                .tool("rsync", arguments)
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let begun =
                || fs::metadata(place.there(home, "large")).is_ok_and(|file| file.len() > 0);
            wait_until(SOON, "some of it is there", begun);
            kill_process(Pid::from_child(&rsync), signal).unwrap();
            assert!(!rsync.wait().unwrap().success());
            wait_until(SOON, "nothing is left", || place.is_quiet());
            fs::remove_file(place.there(home, "large")).unwrap();
        }
    }
}

#[test]
fn scp_in_both_of_its_modes() {
    let Some(place) = Place::with("scp") else {
        return;
    };
    write_tree(&place.path("tree"));
    // scp's old protocol has no way to express such a name.
    for directory in ["", "deep/er", "a dir's [name]"] {
        fs::remove_file(place.path("tree").join(directory).join("a\nb")).unwrap();
    }
    let link = place.link();
    let link = link.to_str().unwrap();
    for (number, (plain, brackets, home)) in WAYS.into_iter().enumerate() {
        for (mode, address) in [("-O", plain), ("-O", brackets), ("-s", brackets)] {
            works(place.tool(
                "scp",
                [
                    "-rpq",
                    mode,
                    "-S",
                    link,
                    "tree",
                    &format!("{address}:copy{number}"),
                ],
            ));
            assert_same(
                &place.path("tree"),
                &place.there(home, &format!("copy{number}")),
            );
            works(place.tool(
                "scp",
                [
                    "-rpq",
                    mode,
                    "-S",
                    link,
                    &format!("{address}:copy{number}"),
                    "back",
                ],
            ));
            assert_same(&place.path("tree"), &place.path("back"));
            fs::remove_dir_all(place.there(home, &format!("copy{number}"))).unwrap();
            fs::remove_dir_all(place.path("back")).unwrap();

            let (_, stderr) = ends(
                place.tool(
                    "scp",
                    ["-q", mode, "-S", link, &format!("{address}:none"), "x"],
                ),
                1,
            );
            assert!(stderr.contains("No such file or directory"), "{stderr}");
        }
    }
    let (_, stderr) = ends(
        place.tool("scp", ["-S", link, "tree/plain", "ssh:login:x"]),
        255,
    );
    let said = "wxec rsh: the tool did not say what follows `ssh:`; write an address in brackets, with `,` for `/`: ";
    assert!(stderr.starts_with(said), "{stderr}");
}

#[test]
fn sftp_puts_gets_and_lists() {
    let Some(place) = Place::with("sftp") else {
        return;
    };
    fs::write(place.path("a file"), noise(3 << 20, 3)).unwrap();
    let link = place.link();
    for (_, brackets, home) in WAYS {
        let arguments = ["-q", "-b", "-", "-S", link.to_str().unwrap(), brackets];
        let mut sftp = place
            .tool("sftp", arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let batch = b"mkdir in\nput \"a file\" \"in/b file\"\nls in\nget \"in/b file\" back\npwd\n";
        sftp.stdin.take().unwrap().write_all(batch).unwrap();
        let output = sftp.wait_with_output().unwrap();
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{out}");
        assert!(out.contains("in/b file"), "{out}");
        assert!(
            out.contains(&format!("Remote working directory: {home}")),
            "{out}"
        );
        let bytes = fs::read(place.path("a file")).unwrap();
        assert!(
            fs::read(place.there(home, "in/b file")).unwrap() == bytes,
            "as it was put"
        );
        assert!(
            fs::read(place.path("back")).unwrap() == bytes,
            "as it came back"
        );
    }
}
