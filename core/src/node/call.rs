//! What an embedding program asks of a node.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::journal::Recorded;
use crate::journal::wire::{Cursor, Malformed, put_bytes, put_number};

/// What an embedding program asks of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Call {
    /// Follow this master, as `REPLICAOF host port` does.
    Follow {
        /// Name or address.
        host: Box<str>,
        /// Port.
        port: u16,
    },
    /// Become a master, as `REPLICAOF NO ONE` does.
    Promote,
}

impl Recorded for Call {
    fn record(&self, out: &mut Vec<u8>) {
        match self {
            Self::Follow { host, port } => {
                out.push(0);
                put_bytes(out, host.as_bytes());
                put_number(out, (*port).into());
            }
            Self::Promote => out.push(1),
        }
    }

    fn recall(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let start = from.expected("a call from 0 to 1");
        match from.byte("a call")? {
            0 => Ok(Self::Follow { host: from.text("the host of a master")?, port: from.narrow("a port")? }),
            1 => Ok(Self::Promote),
            _ => Err(start),
        }
    }
}
