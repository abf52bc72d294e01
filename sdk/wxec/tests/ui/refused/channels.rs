#![allow(unused_variables, reason = "bodies are not the point")]

use wxec::remote;

struct Private;

/// Somebody else's, of the same name.
struct Receiver<T>(T);

#[remote]
fn returns_another_receiver() -> Receiver<u8> {
    Receiver(1)
}

#[remote]
fn returns_another_receiver_or_not() -> Result<std::sync::mpsc::Receiver<u8>, String> {
    Err("none".into())
}

#[remote]
fn takes_another_sender(numbers: std::sync::mpsc::Sender<u8>) {}

#[remote]
fn sends_what_does_not_travel(items: wxec::Sender<Private>) {}

#[remote]
fn returns_what_does_not_travel() -> wxec::Receiver<Private> {
    wxec::Receiver::from_iter([])
}

#[remote]
fn changes(items: &mut wxec::Receiver<u8>) {}

fn main() {}
