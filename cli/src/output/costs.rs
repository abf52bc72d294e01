//! `--stats`: the costs of calls, as one JSON object.

use std::time::Duration;

use serde_json::{Map, Value as Json, json};
use wxec::Module;

/// The costs on each host.
#[derive(Debug, Default)]
pub(crate) struct Costs(Vec<(String, HostCosts)>);

/// The costs on one host.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HostCosts {
    pub(crate) connection: wxec::host::Stats,
    /// Time from the connection of the agent to the result, compiling and sending the module
    /// included.
    pub(crate) call: Duration,
}

impl Costs {
    pub(crate) fn add(&mut self, host: &str, costs: HostCosts) {
        self.0.push((host.into(), costs));
    }

    /// Returns the sums and, for several hosts, each host's share under `hosts`. Hosts work in
    /// parallel, so the sum of their times is more than the elapsed time.
    pub(crate) fn to_json(&self, module: &Module) -> String {
        let mut json = self
            .0
            .iter()
            .fold(HostCosts::default(), |sum, (_, costs)| sum.plus(costs))
            .to_json();
        json.insert("crates_compiled".into(), json!(module.crates_compiled()));
        json.insert(
            "artifacts_compiled".into(),
            json!(module.artifacts_compiled()),
        );
        if self.0.len() > 1 {
            let hosts: Map<_, _> = self
                .0
                .iter()
                .map(|(host, costs)| (host.clone(), costs.to_json().into()))
                .collect();
            json.insert("hosts".into(), hosts.into());
        }
        Json::Object(json).to_string()
    }
}

impl HostCosts {
    fn plus(mut self, other: &Self) -> Self {
        self.call += other.call;
        self.connection.connect += other.connection.connect;
        self.connection.agent_bytes += other.connection.agent_bytes;
        self.connection.module_bytes += other.connection.module_bytes;
        self.connection.hop_bytes += other.connection.hop_bytes;
        self.connection.bytes_sent += other.connection.bytes_sent;
        self.connection.bytes_received += other.connection.bytes_received;
        self.connection.round_trips += other.connection.round_trips;
        // Saturates, because the numbers come from hosts.
        self.connection.fuel = self.connection.fuel.saturating_add(other.connection.fuel);
        self
    }

    fn to_json(self) -> Map<String, Json> {
        let Self { connection, call } = self;
        let fields = [
            ("connect_ms", json!(millis(connection.connect))),
            ("call_ms", json!(millis(call))),
            ("agent_bytes", json!(connection.agent_bytes)),
            ("module_bytes", json!(connection.module_bytes)),
            ("hop_bytes", json!(connection.hop_bytes)),
            ("bytes_sent", json!(connection.bytes_sent)),
            ("bytes_received", json!(connection.bytes_received)),
            ("round_trips", json!(connection.round_trips)),
        ];
        let counted = (connection.fuel > 0).then(|| ("fuel", json!(connection.fuel)));
        fields
            .into_iter()
            .chain(counted)
            .map(|(name, value)| (name.into(), value))
            .collect()
    }
}

/// Milliseconds, to the microsecond.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
