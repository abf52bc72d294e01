//! A plan that greets in a file, previewed and carried out: `examples/run plan [ADDRESS [MODE]]`.

use serde::{Deserialize, Serialize};
use wxec::Host;
use wxec_plan::{Fault, Order, Report, Run, file, plan};

#[derive(Clone, Serialize, Deserialize)]
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
    let mut arguments = std::env::args().skip(1);
    let host = Host::new(arguments.next().unwrap_or_else(|| "local:".into()))?;
    let mode = arguments.next().unwrap_or_else(|| "install".into());
    let config = HelloWorld {
        name: "world".into(),
    };
    let order = Order::new(config).in_mode(mode);

    println!("preview:");
    print(&hello_world::on(&host, order.clone().preview()).wait()?);
    println!("done:");
    print(&hello_world::on(&host, order).wait()?);
    Ok(())
}

/// Prints a report with its differences.
#[cfg(not(target_family = "wasm"))]
fn print(report: &Report) {
    for step in &report.steps {
        println!("  {}: {}", step.name, step.state);
        for difference in &step.differences {
            println!("    {difference}");
        }
    }
    println!("  {}", report.summary());
}
