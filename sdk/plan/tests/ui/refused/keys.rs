use wxec_plan::{Fault, Run, plan};

#[plan(mode = "install", modes = "install install", roles, modes = "")]
fn keys(_run: &mut Run) -> Result<(), Fault> {
    Ok(())
}

#[plan(modes = ["install", "a/b", 3], roles = "*", templates = "../x /a b.j2", crate = 3)]
fn words(_run: &mut Run) -> Result<(), Fault> {
    Ok(())
}

fn main() {}
