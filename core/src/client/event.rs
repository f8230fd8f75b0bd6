//! What happens among the clients, typed, and each with the log line that operators of Redis know.

use alloc::boxed::Box;
use core::fmt;

use super::OverLimit;
use crate::machine::{Endpoint, Level};

/// Something that happened among the clients of a node or a sentinel.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A client's bytes are no protocol.
    ProtocolError {
        /// The client, as `CLIENT LIST` shows it.
        client: Box<str>,
        /// What was wrong.
        why: Box<str>,
    },
    /// A client left too much unread.
    OutputLimit {
        /// The client, as `CLIENT LIST` shows it.
        client: Box<str>,
        /// Which limit.
        over: OverLimit,
    },
    /// A client held more input than it may.
    QueryLimit {
        /// The client, as `CLIENT LIST` shows it.
        client: Box<str>,
    },
    /// A client came in vain.
    Refused {
        /// Its address.
        peer: Endpoint,
        /// Why.
        why: &'static str,
    },
    /// A client came.
    Accepted(Endpoint),
    /// A client is logged in by its certificate.
    LoggedIn {
        /// Where it comes from.
        peer: Endpoint,
        /// As whom.
        user: Box<str>,
    },
    /// A client went.
    Closed(Endpoint),
    /// An idle client was closed.
    IdleClosed(Endpoint),
    /// Users or names of commands cannot be taken from the configuration or from `aclfile`: nothing is served.
    UsersUnusable {
        /// Why: file, line, and which rule.
        why: Box<str>,
    },
    /// `ACL SAVE` could not write.
    UsersUnsaved {
        /// Why.
        why: Box<str>,
    },
}

impl Event {
    /// How grave.
    pub fn level(&self) -> Level {
        match self {
            Self::Accepted(_)
            | Self::LoggedIn { .. }
            | Self::Closed(_)
            | Self::IdleClosed(_)
            | Self::ProtocolError { .. } => Level::Verbose,
            Self::OutputLimit { .. }
            | Self::QueryLimit { .. }
            | Self::Refused { .. }
            | Self::UsersUnusable { .. }
            | Self::UsersUnsaved { .. } => Level::Warning,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProtocolError { client, why } => write!(f, "Protocol error ({why}) from client: {client}"),
            Self::OutputLimit { client, .. } => {
                write!(f, "Client {client} scheduled to be closed ASAP for overcoming of output buffer limits.")
            }
            Self::QueryLimit { client } => write!(f, "Closing client that reached max query buffer length: {client}"),
            Self::Refused { peer, why } => write!(f, "Refused a connection from {peer}: {why}"),
            Self::Accepted(peer) => write!(f, "Accepted {peer}"),
            Self::LoggedIn { peer, user } => {
                write!(f, "TLS: Auto-authenticated client as {} (addr={peer})", user.escape_debug())
            }
            Self::Closed(peer) => write!(f, "Client closed connection {peer}"),
            Self::IdleClosed(peer) => write!(f, "Closing idle client {peer}"),
            Self::UsersUnusable { why } => write!(f, "Critical error while loading ACLs. Exiting. {why}"),
            Self::UsersUnsaved { why } => write!(f, "Saving ACLs failed: {why}"),
        }
    }
}
