#![allow(unused_variables, unused_mut, reason = "bodies are not the point")]

use wxec::remote;

struct Mute;

#[remote]
fn mute() -> Result<u8, Mute> {
    Err(Mute)
}

#[remote]
fn not_send() -> Result<(), Box<dyn std::error::Error>> {
    Ok(())
}

fn main() {}
