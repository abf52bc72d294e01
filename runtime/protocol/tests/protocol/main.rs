//! Tests of the conversation and of the formats that both ends share. They use no process, no clock
//! and no real wire.

/// A second, hand-written definition of the messages, used to script a misbehaving peer and to read
/// the messages of a real one.
mod wire;

/// Both ends joined by queues.
mod pair;

/// Greeting, calls cold and warm, modules, output, farewell.
mod conversation;

/// Long inputs, results and modules: complete, taking turns, and without delaying short messages.
mod payloads;

/// Cancelled calls: before, while and after they run.
mod cancellation;

/// Asks: tasks that guests call on other hosts. The agent asks, the controller answers.
mod asks;

/// Reasons why calls fail: texts, advice, and faults.
mod failures;

/// Streams: complete and in order, no faster than the reader takes, without delaying others, and
/// closed when either end says so.
mod streams;

/// Bytes that the hop before the agent puts in itself, and the blobs that hops hold for it.
mod hops;

/// An agent that breaks the rules, one at a time, and the controller that notices.
mod hostile_agent;

/// The same the other way round. A controller is trusted, but it may have bugs.
mod hostile_controller;

/// Arbitrary bytes: no panic, bounded memory, and well-formed input is read back.
mod decoding;

/// Values of every kind that serde knows: they come out as they went in, in both forms.
mod values;

/// Digests, records, limits, and texts for people.
mod vocabulary;

/// Names that the crate's sources must not mention.
mod purity;
