//! A plan that greets in a file, previewed and carried out: `examples/run plan [MODE [ADDRESS…]]`.

use serde::{Deserialize, Serialize};
use wxec::Fleet;
use wxec_plan::{Fault, Report, Run, file, plan};

#[derive(Serialize, Deserialize)]
struct HelloWorld {
    name: String,
}

/// Greets in a file. The mode `clean` takes it away again.
#[plan(write = "/tmp", attributes)]
fn hello_world(run: &mut Run, config: &HelloWorld) -> Result<(), Fault> {
    let text = format!("Hello, {}!\n", config.name);
    file("/tmp/hello-world")
        .content(text)
        .mode(0o644)
        .ensure(run)?;
    Ok(())
}

#[wxec::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let mode = words.next().unwrap_or_else(|| "install".into());
    let mut addresses: Vec<String> = words.collect();
    if addresses.is_empty() {
        addresses.push("local:".into());
    }
    let fleet = Fleet::new(&addresses)?;
    let apply = || hello_world::apply(&fleet).set("name", "world").mode(&*mode);

    for (what, apply) in [("preview", apply().preview()), ("done", apply())] {
        println!("{what}:");
        for outcome in apply.start()? {
            match outcome.result {
                Ok(report) => print(&outcome.host, &report),
                Err(error) => println!("{error}"),
            }
        }
    }
    fleet.close().wait();
    Ok(())
}

/// Prints the report of a host with its differences.
#[cfg(not(target_family = "wasm"))]
fn print(host: &str, report: &Report) {
    for step in &report.steps {
        println!("  {host}: {}: {}", step.name, step.state);
        for difference in &step.differences {
            println!("    {difference}");
        }
    }
    println!("  {host}: {}", report.summary());
}
