//! What an embedding program asks of a sentinel.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::journal::Recorded;
use crate::journal::wire::{Cursor, Malformed, put_bytes};

/// What an embedding program asks of a sentinel.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Call {
    /// Fail over now, as `SENTINEL FAILOVER name` does.
    Failover {
        /// The master.
        name: Box<str>,
    },
}

impl Recorded for Call {
    fn record(&self, out: &mut Vec<u8>) {
        match self {
            Self::Failover { name } => {
                out.push(0);
                put_bytes(out, name.as_bytes());
            }
        }
    }

    fn recall(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let start = from.expected("a call of a sentinel: 0");
        match from.byte("a call")? {
            0 => Ok(Self::Failover { name: from.text("the name of a master")? }),
            _ => Err(start),
        }
    }
}
