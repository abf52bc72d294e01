//! Tasks that send and receive while they run.

use std::{thread, time::Duration};

use serde::{Deserialize, Serialize};
use wxec::{
    Bytes, Receiver, Sender,
    channel::{ChannelEnd, RecvError},
    remote,
};

/// Sends numbers from 0 on, as many as are asked for.
#[remote]
pub fn count(to: u32, numbers: Sender<u32>) {
    (0..to)
        .try_for_each(|n| numbers.send(n))
        .expect("somebody receives");
}

/// Sends parts of this many bytes until the receiver is gone, and returns the number of parts.
#[remote]
pub fn flood(bytes: usize, parts: Sender<Bytes>) -> u64 {
    let part = Bytes::from(vec![7; bytes]);
    let mut sent = 0;
    while parts.send(part.clone()).is_ok() {
        sent += 1;
    }
    sent
}

/// Adds up what it receives.
#[remote]
pub fn sum(numbers: Receiver<u64>) -> u64 {
    numbers.into_iter().sum()
}

/// Adds up the lengths of all parts that it receives; fails if some of them are missing.
#[remote]
pub fn lengths(parts: Receiver<Bytes>) -> Result<usize, String> {
    let sum = parts.iter().map(|part| part.len()).sum();
    match parts.end() {
        None | Some(ChannelEnd::Closed) => Ok(sum),
        Some(end) => Err(format!("only {sum}: {end}")),
    }
}

/// Sends back each text it receives, in capitals.
#[remote]
pub fn shout(texts: Receiver<String>, shouted: Sender<String>) -> Result<u32, String> {
    let mut count = 0;
    for text in &texts {
        shouted
            .send(text.to_uppercase())
            .map_err(|error| error.to_string())?;
        count += 1;
    }
    Ok(count)
}

/// Takes `count` items, closes their channel, and returns when the other channel is closed.
#[remote]
pub fn take(count: usize, numbers: Receiver<u64>, until: Receiver<()>) -> Vec<u64> {
    let taken = numbers.iter().take(count).collect();
    numbers.close();
    assert!(matches!(
        until.recv(),
        Err(RecvError::Ended(ChannelEnd::Closed))
    ));
    taken
}

/// Sends one item, and panics.
#[remote]
pub fn panic_in_the_middle(numbers: Sender<u32>) {
    numbers.send(1).expect("somebody receives");
    panic!("in the middle");
}

/// Sends one item, closes its channel, and waits for ever.
#[remote]
pub fn close_and_stay(numbers: Sender<u32>) {
    numbers.send(1).expect("somebody receives");
    numbers.close();
    loop {
        thread::sleep(Duration::from_secs(1));
    }
}

/// Sends each item it receives on all channels.
#[remote]
pub fn spread(numbers: Receiver<u32>, to: Vec<Sender<u32>>) {
    for number in numbers {
        for channel in &to {
            channel.send(number).expect("somebody receives");
        }
    }
}

/// Returns the first number, and true if there was none at the start. Sends a count each time that
/// no number came within `ms` milliseconds.
#[remote]
pub fn impatient(ms: u64, numbers: Receiver<u32>, waits: Sender<u32>) -> (bool, u32) {
    let nothing = matches!(numbers.try_recv(), Err(RecvError::Timeout));
    let mut times = 0;
    loop {
        match numbers.recv_timeout(Duration::from_millis(ms)) {
            Ok(number) => return (nothing, number),
            Err(RecvError::Timeout) => {
                times += 1;
                let _ = waits.send(times);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Waits until the receiver is gone, without sending anything; returns true if sending fails then.
#[remote]
pub fn listened_to(unused: Sender<u32>) -> bool {
    while !unused.is_closed() {
        thread::sleep(Duration::from_millis(5));
    }
    unused.send(1).is_err()
}

/// A pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// A number.
    pub n: u64,
    /// Its text.
    pub text: String,
}

/// Returns numbers and their texts, from `from` on without end.
#[remote]
pub fn pairs(from: u64) -> Receiver<Pair> {
    Receiver::from_iter((from..).map(|n| Pair {
        n,
        text: n.to_string(),
    }))
}

/// Returns the numbers below `to`; fails if `to` is above 1000.
#[remote]
pub fn below(to: u32) -> Result<Receiver<u32>, String> {
    match to {
        0..=1000 => Ok(Receiver::from_iter(0..to)),
        _ => Err(format!("{to} are too many")),
    }
}

/// Returns numbers that end in a panic.
#[remote]
pub fn until_it_breaks(to: u32) -> Receiver<u32> {
    Receiver::from_iter((0..=to).inspect(move |n| assert!(*n < to, "{n} is too many")))
}

/// Returns a stream of the numbers that it receives.
#[remote]
pub fn pass(numbers: Receiver<u32>) -> Receiver<u32> {
    Receiver::from_iter(numbers)
}

/// Uses a channel of its own.
#[remote]
pub fn within() -> Vec<u32> {
    let (numbers, received) = wxec::channel();
    let other = numbers.clone();
    numbers.send(1).expect("it is open");
    other.send(2).expect("it is open");
    numbers.close();
    drop(other);
    received.into_iter().collect()
}
