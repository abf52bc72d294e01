//! Follows a file on many hosts until Ctrl-C, and prints each line after its host's name:
//! `examples/run tail ADDRESS,ADDRESS FILE`.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    thread,
    time::Duration,
};

use wxec::{Fleet, Grants, Sender, remote};

/// The time between two looks at the file: short for people who watch, and no load for the host.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Sends the lines that are added to a file, until the receiver is gone. If another file takes its
/// place, or the file begins anew, follows it from its beginning.
#[remote]
fn tail(path: &str, lines: Sender<String>) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut at = file.seek(SeekFrom::End(0))?;
    let mut line = Vec::new();
    let mut part = vec![0; 64 << 10];
    while !lines.is_closed() {
        let length = file.read(&mut part)?;
        at += length as u64;
        for piece in part[..length].split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(piece);
            if line.ends_with(b"\n") {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                if lines.send(text).is_err() {
                    return Ok(());
                }
            }
        }
        if length > 0 {
            continue;
        }
        thread::sleep(LOOK_EVERY);
        // While another file takes its place, there may be no file for a moment.
        let Ok(there) = fs::metadata(path).map(|there| there.len()) else {
            continue;
        };
        // If the file at the path is longer, but the open file has no more bytes, they are two
        // files.
        let grown = there > at && file.read(&mut part[..1])? == 0;
        if there < at || grown {
            (file, at) = (File::open(path)?, 0);
        } else if there > at {
            file.seek(SeekFrom::Start(at))?;
        }
    }
    Ok(())
}

#[wxec::main]
fn main() -> wxec::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [addresses, path] = &*arguments else {
        eprintln!("usage: tail ADDRESS,ADDRESS FILE");
        std::process::exit(2);
    };
    let (lines, received) = wxec::channel();
    let fleet = Fleet::new(addresses.split(','))?;
    let call = tail::on(&fleet, path, lines)
        .grant(Grants::none().read(path))
        .start();
    for (host, line) in received.tagged() {
        println!("[{host}] {line}");
    }
    // Reached only when no host sends any more: each has failed.
    call.wait().into_result()?;
    Ok(())
}
