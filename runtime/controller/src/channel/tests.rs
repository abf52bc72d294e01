use std::{thread, time::Duration};

use futures_core::Stream;
use wxec_protocol::cbor;

use super::*;
use crate::error::{CallError, CallErrorKind};

/// Longer than anything takes but a hang.
const PATIENCE: Duration = Duration::from_secs(30);

fn failed() -> ChannelEnd {
    ChannelEnd::Failed(Box::new(CallError::new(
        "web1".into(),
        CallErrorKind::Cancelled,
    )))
}

/// Polls once.
fn poll<R>(poll: impl FnOnce(&mut Context<'_>) -> Poll<R>) -> Poll<R> {
    poll(&mut Context::from_waker(std::task::Waker::noop()))
}

/// Sends until sending would have to wait; returns the number of items sent.
fn fill(sender: &Sender<u32>, bytes: usize) -> usize {
    let mut sent = 0;
    while poll(|context| {
        sender
            .queue
            .poll_send(context, &mut Some(sender.item(7, bytes)))
    })
    .is_ready()
    {
        sent += 1;
    }
    sent
}

#[test]
fn a_sender_waits_while_too_much_waits_for_the_receiver() {
    for (bytes, fits) in [(1, 1024), (1 << 19, 2), (1 << 20, 1), (8 << 20, 1)] {
        let (sender, receiver) = channel();
        assert_eq!(fill(&sender, bytes), fits, "items of {bytes} bytes");
        let waiting = thread::spawn(move || sender.send(8));
        assert_eq!(
            receiver.iter().take(fits).collect::<Vec<_>>(),
            vec![7; fits]
        );
        assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), 8);
        waiting.join().unwrap().unwrap();
    }
}

#[test]
fn a_receiver_ends_with_its_last_sender_and_what_that_had_sent() {
    let (sender, receiver) = channel();
    let other = sender.clone();
    sender.send(1).unwrap();
    sender.close();
    other.send(2).unwrap();
    assert!(receiver.end().is_none());
    drop(other);
    assert!(receiver.end().is_none(), "something is left");
    assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2]);
    assert!(matches!(receiver.end(), Some(ChannelEnd::Closed)));
    assert!(matches!(
        receiver.recv(),
        Err(RecvError::Ended(ChannelEnd::Closed))
    ));
    assert!(matches!(
        receiver.try_recv(),
        Err(RecvError::Ended(ChannelEnd::Closed))
    ));
}

#[test]
fn who_waits_learns_of_the_end_of_the_other_side() {
    let (sender, receiver) = channel::<u32>();
    let waiting = thread::spawn(move || receiver.recv());
    drop(sender);
    assert!(matches!(
        waiting.join().unwrap(),
        Err(RecvError::Ended(ChannelEnd::Closed))
    ));

    let (sender, receiver) = channel();
    fill(&sender, 1);
    assert!(!sender.is_closed());
    let waiting = thread::spawn(move || sender.send(8));
    drop(receiver);
    let error = waiting.join().unwrap().unwrap_err();
    assert_eq!(
        (error.item, error.to_string()),
        (8, "the other end of the channel was closed".into())
    );
}

#[test]
fn waiting_in_vain_takes_no_memory() {
    let (sender, receiver) = channel::<u32>();
    for _ in 0..100 {
        assert!(matches!(
            receiver.recv_timeout(Duration::from_micros(10)),
            Err(RecvError::Timeout)
        ));
    }
    sender.send(1).unwrap();
    assert_eq!(receiver.try_recv().unwrap(), 1);
    assert!(matches!(receiver.try_recv(), Err(RecvError::Timeout)));
}

#[test]
fn the_first_failure_is_why_a_channel_ends() {
    let end_of = |ends: &[ChannelEnd]| {
        let (sender, receiver) = channel::<u32>();
        ends.iter().for_each(|end| sender.queue.end(end.clone()));
        drop(sender);
        receiver.end().unwrap().to_string()
    };
    use ChannelEnd::{Cancelled, Closed, Returned};
    assert_eq!(end_of(&[]), Closed.to_string());
    assert_eq!(end_of(&[Closed, Returned, Closed]), Returned.to_string());
    assert_eq!(
        end_of(&[Returned, failed(), Cancelled, Returned]),
        failed().to_string()
    );
    assert_eq!(
        failed().to_string(),
        "the call at the other end of the channel failed: web1: the call was cancelled"
    );
}

#[test]
fn an_iterator_is_asked_when_an_item_is_wanted() {
    let (asked, asks) = std::sync::mpsc::channel();
    let receiver = Receiver::from_iter((0..3).inspect(move |n| asked.send(*n).unwrap()));
    assert!(asks.try_recv().is_err());
    assert_eq!(receiver.recv().unwrap(), 0);
    assert_eq!(asks.try_iter().collect::<Vec<_>>(), [0]);
    assert_eq!(receiver.into_iter().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn async_code_waits_for_room_and_for_items() {
    let (mut sender, mut receiver) = channel();
    assert!(poll(|context| Pin::new(&mut receiver).poll_next(context)).is_pending());
    assert!(matches!(
        poll(|context| Pin::new(&mut sender).poll_ready(context)),
        Poll::Ready(Ok(()))
    ));
    Pin::new(&mut sender).start_send(1).unwrap();
    assert_eq!(
        poll(|context| Pin::new(&mut receiver).poll_next(context)),
        Poll::Ready(Some(1))
    );
    fill(&sender, 1);
    assert!(poll(|context| Pin::new(&mut sender).poll_ready(context)).is_pending());
    for _ in 0..2 {
        assert!(matches!(
            poll(|context| Pin::new(&mut sender).poll_close(context)),
            Poll::Ready(Ok(()))
        ));
    }
    assert_eq!(receiver.iter().count(), 1024, "it was closed, once");
}

#[test]
fn ends_travel_as_arguments_only() {
    let (sender, receiver) = channel::<u32>();
    for error in [
        cbor::encode(&sender).unwrap_err(),
        cbor::encode(&receiver).unwrap_err(),
    ] {
        assert!(
            error.to_string().contains("only as an argument of a task"),
            "{error}"
        );
    }
    assert!(
        cbor::decode::<Sender<u32>>(&[0])
            .unwrap_err()
            .to_string()
            .contains("only in a task")
    );

    let ((sender, receiver), mut ports) = (channel::<u32>(), ChannelEnds::default());
    let first = ports.during(|| cbor::encode(&("path", &sender)));
    let second = ports.during(|| cbor::encode(&[&receiver]));
    assert_eq!(
        (&*first.unwrap(), &*second.unwrap()),
        (&b"\x82\x64path\x00"[..], &b"\x81\x01"[..])
    );
    assert!(!ports.is_empty() && !ports.are_shared());
    assert!(cbor::encode(&sender).is_err(), "that was all");
}

#[test]
fn a_receiver_goes_to_one_call() {
    let (sender, receiver) = channel::<u32>();
    let mut ports = ChannelEnds::default();
    ports.during(|| cbor::encode(&receiver)).unwrap();
    drop(receiver);
    assert!(!sender.is_closed(), "the call has it");
    let host = crate::Host::new("local:").unwrap();
    let bridges = ports.bridges::<()>(host.link()).ok().unwrap();
    assert!(matches!(
        ports.bridges::<()>(host.link()),
        Err(CallErrorKind::Encode(_))
    ));
    bridges.end(failed());
    assert!(matches!(
        sender.send(1).unwrap_err().end,
        ChannelEnd::Failed(_)
    ));
}

#[test]
fn a_call_that_is_dropped_before_it_began_is_why_a_channel_ends() {
    let (sender, receiver) = channel::<u32>();
    let mut ports = ChannelEnds::default();
    ports.during(|| cbor::encode(&sender)).unwrap();
    drop(sender);
    let bridges = std::mem::take(&mut ports)
        .bridges::<()>(crate::Host::new("local:").unwrap().link())
        .ok()
        .unwrap();
    assert!(receiver.end().is_none());
    drop(bridges);
    assert!(matches!(
        receiver.recv(),
        Err(RecvError::Ended(ChannelEnd::Cancelled))
    ));
}
