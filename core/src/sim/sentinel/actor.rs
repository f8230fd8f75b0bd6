//! Who lives in the world of this campaign: servers, sentinels, clients.

use alloc::boxed::Box;
use core::fmt;

use super::classic::{self, Classic};
use super::client::{Client, ClientCall};
use super::stand::Stand;
use crate::ids::ConnId;
use crate::keyspace::Keyspace;
use crate::machine::{Action, Actions, Chunks, Input, Level, LogLine, Machine};
use crate::node::{self, Node};
use crate::sentinel::{self, Sentinel};
use crate::sim::campaign::input_for;
use crate::time::{Instant, Now};

/// A machine of the campaign.
pub enum Actor {
    /// A server.
    Node(Box<Node<Keyspace>>, Actions<node::Event>),
    /// A sentinel.
    Sentinel(Box<Sentinel>, Actions<sentinel::Event>),
    /// A client.
    Client(Box<Client>),
    /// A stand-in for a server.
    Stand(Box<Stand>),
    /// A model of redis-sentinel's times and votes.
    Classic(Box<Classic>, Actions<classic::Event>),
}

/// What the program of a run asks of its machines.
#[derive(Debug)]
pub enum Call {
    /// Of a server.
    Node(node::Call),
    /// Of a sentinel.
    Sentinel(sentinel::Call),
    /// Of a client.
    Client(ClientCall),
}

/// What machines tell.
#[derive(Debug)]
pub enum Event {
    /// A server's line in the log.
    Node(node::Event),
    /// A sentinel's line in the log.
    Sentinel(sentinel::Event),
    /// What the model of redis-sentinel came to.
    Classic(classic::Event),
}

impl From<node::Event> for Event {
    fn from(event: node::Event) -> Self {
        Self::Node(event)
    }
}

impl From<sentinel::Event> for Event {
    fn from(event: sentinel::Event) -> Self {
        Self::Sentinel(event)
    }
}

impl From<classic::Event> for Event {
    fn from(event: classic::Event) -> Self {
        Self::Classic(event)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(event) => fmt::Display::fmt(event, f),
            Self::Sentinel(event) => fmt::Display::fmt(event, f),
            Self::Classic(event) => fmt::Display::fmt(event, f),
        }
    }
}

impl LogLine for Event {
    fn level(&self) -> Level {
        match self {
            Self::Node(event) => event.level(),
            Self::Sentinel(event) => event.level(),
            Self::Classic(event) => event.level(),
        }
    }
    fn role(&self) -> char {
        match self {
            Self::Node(event) => event.role(),
            Self::Sentinel(event) => event.role(),
            Self::Classic(event) => event.role(),
        }
    }
}

impl Actor {
    /// A server.
    pub fn node(node: Node<Keyspace>) -> Self {
        Self::Node(Box::new(node), Actions::new())
    }

    /// A sentinel.
    pub fn sentinel(sentinel: Sentinel) -> Self {
        Self::Sentinel(Box::new(sentinel), Actions::new())
    }

    /// The server, if it is one.
    pub fn as_node(&self) -> Option<&Node<Keyspace>> {
        match self {
            Self::Node(node, _) => Some(node),
            _ => None,
        }
    }

    /// The sentinel, if it is one.
    pub fn as_sentinel(&self) -> Option<&Sentinel> {
        match self {
            Self::Sentinel(sentinel, _) => Some(sentinel),
            _ => None,
        }
    }

    /// The client, if it is one.
    pub fn as_client(&self) -> Option<&Client> {
        match self {
            Self::Client(client) => Some(client),
            _ => None,
        }
    }

    /// The stand-in, if it is one.
    pub fn as_stand(&self) -> Option<&Stand> {
        match self {
            Self::Stand(stand) => Some(stand),
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
                let call = |call| if let Call::Node(call) = call { Some(call) } else { None };
                if let Some(input) = input_for(input, call) {
                    node.handle(now, input, own);
                    out.append(own);
                }
            }
            Self::Sentinel(sentinel, own) => {
                let call = |call| if let Call::Sentinel(call) = call { Some(call) } else { None };
                if let Some(input) = input_for(input, call) {
                    sentinel.handle(now, input, own);
                    out.append(own);
                }
            }
            // Their processes end as they are asked to: at once.
            Self::Client(_) | Self::Stand(_) | Self::Classic(..) if matches!(input, Input::Shutdown { .. }) => {
                out.push(Action::Exit { code: 0 });
            }
            Self::Client(client) => {
                let call = |call| if let Call::Client(call) = call { Some(call) } else { None };
                if let Some(input) = input_for(input, call) {
                    client.handle(now.mono, input, out);
                }
            }
            Self::Stand(stand) => stand.handle(input, out),
            Self::Classic(classic, own) => {
                classic.handle(now.mono, input, own);
                out.append(own);
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Node(node, _) => node.deadline(),
            Self::Sentinel(sentinel, _) => sentinel.deadline(),
            Self::Client(client) => client.deadline(),
            Self::Stand(stand) => stand.deadline(),
            Self::Classic(classic, _) => classic.deadline(),
        }
    }

    fn transmit(&mut self, conn: ConnId, budget: usize, out: &mut Chunks) {
        match self {
            Self::Node(node, _) => node.transmit(conn, budget, out),
            Self::Sentinel(sentinel, _) => sentinel.transmit(conn, budget, out),
            Self::Client(client) => client.transmit(conn, budget, out),
            Self::Stand(stand) => stand.transmit(conn, budget, out),
            Self::Classic(classic, _) => classic.transmit(conn, budget, out),
        }
    }
}
