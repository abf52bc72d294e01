//! Every kind of signature that can be a task, some of them where names could clash. Nothing warns.

#![deny(warnings, missing_docs, unreachable_pub, unsafe_code, clippy::all)]
#![allow(dead_code, reason = "not all tasks are called")]

use std::{
    borrow::Cow,
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use wxec::{Bytes, Grants, Host, Receiver, Sender, remote, call::CallTarget};

#[remote]
fn nothing() {}

/// Known by another name.
mod elsewhere {
    extern crate wxec as far;

    #[far::remote(crate = far, facts)]
    fn path() -> u8 {
        1
    }

    #[far::remote(crate = "self::far")]
    fn text(list: &[u8]) -> std::io::Result<far::Receiver<u8>> {
        Ok(far::Receiver::from_iter(list.to_vec()))
    }
}

/// Named as the crate it uses.
mod crates {
    #[wxec::remote]
    fn anyhow(from: Vec<u8>) -> anyhow::Result<u8> {
        use anyhow::Context;
        let anyhow = from.first().context("it is empty");
        anyhow.map_err(|error| anyhow::anyhow!("{error}")).copied()
    }
}

/// Made by macros.
#[deny(missing_debug_implementations)]
pub mod made {
    macro_rules! made {
        ($name:ident) => {
            #[doc = concat!("Does ", stringify!($name), ".")]
            ///
            /// More.
            #[wxec::remote]
            pub fn $name() {}
        };
    }

    made!(something);
}

/// Says its documentation.
#[remote]
pub fn owned(mut text: String, n: u8, list: Vec<Option<(u8, f64)>>) -> BTreeMap<String, usize> {
    text.push('!');
    BTreeMap::from([(text, usize::from(n) + list.len())])
}

#[remote]
pub(crate) fn lent(text: &str, numbers: &[u16], bytes: &[u8], path: &Path, point: &Point) -> PathBuf {
    path.join(format!("{text} {} {} {}", numbers.len(), bytes.len(), point.x))
}

/// Neither `Clone` nor `Debug`, as tasks need neither.
#[derive(Serialize, Deserialize)]
struct Point {
    x: i32,
}

#[remote]
fn bytes(bytes: Bytes) -> Bytes {
    bytes
}

#[remote]
fn cow(text: Cow<'static, str>) -> Cow<'static, str> {
    text
}

#[remote]
async fn waits(text: String) -> io::Result<Option<String>> {
    std::future::ready(Ok(Some(text))).await
}

#[remote]
fn read() -> io::Result<String> {
    Ok(String::new())
}

#[remote]
fn says(n: u8) -> Result<u8, &'static str> {
    n.checked_add(1).ok_or("too big")
}

#[remote]
fn text_as_error() -> Result<(), String> {
    Ok(())
}

#[remote]
fn boxed() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Ok(())
}

type Outcome<T> = Result<T, Point>;
type Turned<E, T> = Result<T, E>;
type Done = Result<(), &'static str>;
type Lines = Receiver<String>;
type Out = Sender<u8>;

#[remote]
fn alias() -> Outcome<u8> {
    Ok(1)
}

#[remote]
fn turned() -> Turned<String, Option<u8>> {
    Ok(None)
}

/// Documented.
#[remote]
pub fn done() -> self::Done {
    Ok(())
}

#[remote]
async fn lines(out: Out, lent: &Out) -> Lines {
    Receiver::from_iter([format!("{out:?} {lent:?}")])
}

#[remote]
fn lines_or_point() -> Outcome<Lines> {
    Err(Point { x: 1 })
}

/// Values that are called as what is something else.
mod own {
    use super::{Deserialize, Serialize, remote};

    #[derive(Serialize, Deserialize)]
    pub(super) struct Result<T>(T);
    #[derive(Serialize, Deserialize)]
    pub(super) struct Receiver<T>(T);

    #[remote]
    pub(super) fn result(receiver: Receiver<u8>) -> Result<u8> {
        Result(receiver.0)
    }

    #[remote]
    pub(super) fn receiver() -> Receiver<u8> {
        Receiver(1)
    }
}

/// Has the names that the expansion uses.
#[remote]
fn input(target: u8, arguments: u8, input: u8, call: u8) -> u8 {
    target + arguments + input + call
}

#[remote]
fn r#type(r#fn: u8) -> u8 {
    r#fn
}

#[remote]
#[deprecated]
fn old() {}

#[remote]
#[cfg(any())]
fn absent() {}

#[remote(read = "/etc/os-release", write = ["/srv/app", "/var/log/app"], run = "apt-get", run = ["dpkg"], facts)]
fn declares(times: u8) -> u8 {
    times
}

#[remote(env = "HOME", net = "example.org:443", host = "ssh:db1",)]
async fn declares_more() {}

macro_rules! declaring {
    ($name:ident, $variable:literal, $place:expr) => {
        #[remote(env = $variable, net = [$place])]
        fn $name() {}
    };
}

declaring!(declares_from_a_macro, "HOME", "example.org");

macro_rules! task {
    ($name:ident, $type:ty, $result:ty) => {
        #[remote]
        fn $name(value: $type, lent: &$type) -> $result {
            Ok(value.or(*lent))
        }
    };
}

task!(from_a_macro, Option<u8>, Result<Option<u8>, String>);

mod private {
    use super::{Point, remote};

    mod deeper {
        use super::*;

        #[remote]
        pub(super) fn move_by(point: Point, by: i32) -> Point {
            Point { x: point.x + by }
        }
    }

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn calls(host: &super::Host) {
        let _call = deeper::move_by::on(host, deeper::move_by(Point { x: 1 }, 2), 3);
    }
}

#[cfg(not(target_family = "wasm"))]
fn anywhere<W: CallTarget>(target: &W) -> W::Call<u8, std::convert::Infallible> {
    #[remote]
    fn inside(n: u8) -> u8 {
        n
    }
    inside::on(target, inside(1))
}

#[remote]
fn streams(numbers: Receiver<u8>, texts: &wxec::Sender<String>, more: Vec<Sender<Option<Point>>>) -> u8 {
    let unheard = texts.is_closed() || more.is_empty();
    numbers.into_iter().map(|n| n + u8::from(unheard)).sum()
}

#[remote]
fn returns_a_stream(n: u8) -> Receiver<u8> {
    Receiver::from_iter(0..n)
}

#[remote]
async fn may_return_a_stream(n: u8) -> Result<wxec::Receiver<Point>, String> {
    Ok(wxec::Receiver::from_iter((0..n).map(|n| Point { x: n.into() })))
}

#[wxec::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let host = Host::new("local:")?;
    let text = String::from("text");
    let _calls = (
        nothing::on(&host),
        owned::on(&host, text.clone(), 1, vec![None]),
        lent::on(&host, &text, &[1], b"bytes", "/".as_ref(), &Point { x: 1 }),
        bytes::on(&host, Bytes::from_static(b"bytes")),
        waits::on(&host, text),
        says::on(&host, 1),
        input::on(&host, 1, 2, 3, 4),
        r#type::on(&host, 1),
        from_a_macro::on(&host, None, &Some(2)),
        declares::on(&host, 1).grant(Grants::none().env("HOME")).deterministic(1),
        declares_more::on(&host),
        declares_from_a_macro::on(&host),
        anywhere(&host),
        streams::on(&host, wxec::channel().1, &wxec::channel().0, vec![wxec::channel().0]).start(),
        returns_a_stream::on(&host, 1),
        may_return_a_stream::on(&host, 1),
        own::result::on(&host, own::receiver()),
        own::receiver::on(&host),
        lines::on(&host, wxec::channel().0, &wxec::channel().0),
    );
    let _typed: (
        wxec::Call<u8, Point>,
        wxec::Call<Option<u8>, String>,
        wxec::Call<(), &'static str>,
        wxec::Call<Receiver<String>, Point>,
        wxec::Call<String, io::Error>,
    ) = (
        alias::on(&host),
        turned::on(&host),
        done::on(&host),
        lines_or_point::on(&host),
        read::on(&host),
    );
    private::calls(&host);
    assert_eq!(r#type(1) + input(1, 2, 3, 4), 11);
    Ok(())
}
