//! Messages from the controller.

use super::{AgentConnection, event::AgentEvent};
use crate::{
    BUILD, ProtocolError,
    wire::message::{ToAgent, ToController},
    wire::stream::Splice,
};

impl AgentConnection {
    pub(super) fn handle_message(&mut self, message: ToAgent<'_>) -> Result<(), ProtocolError> {
        if self.greeted == matches!(message, ToAgent::Hello { .. }) {
            return Err(ProtocolError::Greeting);
        }
        match message {
            ToAgent::Hello { build } => self.handle_hello(build)?,
            ToAgent::Call {
                id,
                request,
                brings_module,
                input_length,
                input,
            } => {
                if brings_module {
                    self.expect_module(request.module)?;
                }
                self.handle_call(id, request, input_length, input)?;
            }
            ToAgent::Input { id, bytes } => self.handle_input_part(id, bytes)?,
            ToAgent::Bring { digest } => self.expect_module(digest)?,
            ToAgent::Module {
                digest,
                length,
                bytes,
            } => self.handle_module_part(digest, length, bytes)?,
            ToAgent::NoModule { digest, reason } => self.handle_no_module(digest, reason)?,
            ToAgent::Cancel { id } => self.handle_cancel(id),
            ToAgent::DropInstance { instance } => {
                self.events.push_back(AgentEvent::DropInstance { instance })
            }
            ToAgent::Answer { ask, outcome } => self.handle_answer(ask, outcome)?,
            ToAgent::OutputCredit { bytes } => self.output.receive_credit(bytes)?,
            ToAgent::Start { streams, command } => self.handle_start(streams, command)?,
            ToAgent::Open { id, service } => self.handle_open(id, service)?,
            ToAgent::Signal { id, signal } => self.handle_signal(id, signal)?,
            ToAgent::Resize { id, size } => self.handle_resize(id, size)?,
            ToAgent::Data { id, bytes } => self.handle_data(id, bytes)?,
            ToAgent::Splice {
                id,
                blob,
                offset,
                length,
            } => {
                let splice = Splice {
                    blob,
                    offset,
                    length,
                };
                self.handle_splice(id, splice)?;
            }
            ToAgent::Credit { id, bytes } => self.handle_credit(id, bytes)?,
            ToAgent::Finish { id } => self.handle_finish(id)?,
            ToAgent::Close { id } => self.handle_close(id)?,
            ToAgent::AskBlob { digest } => self.events.push_back(AgentEvent::AskBlob { digest }),
            ToAgent::Blob {
                digest,
                length,
                bytes,
            } => self.handle_blob_part(digest, length, bytes)?,
            ToAgent::Describe => self.events.push_back(AgentEvent::Describe),
            ToAgent::Ping => self.outbox.say(&ToController::Pong),
            ToAgent::Bye => self.events.push_back(AgentEvent::Closing),
        }
        Ok(())
    }

    fn handle_hello(&mut self, build: &str) -> Result<(), ProtocolError> {
        if build != BUILD {
            return Err(ProtocolError::OtherBuild {
                ours: BUILD,
                theirs: build.into(),
            });
        }
        self.greeted = true;
        Ok(())
    }
}
