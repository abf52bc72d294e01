//! A WASI program that does what its first argument says. It knows nothing of wxec.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program")]

use std::{
    env, fs,
    io::{self, Read, Write},
    process, thread,
    time::Duration,
};

fn main() -> io::Result<()> {
    if env::args_os()
        .nth(1)
        .is_some_and(|command| command == "bytes")
    {
        return print_bytes();
    }
    let mut arguments = env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<_> = arguments.collect();
    let rest: Vec<_> = rest.iter().map(String::as_str).collect();
    match (&*command, &*rest) {
        ("cat", []) => _ = io::copy(&mut io::stdin(), &mut io::stdout())?,
        ("cat", paths) => paths
            .iter()
            .try_for_each(|path| io::stdout().write_all(&fs::read(path)?))?,
        ("write", [path]) => {
            let mut text = Vec::new();
            io::stdin().read_to_end(&mut text)?;
            fs::write(path, text)?;
        }
        // Goes on after the reader of its stdout is gone.
        ("tee", [path]) => {
            let (mut file, mut part) = (fs::File::create(path)?, [0; 4096]);
            loop {
                let length = io::stdin().read(&mut part)?;
                if length == 0 {
                    break;
                }
                file.write_all(&part[..length])?;
                let _ = io::stdout().write_all(&part[..length]);
            }
        }
        ("list", [path]) => {
            let entries = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name()));
            let mut names = entries.collect::<io::Result<Vec<_>>>()?;
            names.sort();
            names.iter().for_each(|name| println!("{}", name.display()));
        }
        ("name", []) => println!("{}", env::args().next().unwrap_or_default()),
        ("arguments", rest) => println!("{rest:?}"),
        ("variables", []) => env::vars().for_each(|(name, value)| println!("{name}={value}")),
        ("exit", [code]) => process::exit(code.parse().map_err(io::Error::other)?),
        ("complain", [text]) => eprintln!("{text}"),
        ("panic", []) => panic!("as it was told"),
        ("abort", []) => process::abort(),
        // Writes many lines at once, as yes(1) does: each line by itself would be a host call.
        ("yes", []) => loop {
            io::stdout().write_all(&b"y\n".repeat(4096))?;
        },
        ("sleep", [ms]) => {
            thread::sleep(Duration::from_millis(ms.parse().map_err(io::Error::other)?))
        }
        ("two", []) => {
            println!("first");
            eprintln!("second");
        }
        (command, rest) => return Err(io::Error::other(format!("cannot {command} {rest:?}"))),
    }
    Ok(())
}

/// Prints its other arguments and its variables, all of which may be any bytes.
fn print_bytes() -> io::Result<()> {
    let variables = env::vars_os().flat_map(|(name, value)| [name, value]);
    env::args_os()
        .skip(2)
        .chain(variables)
        .try_for_each(|text| {
            io::stdout().write_all(text.as_encoded_bytes())?;
            io::stdout().write_all(b"\n")
        })
}
