//! The driver's table of events.

use wxec_protocol::ControllerEvent;

use super::{Driver, End};
use crate::session::printer::Printed;

impl Driver {
    pub(super) fn handle_events(&mut self) -> Result<(), End> {
        while let Some(event) = self.connection.poll_event() {
            self.handle_event(event)?;
        }
        Ok(())
    }

    /// Returns an error if the agent has said goodbye.
    fn handle_event(&mut self, event: ControllerEvent) -> Result<(), End> {
        match event {
            ControllerEvent::Need { module, again } => self.handle_need(module, again),
            ControllerEvent::Data { id, bytes } => {
                if let Some(stream) = self.streams.get(&id) {
                    stream.inbox.push(bytes);
                }
            }
            ControllerEvent::Credit { id, bytes } => {
                if let Some(stream) = self.streams.get(&id) {
                    stream.window.add(bytes);
                }
            }
            ControllerEvent::Finished { id } => {
                if let Some(stream) = self.streams.get(&id) {
                    stream.inbox.finish();
                }
            }
            ControllerEvent::StreamClosed { id, end } => {
                if let Some(mut stream) = self.forget_stream(id) {
                    stream.inbox.finish();
                    stream.end(Ok(end));
                }
            }
            ControllerEvent::Blob { digest, held } => {
                if let Some(answer) = self.blob_answers.remove(&digest) {
                    let _ = answer.send(held);
                }
            }
            ControllerEvent::Description(description) => {
                if let Some(answer) = self.describing.pop_front() {
                    let _ = answer.send(description);
                }
            }
            ControllerEvent::Output { id, stream, bytes } => {
                self.begin_printing(id);
                self.printer.print(Printed::Output { id, stream, bytes });
            }
            ControllerEvent::Log {
                id,
                level,
                target,
                message,
            } => {
                self.begin_printing(id);
                self.printer.print(Printed::Log {
                    id,
                    level,
                    target,
                    message,
                });
            }
            ControllerEvent::Ask {
                call,
                ask,
                question,
            } => self.handle_ask(call, ask, question),
            ControllerEvent::Returned { id, outcome, usage } => {
                self.handle_return(id, outcome, usage)
            }
            ControllerEvent::Closed => return Err(End::Closed),
            _ => {}
        }
        Ok(())
    }
}
