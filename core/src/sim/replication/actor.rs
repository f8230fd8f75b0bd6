//! Who lives in the world of this campaign: nodes, workload clients, the operator.

use alloc::boxed::Box;
use core::fmt;

use super::client::{Client, ClientCall, Nothing};
use super::operator::{Operator, Order};
use crate::ids::ConnId;
use crate::keyspace::Keyspace;
use crate::machine::{Action, Actions, Chunks, Input, Level, LogLine, Machine};
use crate::node::{self, Node};
use crate::sim::campaign::input_for;
use crate::time::{Instant, Now};

/// A machine of the campaign.
pub enum Actor {
    /// A server.
    Node(Box<Node<Keyspace>>, Actions<node::Event>),
    /// A workload client.
    Client(Box<Client>),
    /// Who says REPLICAOF.
    Operator(Box<Operator>),
}

/// What the program of a run asks of its machines.
#[derive(Debug)]
pub enum Call {
    /// Of a node.
    Node(node::Call),
    /// Of a client.
    Client(ClientCall),
    /// Of the operator.
    Operator(Order),
}

/// What machines tell.
#[derive(Debug)]
pub enum Event {
    /// A node's line in the log.
    Node(node::Event),
}

impl From<node::Event> for Event {
    fn from(event: node::Event) -> Self {
        Self::Node(event)
    }
}

impl From<Nothing> for Event {
    fn from(nothing: Nothing) -> Self {
        match nothing {}
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Node(event) = self;
        fmt::Display::fmt(event, f)
    }
}

impl LogLine for Event {
    fn level(&self) -> Level {
        let Self::Node(event) = self;
        event.level()
    }
    fn role(&self) -> char {
        let Self::Node(event) = self;
        event.role()
    }
}

impl Actor {
    /// A server.
    pub fn node(node: Node<Keyspace>) -> Self {
        Self::Node(Box::new(node), Actions::new())
    }

    /// The server, if it is one.
    pub fn as_node(&self) -> Option<&Node<Keyspace>> {
        match self {
            Self::Node(node, _) => Some(node),
            _ => None,
        }
    }

    /// The workload client, if it is one.
    pub fn as_client(&self) -> Option<&Client> {
        match self {
            Self::Client(client) => Some(client),
            _ => None,
        }
    }

    /// The operator, if it is one.
    pub fn as_operator(&self) -> Option<&Operator> {
        match self {
            Self::Operator(operator) => Some(operator),
            _ => None,
        }
    }
}

impl Machine for Actor {
    type Call = Call;
    type Event = Event;

    fn handle(&mut self, now: Now, input: Input<'_, Call>, out: &mut Actions<Event>) {
        match self {
            Self::Node(node, own) => {
                let own_call = |call| match call {
                    Call::Node(call) => Some(call),
                    _ => None,
                };
                if let Some(input) = input_for(input, own_call) {
                    node.handle(now, input, own);
                    out.append(own);
                }
            }
            // A client's process ends as it is asked to: at once.
            Self::Client(_) | Self::Operator(_) if matches!(input, Input::Shutdown { .. }) => {
                out.push(Action::Exit { code: 0 });
            }
            Self::Client(client) => {
                let own_call = |call| match call {
                    Call::Client(call) => Some(call),
                    _ => None,
                };
                if let Some(input) = input_for(input, own_call) {
                    client.handle(now.mono, input, out);
                }
            }
            Self::Operator(operator) => {
                let own_call = |call| match call {
                    Call::Operator(order) => Some(order),
                    _ => None,
                };
                if let Some(input) = input_for(input, own_call) {
                    operator.handle(now.mono, input, out);
                }
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Node(node, _) => node.deadline(),
            Self::Client(client) => client.deadline(),
            Self::Operator(operator) => operator.deadline(),
        }
    }

    fn transmit(&mut self, conn: ConnId, budget: usize, out: &mut Chunks) {
        match self {
            Self::Node(node, _) => node.transmit(conn, budget, out),
            Self::Client(client) => client.transmit(conn, budget, out),
            Self::Operator(operator) => operator.transmit(conn, budget, out),
        }
    }
}
