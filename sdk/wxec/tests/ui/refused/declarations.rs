use wxec::remote;

#[remote(read = "/etc/os-release", reed = "/etc/hosts")]
fn misspelled() {}

#[remote(read, write("/srv"))]
fn nothing_named() {}

#[remote(run = "", env = ["HOME", ""], net = [])]
fn empty() {}

#[remote(run = 3, net = ["example.org:443", 'x'], host = concat!("ssh:", "db1"))]
fn no_texts() {}

#[remote(facts = true, read = "/etc/os-release")]
fn too_much() {}

fn main() {}
