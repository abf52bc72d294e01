//! Byte counts of the wire.

/// Byte counts of the wire so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes handed out to be sent.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes of artifacts among those sent.
    pub module_bytes: u64,
    /// Bytes that the hop before this agent put in, from artifacts that it holds itself.
    pub hop_bytes: u64,
    /// Number of times that something was sent and an answer came back: each costs the network's
    /// latency.
    pub round_trips: u64,
}
