//! Tasks whose names have other items beside them.

use wxec::remote;

mod stats {}

#[remote]
fn stats() {}

mod types {
    use wxec::remote;

    pub enum Stats {}

    #[remote]
    #[allow(non_snake_case, reason = "it is the name of a type")]
    fn Stats() {}
}

mod crates {
    use serde::Serialize;
    use wxec::remote;

    #[remote]
    fn serde(value: u8) -> u8 {
        value
    }

    #[derive(Serialize)]
    struct Unused;
}

mod paths {
    use wxec::remote;

    #[remote]
    fn anyhow(value: u8) -> u8 {
        value
    }

    fn other() -> anyhow::Result<()> {
        Ok(())
    }
}

fn main() {}
