//! A function that runs here, on another machine, and on many: `examples/run hello [ADDRESS…]`.

use wxec::{Fleet, Host, remote};

/// Counts the words of a text.
#[remote]
fn count(text: String) -> usize {
    text.split_whitespace().count()
}

#[wxec::main]
fn main() -> wxec::Result<()> {
    let mut addresses: Vec<String> = std::env::args().skip(1).collect();
    if addresses.is_empty() {
        addresses.push("local:".into());
    }

    println!("here: {}", count("runs here".into()));

    let host = Host::new(&addresses[0])?;
    println!(
        "[{host}] {}",
        count::on(&host, "runs over there".into()).wait()?
    );

    let outcomes = count::on(&Fleet::new(&addresses)?, "runs on all of them".into()).wait();
    for (host, words) in outcomes.successes() {
        println!("[{host}] {words}");
    }
    outcomes.into_result()?;
    Ok(())
}
