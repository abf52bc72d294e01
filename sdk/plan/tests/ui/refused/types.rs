use wxec_plan::{Fault, Run, plan};

struct Stays;

#[plan]
fn config(_run: &mut Run, _config: Stays) -> Result<(), Fault> {
    Ok(())
}

#[plan]
fn result(_run: &mut Run) -> Result<u8, Fault> {
    Ok(3)
}

fn main() {}
