//! Prints the system that each host runs, from a file that the task declares to read:
//! `examples/run release [ADDRESS…]`.

use std::{fs, io};

use wxec::{Fleet, remote};

/// Returns the name that a system gives itself.
#[remote(read = "/etc/os-release")]
fn system() -> io::Result<String> {
    let release = fs::read_to_string("/etc/os-release")?;
    let name = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="));
    Ok(name
        .unwrap_or("a system without a name")
        .trim_matches('"')
        .to_owned())
}

#[wxec::main]
fn main() -> wxec::Result<()> {
    let mut addresses: Vec<String> = std::env::args().skip(1).collect();
    if addresses.is_empty() {
        addresses.push("local:".into());
    }
    for (host, system) in system::on(&Fleet::new(&addresses)?).wait().into_result()? {
        println!("[{host}] {system}");
    }
    Ok(())
}
