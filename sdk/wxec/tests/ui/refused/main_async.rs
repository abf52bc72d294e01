#[wxec::main]
async fn main() {}
