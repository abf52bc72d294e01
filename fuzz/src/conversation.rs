//! Both ends, and the wire between them.

use std::collections::VecDeque;

use wxec_protocol::ProtocolError;

use crate::{Damage, End, Peer, Said, Step, agent::Agent, controller::Controller, payload::length};

/// Bytes that both ends may send in one conversation: enough for a window and some more, and few
/// enough for milliseconds.
const MAX_SENT_BYTES: usize = 3 << 20;

/// Only the last frames, and only short ones, are kept to be repeated.
const MAX_KEPT: usize = 32;
const MAX_KEPT_BYTES: usize = 300;

/// Both ends, and the frames under way between them.
pub struct Conversation {
    controller: Controller,
    agent: Agent,
    /// The end whose messages are tampered with.
    tampered: Option<End>,
    to_agent: Wire,
    to_controller: Wire,
    sent_bytes: usize,
}

#[derive(Default)]
struct Wire {
    frames: VecDeque<Vec<u8>>,
    kept: VecDeque<Vec<u8>>,
}

/// Runs a conversation until it breaks off. The messages of one end may be tampered with on their
/// way.
pub fn talk(steps: &[Step], tampered: Option<End>) -> Result<Conversation, ProtocolError> {
    let peer = if tampered.is_none() {
        Peer::Honest
    } else {
        Peer::Any
    };
    let mut conversation = Conversation {
        controller: Controller::new(peer),
        agent: Agent::new(peer),
        tampered,
        to_agent: Wire::default(),
        to_controller: Wire::default(),
        sent_bytes: 0,
    };
    steps.iter().try_for_each(|step| conversation.step(*step))?;
    Ok(conversation)
}

impl Conversation {
    fn step(&mut self, step: Step) -> Result<(), ProtocolError> {
        match step {
            Step::Say {
                said,
                which,
                amount,
                by,
            } => {
                let left = MAX_SENT_BYTES.saturating_sub(self.sent_bytes);
                let amount = if length(amount) > left { 0 } else { amount };
                self.sent_bytes += length(amount);
                match by {
                    End::Controller => self.controller.say(said, which, amount),
                    End::Agent => self.agent.say(said, which, amount),
                }
            }
            Step::Carry {
                from,
                frames,
                cut,
                part,
            } => {
                self.transmit(from);
                let arriving = self.wire(from).take(frames.into(), cut.into());
                self.arrive(from, &arriving, part.into())?;
            }
            Step::Tamper {
                from,
                damage,
                frame,
                at,
                byte,
            } => {
                if self.tampered == Some(from) {
                    self.wire(from)
                        .tamper(damage, frame.into(), at.into(), byte);
                }
            }
        }
        Ok(())
    }

    fn wire(&mut self, from: End) -> &mut Wire {
        match from {
            End::Controller => &mut self.to_agent,
            End::Agent => &mut self.to_controller,
        }
    }

    fn transmit(&mut self, from: End) -> bool {
        let mut sent = Vec::new();
        match from {
            End::Controller => self.controller.transmit(&mut sent),
            End::Agent => self.agent.connection.poll_transmit(&mut sent),
        }
        self.wire(from).put(&sent);
        !sent.is_empty()
    }

    /// Delivers bytes to the other end, in parts of about `part` bytes.
    fn arrive(&mut self, from: End, bytes: &[u8], part: usize) -> Result<(), ProtocolError> {
        // Many parts take long and test no more than some.
        for part in bytes.chunks(part.max(bytes.len() / 64).max(1)) {
            match from {
                End::Controller => self.agent.hear(part)?,
                End::Agent => self.controller.hear(part)?,
            }
        }
        Ok(())
    }

    /// Returns the last short frames of an end, as they were sent.
    pub fn sent(&self, by: End) -> impl Iterator<Item = &[u8]> {
        let wire = if by == End::Controller {
            &self.to_agent
        } else {
            &self.to_controller
        };
        wire.kept.iter().map(Vec::as_slice)
    }

    /// Ends the conversation as honest ends do, and checks that nothing is left of it.
    pub fn close(mut self) -> Result<(), ProtocolError> {
        let mut rounds = 0;
        loop {
            self.controller.settle();
            self.controller.say(Said::Bye, 0, 0);
            self.agent.settle();
            let mut silent = true;
            for end in [End::Controller, End::Agent] {
                silent &= !self.transmit(end);
                let arriving = self.wire(end).take(usize::MAX, 0);
                silent &= arriving.is_empty();
                self.arrive(end, &arriving, usize::MAX)?;
            }
            if silent {
                break;
            }
            rounds += 1;
            assert!(rounds < 10_000, "both ends go on and on");
        }
        assert!(
            self.controller.is_done() && self.agent.connection.is_idle(),
            "something was never answered"
        );
        Ok(())
    }
}

impl Wire {
    /// Adds complete frames that an end has sent.
    fn put(&mut self, mut sent: &[u8]) {
        while let Some(head) = sent.first_chunk() {
            let (frame, rest) = sent.split_at(4 + u32::from_le_bytes(*head) as usize);
            self.frames.push_back(frame.to_vec());
            if frame.len() <= MAX_KEPT_BYTES {
                self.kept.push_back(frame.to_vec());
                self.kept.drain(..self.kept.len().saturating_sub(MAX_KEPT));
            }
            sent = rest;
        }
    }

    /// Removes some frames, and the first bytes of the next one.
    fn take(&mut self, frames: usize, cut: usize) -> Vec<u8> {
        let mut taken = self
            .frames
            .drain(..frames.min(self.frames.len()))
            .collect::<Vec<_>>()
            .concat();
        if let Some(next) = self.frames.front_mut() {
            taken.extend(next.drain(..cut.min(next.len() - 1)));
        }
        taken
    }

    fn tamper(&mut self, damage: Damage, frame: usize, at: usize, byte: u8) {
        let (count, kept) = (self.frames.len(), self.kept.len());
        if damage == Damage::Repeat && kept > 0 {
            let again = self.kept[frame % kept].clone();
            self.frames.insert(at % (count + 1), again);
        }
        if count == 0 {
            return;
        }
        let number = frame % count;
        let frame = &mut self.frames[number];
        match damage {
            Damage::Change if !frame.is_empty() => {
                let at = at % frame.len();
                frame[at] = byte;
            }
            Damage::Grow if frame.len() >= 4 => {
                frame.insert(4 + at % (frame.len() - 3), byte);
                announce(frame);
            }
            Damage::Shrink if frame.len() > 4 => {
                frame.remove(4 + at % (frame.len() - 4));
                announce(frame);
            }
            Damage::Lose => drop(self.frames.remove(number)),
            Damage::Swap => self.frames.swap(number, at % count),
            _ => {}
        }
    }
}

/// Sets a frame's head to its length.
fn announce(frame: &mut [u8]) {
    let length = u32::try_from(frame.len() - 4).expect("frames are short");
    frame[..4].copy_from_slice(&length.to_le_bytes());
}
