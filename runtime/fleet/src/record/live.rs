//! The lines of a run as they are printed while it goes on: those of its record, and results, which no
//! record has.

use serde::Serialize;

use super::event::RunHeader;
use crate::rollout::Event;

/// A line of a run that is printed while it goes on, with results of type `V`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum LiveLine<'a, V> {
    /// The first line.
    Header(&'a RunHeader),
    /// Something has happened.
    Event {
        /// The event.
        #[serde(flatten)]
        event: &'a Event,
        /// Result of a host, beside its event `ended`; a record never has it.
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<V>,
    },
    /// A function with channels has sent an item; a record never has this line.
    Item(LiveItem<V>),
    /// A step of a plan begins or has ended; a record never has this line.
    Step(LiveStep),
    /// The program ends. Without this line, it was killed.
    Exit {
        /// Its exit code.
        exit_code: u8,
    },
}

/// An item that a function sent on a host.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename = "item")]
pub struct LiveItem<V> {
    /// Milliseconds since the run began.
    pub at_ms: u64,
    /// The host.
    pub host: String,
    /// The item.
    pub item: V,
}

/// A step of a plan on a host.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename = "step")]
pub struct LiveStep {
    /// Milliseconds since the run began.
    pub at_ms: u64,
    /// The host.
    pub host: String,
    /// The path of the step.
    pub step: String,
    /// Its state, such as `changed`; null while it is under way.
    pub state: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::value::{RawValue, to_raw_value};

    use super::*;
    use crate::{
        record::event::RunLine,
        rollout::{Ending, EventKind},
    };

    fn raw(value: &str) -> Box<RawValue> {
        RawValue::from_string(value.into()).unwrap()
    }

    fn ended() -> Event {
        Event {
            at_ms: 7,
            kind: EventKind::Ended {
                host: "web1".into(),
                ending: Ending::Ok,
                error: None,
            },
        }
    }

    #[test]
    fn a_result_is_a_field_of_its_hosts_end() {
        let (event, value) = (&ended(), Some(raw("12345678901234567890123")));
        let line = to_raw_value(&LiveLine::Event { event, value }).unwrap();
        assert_eq!(
            line.get(),
            r#"{"at_ms":7,"event":"ended","host":"web1","ending":"ok","error":null,"value":12345678901234567890123}"#
        );
        let none: Option<Box<RawValue>> = None;
        let plain = to_raw_value(&LiveLine::Event { event, value: none }).unwrap();
        assert_eq!(plain.get(), serde_json::to_string(event).unwrap());
        // A reader of records takes it for the event without the result.
        for text in [line.get(), plain.get()] {
            let read: RunLine = serde_json::from_str(text).unwrap();
            assert_eq!(read, RunLine::Event(event.clone()));
        }
    }

    #[test]
    fn an_item_is_an_event_that_readers_of_records_ignore() {
        let item = LiveItem {
            at_ms: 7,
            host: "web1".into(),
            item: raw("[1]"),
        };
        let line = serde_json::to_string(&LiveLine::Item(item)).unwrap();
        assert_eq!(
            line,
            r#"{"event":"item","at_ms":7,"host":"web1","item":[1]}"#
        );
        let read: RunLine = serde_json::from_str(&line).unwrap();
        assert!(matches!(read, RunLine::Unknown(_)));
    }
}
