//! Ends that have been greeted and have something open, so that most messages can concern them.

use wxec_protocol::{AgentConnection, ControllerConnection, Target};

use crate::{Peer, Said, controller::Controller, payload::blob};

/// Returns a controller with three calls, open streams, and questions about a blob and the place.
pub fn greeted_controller() -> ControllerConnection {
    let mut controller = Controller::new(Peer::Any);
    for said in [
        Said::Call,
        Said::Call,
        Said::Call,
        Said::StartWithTerminal,
        Said::AskBlob,
        Said::AskDescription,
    ] {
        controller.say(said, 0, 1);
    }
    controller.say(Said::Send, 0, 100);
    let mut agent = AgentConnection::new(Target::here());
    let mut greeting = Vec::new();
    agent.poll_transmit(&mut greeting);
    controller
        .connection
        .handle_input(&greeting)
        .expect("an agent's greeting");
    assert_eq!(controller.connection.poll_transmit(&mut Vec::new()), None);
    controller.connection
}

/// Returns an agent that asked for a module.
pub fn greeted_agent() -> AgentConnection {
    let mut greeting = Vec::new();
    assert_eq!(
        ControllerConnection::new().poll_transmit(&mut greeting),
        None
    );
    let mut agent = AgentConnection::new(Target::here());
    agent
        .handle_input(&greeting)
        .expect("a controller's greeting");
    agent.need(blob(0).digest);
    agent.poll_transmit(&mut Vec::new());
    agent
}
