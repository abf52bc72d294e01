#[wxec::main(flavour = "sweet")]
fn helper() {}

#[wxec::main]
struct Main;

fn main() {}
