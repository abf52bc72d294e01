//! Messages from the agent.

use bytes::Bytes;

use super::{ControllerConnection, event::ControllerEvent};
use crate::{
    BUILD, Description, LogRecord, ProtocolError, Target, wire::ask::Ask,
    wire::message::ToController,
};

impl ControllerConnection {
    pub(super) fn handle_message(
        &mut self,
        message: ToController<'_>,
    ) -> Result<(), ProtocolError> {
        if self.greeted == matches!(message, ToController::Hello { .. }) {
            return Err(ProtocolError::Greeting);
        }
        match message {
            ToController::Hello { build, target } => self.handle_hello(build, target)?,
            ToController::Need { module } => self.handle_need(module)?,
            ToController::Output { id, stream, bytes } => self.handle_output(id, stream, bytes)?,
            ToController::Log {
                id,
                level,
                target,
                message,
            } => {
                let record = LogRecord {
                    level,
                    target,
                    message,
                };
                self.handle_log(id, record)?;
            }
            ToController::Ask {
                call,
                ask,
                address,
                function,
                deadline_ms,
                input,
            } => {
                let question = Ask {
                    address: address.into(),
                    function: function.into(),
                    input: Bytes::copy_from_slice(input),
                    deadline_ms,
                };
                self.handle_ask(call, ask, question)?;
            }
            ToController::Result { id, bytes } => self.open_call(id)?.receive(bytes)?,
            ToController::Return { id, outcome, usage } => {
                self.handle_return(id, outcome, usage)?
            }
            ToController::Data { id, bytes } => self.handle_data(id, bytes)?,
            ToController::Credit { id, bytes } => self.handle_credit(id, bytes)?,
            ToController::Finish { id } => self.handle_finish(id)?,
            ToController::Close { id, end } => self.handle_close(id, end)?,
            ToController::Blob { digest, held } => self.handle_blob(digest, held)?,
            ToController::Description(description) => self.handle_description(description)?,
            ToController::Pong => self.events.push_back(ControllerEvent::Pong),
            ToController::Bye => self.events.push_back(ControllerEvent::Closed),
        }
        Ok(())
    }

    fn handle_hello(&mut self, build: &str, target: Target) -> Result<(), ProtocolError> {
        if build != BUILD {
            return Err(ProtocolError::OtherBuild {
                ours: BUILD,
                theirs: build.into(),
            });
        }
        self.greeted = true;
        self.events.push_back(ControllerEvent::Ready { target });
        Ok(())
    }

    fn handle_description(&mut self, description: Description) -> Result<(), ProtocolError> {
        self.describing = self
            .describing
            .checked_sub(1)
            .ok_or(ProtocolError::Malformed)?;
        self.events
            .push_back(ControllerEvent::Description(description));
        Ok(())
    }
}
