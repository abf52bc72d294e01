//! Facts about each host of a fleet.

use wxec_protocol::Facts;

use super::{Error, Fleet, Outcomes};
use crate::{
    base::operation::Operation,
    call::{CallTarget, FACTS_WITHIN, facts_call, facts_module},
};

impl Fleet {
    /// Returns facts about each of these hosts.
    pub fn facts(&self) -> Operation<Result<Outcomes<Facts>, Error>> {
        let fleet = self.clone();
        Operation::new(async move {
            let module = facts_module().await?;
            fleet.call(facts_call(&module)).timeout(FACTS_WITHIN).await
        })
    }
}
