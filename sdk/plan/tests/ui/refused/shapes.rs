use wxec_plan::{Fault, Run, plan};

#[plan]
fn nothing() -> Result<(), Fault> {
    Ok(())
}

#[plan]
fn by_value(_run: Run) -> Result<(), Fault> {
    Ok(())
}

#[plan]
fn silent(_run: &mut Run, _config: u8) {}

#[plan]
async fn more(_: &mut Run, _config: u8, _more: u8) -> Result<(), Fault> {
    Ok(())
}

#[plan]
fn generic<T>(_run: &mut Run, (_a, _b): (u8, u8)) -> Result<(), Fault> {
    Ok(())
}

#[plan]
struct Item;

#[plan]
#[wxec::remote]
fn twice(_run: &mut Run) -> Result<(), Fault> {
    Ok(())
}

fn main() {}
