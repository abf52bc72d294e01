//! Meaning of a fuzzer's bytes: four of them are one step of a conversation.

use libfuzzer_sys::arbitrary::{Arbitrary, Result, Unstructured};

/// An end of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The end that makes calls.
    Controller,
    /// The end that runs calls.
    Agent,
}

/// Action of an end's driver. `which` selects its object among those there are, `amount` is a
/// length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are named after the connections' methods")]
pub enum Said {
    Call,
    Cancel,
    Provide,
    ProvideFromHop,
    ProvideDamaged,
    Refuse,
    Start,
    StartWithTerminal,
    Splice,
    AskBlob,
    SendBlob,
    AskDescription,
    Ping,
    Bye,
    Need,
    Output,
    Return,
    Fail,
    AnswerBlob,
    Describe,
    Send,
    Finish,
    Take,
    Close,
}

/// Damage to frames under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// A byte is changed.
    Change,
    /// A byte is added.
    Grow,
    /// A byte is removed.
    Shrink,
    /// An earlier frame is repeated.
    Repeat,
    /// A frame is lost.
    Lose,
    /// Two frames are swapped.
    Swap,
}

/// One step of a conversation.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// An end's driver performs an action.
    Say {
        /// The action.
        said: Said,
        /// Selects its object.
        which: u8,
        /// Selects a length.
        amount: u8,
        /// The end, for actions that both can perform.
        by: End,
    },
    /// An end's messages leave, and some of the frames under way arrive.
    Carry {
        /// The end that sends.
        from: End,
        /// Number of frames that arrive.
        frames: u8,
        /// Number of bytes of the next frame that arrive.
        cut: u8,
        /// Number of bytes that arrive at once.
        part: u8,
    },
    /// An end's messages are damaged on their way.
    Tamper {
        /// The end whose messages are damaged.
        from: End,
        /// The damage.
        damage: Damage,
        /// Selects the frame.
        frame: u8,
        /// The position in it, or the other frame.
        at: u8,
        /// The new byte.
        byte: u8,
    },
}

const BOTH: [Said; 4] = [Said::Send, Said::Finish, Said::Take, Said::Close];
const CONTROLLER: [Said; 14] = [
    Said::Call,
    Said::Cancel,
    Said::Provide,
    Said::ProvideFromHop,
    Said::ProvideDamaged,
    Said::Refuse,
    Said::Start,
    Said::StartWithTerminal,
    Said::Splice,
    Said::AskBlob,
    Said::SendBlob,
    Said::AskDescription,
    Said::Ping,
    Said::Bye,
];
const AGENT: [Said; 6] = [
    Said::Need,
    Said::Output,
    Said::Return,
    Said::Fail,
    Said::AnswerBlob,
    Said::Describe,
];
const DAMAGE: [Damage; 6] = [
    Damage::Change,
    Damage::Grow,
    Damage::Shrink,
    Damage::Repeat,
    Damage::Lose,
    Damage::Swap,
];

/// Parts of a step's first byte: its end, its kind, and its number. Numbers without a meaning leave
/// room for new steps, so that kept inputs keep their meaning.
const AGENTS: u8 = 0x80;
const KIND: u8 = 0x60;
const CARRY: u8 = 0x00;
const TAMPER: u8 = 0x20;
const SAY_EITHER: u8 = 0x40;
const SAY: u8 = 0x60;
const NUMBER: u8 = 0x0f;

impl Step {
    /// Reads the step from four bytes, if they mean one.
    pub fn read([head, a, b, c]: [u8; 4]) -> Option<Self> {
        let by = if head & AGENTS == 0 {
            End::Controller
        } else {
            End::Agent
        };
        let own = if by == End::Controller {
            &CONTROLLER[..]
        } else {
            &AGENT
        };
        let number = usize::from(head & NUMBER);
        match head & KIND {
            CARRY => Some(Self::Carry {
                from: by,
                frames: a,
                cut: b,
                part: c,
            }),
            TAMPER => DAMAGE.get(number).map(|damage| Self::Tamper {
                from: by,
                damage: *damage,
                frame: a,
                at: b,
                byte: c,
            }),
            SAY_EITHER => BOTH.get(number).map(|said| Self::Say {
                said: *said,
                which: a,
                amount: b,
                by,
            }),
            _ => own.get(number).map(|said| Self::Say {
                said: *said,
                which: a,
                amount: b,
                by,
            }),
        }
    }

    /// Returns four bytes that mean this step.
    pub fn bytes(self) -> [u8; 4] {
        let whose = |end| if end == End::Controller { 0 } else { AGENTS };
        match self {
            Self::Carry {
                from,
                frames,
                cut,
                part,
            } => [whose(from) | CARRY, frames, cut, part],
            Self::Tamper {
                from,
                damage,
                frame,
                at,
                byte,
            } => [
                whose(from) | TAMPER | number(&DAMAGE, &damage).expect("all are listed"),
                frame,
                at,
                byte,
            ],
            Self::Say {
                said,
                which,
                amount,
                by,
            } => {
                let own = if by == End::Controller {
                    &CONTROLLER[..]
                } else {
                    &AGENT
                };
                let head = match number(own, &said) {
                    Some(number) => SAY | number,
                    None => SAY_EITHER | number(&BOTH, &said).expect("the other end says that"),
                };
                [whose(by) | head, which, amount, 0]
            }
        }
    }
}

impl Said {
    /// Returns the action with this name and the end that performs it: `either` if both can.
    pub fn named(name: &str, either: End) -> Option<(Self, End)> {
        let whose = [
            (&CONTROLLER[..], End::Controller),
            (&AGENT, End::Agent),
            (&BOTH, either),
        ];
        let mut all = whose
            .into_iter()
            .flat_map(|(all, by)| all.iter().map(move |said| (*said, by)));
        all.find(|(said, _)| format!("{said:?}") == name)
    }
}

fn number<T: PartialEq>(all: &[T], one: &T) -> Option<u8> {
    (0..)
        .zip(all)
        .find_map(|(number, other)| (other == one).then_some(number))
}

/// A whole conversation.
#[derive(Debug)]
pub struct Steps(pub Vec<Step>);

/// More than the longest conversation of the ordinary tests needs.
const MAX_STEPS: usize = 400;

impl Arbitrary<'_> for Steps {
    fn arbitrary(bytes: &mut Unstructured<'_>) -> Result<Self> {
        Self::arbitrary_take_rest(Unstructured::new(bytes.bytes(bytes.len())?))
    }

    fn arbitrary_take_rest(bytes: Unstructured<'_>) -> Result<Self> {
        let (steps, _) = bytes.take_rest().as_chunks();
        Ok(Self(
            steps
                .iter()
                .take(MAX_STEPS)
                .filter_map(|step| Step::read(*step))
                .collect(),
        ))
    }
}
