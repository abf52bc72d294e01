//! The driver's table of commands.

use std::ops::ControlFlow;

use super::Driver;
use crate::session::command::{Command, Source};

impl Driver {
    /// Breaks when no more commands will come: all handles are gone, or one of them closed the
    /// session.
    pub(super) fn handle_command(&mut self, command: Option<Command>) -> ControlFlow<()> {
        match command {
            Some(Command::Call { call, streams }) => {
                let (mut request, pending) = *call;
                if let Some((count, opened)) = streams {
                    let _ = opened.send(self.open_task_streams(&mut request, count));
                }
                self.make_call(request, pending);
            }
            Some(Command::Run {
                call,
                command,
                started,
            }) => {
                let (mut request, pending) = *call;
                let _ = started.send(self.open_program(&mut request, command));
                self.make_call(request, pending);
            }
            Some(Command::Answer { ask, outcome }) => self.connection.answer(ask, outcome),
            Some(Command::Cancel { key }) => self.cancel(key),
            Some(Command::OutputTaken { cost }) => self.connection.output_taken(cost),
            Some(Command::DropInstance { instance }) => self.connection.drop_instance(instance),
            // The call may have been cancelled meanwhile; the agent's question is open all the
            // same.
            Some(Command::Provide { module, from }) => match from {
                Source::Here(artifact) => self.connection.provide(module, artifact),
                Source::Hop(length) => self.connection.provide_from_hop(module, length),
            },
            Some(Command::Start {
                command,
                terminal,
                started,
            }) => {
                let streams = self.connection.start(command, terminal);
                let _ = started.send(self.process(streams));
            }
            Some(Command::Open { service, opened }) => {
                let id = self.connection.open(service);
                // If the requester has gone, dropping the handle closes the stream.
                let _ = opened.send(self.open_service(id));
            }
            Some(Command::Stream(command)) => self.handle_stream_command(command),
            Some(Command::AskBlob { digest, answer }) => {
                self.connection.ask_blob(digest);
                self.blob_answers.insert(digest, answer);
            }
            Some(Command::SendBlob {
                digest,
                blob,
                answer,
            }) => {
                self.connection.send_blob(digest, blob);
                self.blob_answers.insert(digest, answer);
            }
            Some(Command::Describe { answer }) => {
                self.connection.describe();
                self.describing.push_back(answer);
            }
            Some(Command::Close { done }) => {
                self.waiting_for_close.push(done);
                self.connection.close();
                return ControlFlow::Break(());
            }
            None => {
                self.connection.close();
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}
