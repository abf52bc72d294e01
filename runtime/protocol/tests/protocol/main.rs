//! Tests of the conversation and of what both ends agree on. No process, no clock, no bytes on any wire.

/// The messages written out a second time: to script a misbehaving peer, and to read what a real one said.
mod wire;

/// Both ends joined by queues.
mod pair;

/// Greeting, calls cold and warm, modules, output, farewell.
mod conversation;

/// Long inputs, results and modules: whole, in turns, and never in the way of a short message.
mod payloads;

/// Calls taken back: before, while and after they run.
mod cancellation;

/// Tasks that guests call on other hosts: asked by the agent, answered by the controller.
mod asks;

/// Streams: whole and in order, no faster than they are taken, in nobody's way, and over when somebody says so.
mod streams;

/// What a hop before the agent puts in itself, and the blobs that hops hold for it.
mod hops;

/// An agent that breaks the rules, one at a time, and the controller that notices.
mod hostile_agent;

/// The same the other way round. A controller is trusted, but its bugs are not.
mod hostile_controller;

/// Any bytes at all: no panic, bounded memory, and what is well-formed is read back.
mod decoding;

/// Values of every kind that serde knows: what goes in comes out, in both forms.
mod values;

/// Digests, records, limits and the texts people read.
mod vocabulary;

/// What the crate's sources must not mention.
mod purity;
