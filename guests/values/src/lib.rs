//! Tasks that give back what they get, of types of every kind.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use ::uuid::Uuid;
use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime};
use wxec::{Bytes, Receiver, Sender, remote};

/// The crates whose types some tasks take.
pub mod crates {
    pub use {::uuid, time};
}

/// A key that is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// Little.
    Low,
    /// Much.
    High,
}

/// A name of its own type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Name(pub String);

/// Nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Nothing;

/// Variants of every kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Shape {
    /// A unit.
    Point,
    /// A newtype.
    Circle(f32),
    /// A tuple.
    Line(i128, char),
    /// A struct.
    Other {
        /// Bytes inside.
        bytes: Bytes,
    },
}

/// Types of every kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Everything {
    /// Numbers as keys.
    pub numbers: BTreeMap<u32, String>,
    /// Variants as keys.
    pub levels: BTreeMap<Level, bool>,
    /// Optional keys: `None`, or a text, which may be `null` as well.
    pub maybe: BTreeMap<Option<String>, u8>,
    /// Keys of several parts.
    pub pairs: BTreeMap<(i8, Option<char>), Nothing>,
    /// Addresses as keys.
    pub hosts: BTreeMap<IpAddr, SocketAddr>,
    /// Options of options.
    pub nested: Vec<Option<Option<u32>>>,
    /// An option of nothing.
    pub unit: Option<()>,
    /// Variants.
    pub shapes: Vec<Shape>,
    /// Numbers of many digits, and few.
    pub digits: (u128, i128, f32, f64),
    /// A newtype.
    pub name: Name,
}

/// Gives it back.
#[remote]
pub fn everything(it: Everything) -> Everything {
    it
}

/// Gives it back.
#[remote]
pub fn nested(it: Option<Option<u32>>) -> Option<Option<u32>> {
    it
}

/// Gives it back.
#[remote]
pub fn address(it: IpAddr) -> IpAddr {
    it
}

/// Gives it back. This task has the name of the crate that it uses.
#[remote]
pub fn uuid(it: uuid::Uuid) -> uuid::Uuid {
    it
}

/// Dates and times, with ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diary {
    /// Ids by day.
    pub days: BTreeMap<Date, Vec<Uuid>>,
    /// Times by id.
    pub seen: BTreeMap<Uuid, Option<OffsetDateTime>>,
}

/// Gives it back.
#[remote]
pub fn diary(it: Diary) -> Diary {
    it
}

/// Gives it back.
#[remote]
pub fn day(it: Date) -> Date {
    it
}

/// Gives it back.
#[remote]
pub fn name(it: Name) -> Name {
    it
}

/// Gives it back.
#[remote]
pub fn level(it: Level) -> Level {
    it
}

/// Gives it back.
#[remote]
pub fn float(it: f32) -> f32 {
    it
}

/// Gives it back.
#[remote]
pub fn double(it: f64) -> f64 {
    it
}

/// Gives it back.
#[remote]
pub fn by_name(it: BTreeMap<Option<String>, f32>) -> BTreeMap<Option<String>, f32> {
    it
}

/// Sends back what it receives.
#[remote]
pub fn pass(items: Receiver<Option<IpAddr>>, passed: Sender<Option<Option<IpAddr>>>) {
    for item in items {
        if passed.send(Some(item)).is_err() {
            return;
        }
    }
}

/// A list of values of this type, or a number at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Nest {
    /// A list.
    List(Vec<Self>),
    /// The end.
    End(u8),
}

impl Nest {
    /// Lists in lists.
    pub fn new(depth: usize) -> Self {
        (0..depth).fold(Self::End(1), |nest, _| Self::List(vec![nest]))
    }
}

/// Gives it back.
#[remote]
pub fn nest(it: Nest) -> Nest {
    it
}

/// Makes lists in lists.
#[remote]
pub fn nest_of(depth: usize) -> Nest {
    Nest::new(depth)
}

/// A result by another name.
pub type Outcome<T> = Result<T, Nothing>;

/// A stream by another name.
pub type Lines = Receiver<String>;

/// A sender of lines, by another name.
pub type Out = Sender<String>;

/// Fails if it is told to.
#[remote]
pub fn alias(fails: bool) -> Outcome<u8> {
    if fails { Err(Nothing) } else { Ok(1) }
}

/// Returns a stream, or fails if it is told to.
#[remote]
pub fn lines(fails: bool) -> Outcome<Lines> {
    if fails {
        Err(Nothing)
    } else {
        Ok(Receiver::from_iter(["a".to_owned(), "b".to_owned()]))
    }
}

/// Sends a line.
#[remote]
pub fn send(out: Out) {
    _ = out.send("sent".to_owned());
}
