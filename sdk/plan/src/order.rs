//! The order to a host to take the steps of a plan, and the answer.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::{
    fault::Fault,
    report::Report,
    run::{DEFAULT_MODE, Run},
    secret::travelling,
};

/// An order to take the steps of a plan: the argument of its task.
///
/// ```
/// use wxec_plan::Order;
///
/// let order = Order::new("a config").in_mode("clean").preview();
/// assert_eq!((&*order.mode, order.preview), ("clean", true));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order<C> {
    /// The mode; by default `install`.
    #[serde(default = "default_mode")]
    pub mode: String,
    /// True to change nothing, and say what would be changed.
    #[serde(default)]
    pub preview: bool,
    /// The config that the plan takes.
    pub config: C,
}

fn default_mode() -> String {
    DEFAULT_MODE.into()
}

impl<C> Order<C> {
    /// Makes an order in the mode `install`.
    pub fn new(config: C) -> Self {
        Self {
            mode: default_mode(),
            preview: false,
            config,
        }
    }

    /// Sets the mode.
    #[must_use]
    pub fn in_mode(mut self, mode: impl Into<String>) -> Self {
        self.mode = mode.into();
        self
    }

    /// Asks what would be changed, and for no change.
    #[must_use]
    pub fn preview(mut self) -> Self {
        self.preview = true;
        self
    }

    /// Takes the steps of `plan`, as ordered.
    ///
    /// ```
    /// use wxec_plan::{Fault, Order, Run};
    ///
    /// fn plan(run: &mut Run, wanted: u32) -> Result<(), Fault> {
    ///     run.verify("it is seven", || wanted == 7)
    /// }
    ///
    /// assert_eq!(Order::new(7).carry_out(plan).unwrap().summary(), "1 step: 1 ok");
    /// let failed = Order::new(8).carry_out(plan).unwrap_err();
    /// assert_eq!(
    ///     failed.to_string(),
    ///     "step `it is seven`: the check says no; before it, 0 steps"
    /// );
    /// ```
    pub fn carry_out(
        self,
        plan: impl FnOnce(&mut Run, C) -> Result<(), Fault>,
    ) -> Result<Report, PlanFault> {
        let run = if self.preview {
            Run::preview()
        } else {
            Run::new()
        };
        let mut run = run.in_mode(self.mode);
        match plan(&mut run, self.config) {
            Ok(()) => Ok(run.into_report()),
            Err(fault) => Err(PlanFault {
                fault: fault.into(),
                report: run.into_report(),
            }),
        }
    }
}

/// Secrets in the config travel with it.
impl<C: Serialize> Serialize for Order<C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename = "Order")]
        struct Travelling<'a, C> {
            mode: &'a str,
            preview: bool,
            config: &'a C,
        }
        let Self {
            mode,
            preview,
            config,
        } = self;
        let preview = *preview;
        let order = Travelling {
            mode,
            preview,
            config,
        };
        travelling(|| order.serialize(serializer))
    }
}

/// A plan that failed: the reason, and the steps before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanFault {
    /// The reason.
    pub fault: Box<Fault>,
    /// The steps that ended well.
    pub report: Report,
}

impl fmt::Display for PlanFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; before it, {}", self.fault, self.report.summary())
    }
}

impl std::error::Error for PlanFault {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn an_order_carries_secrets_and_shows_none() {
        let order = Order::new(Secret::new("canary".to_owned())).preview();
        let travelled = wxec::cbor::encode(&order).unwrap();
        let arrived: Order<Secret<String>> = wxec::cbor::decode(&travelled).unwrap();
        assert_eq!(arrived.config.expose(), "canary");
        assert!(arrived.preview);

        assert!(!format!("{order:?}").contains("canary"));
        assert_eq!(
            serde_json::to_string(&order).unwrap(),
            r#"{"mode":"install","preview":true,"config":"(hidden)"}"#
        );
    }

    #[test]
    fn an_order_has_only_to_name_its_config() {
        let order: Order<u8> = serde_json::from_str(r#"{"config":7}"#).unwrap();
        assert_eq!(order, Order::new(7));
        assert!(serde_json::from_str::<Order<u8>>(r#"{"config":7,"mod":"x"}"#).is_err());
    }
}
