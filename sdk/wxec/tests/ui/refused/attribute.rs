#![allow(unused_variables, unused_mut, reason = "bodies are not the point")]

use wxec::remote;

#[remote(retry = 3, fast)]
fn keys() {}

#[remote(3)]
fn no_keys() {}

#[remote]
struct Structure;

#[remote]
impl Structure {}

#[remote]
mod module {}

#[remote]
#[wxec::remote(facts)]
fn twice() {}

#[remote(crate, crate = 3)]
fn from_nowhere() {}

fn main() {}
