//! Follows a file on many hosts until Ctrl-C, each line behind its host's name: `examples/run tail ADDRESS,ADDRESS FILE`.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    thread,
    time::Duration,
};

use wxec::{Fleet, Grants, Sender, remote};

/// Soon enough for people who watch, and no load.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Sends the lines that are added to a file, until nobody receives them. A file that takes its place, or begins anew,
/// is followed from its beginning.
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
        // While a file is being replaced there may be none.
        let Ok(there) = fs::metadata(path).map(|there| there.len()) else { continue };
        // What has grown and yet brings nothing more is another file.
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
    let call = tail::on(&fleet, path, lines).grant(Grants::none().read(path)).start();
    for (host, line) in received.tagged() {
        println!("[{host}] {line}");
    }
    // Only when no host sends any more: each has failed.
    call.wait()?.into_result()?;
    Ok(())
}
