//! What a recording begins and ends with.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::wire::{Cursor, Malformed, put_bytes, put_number, put_signed};
use crate::rng::Seed;

/// All that a machine like the recorded one is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// The program that recorded, with its version (`primacy 0.1.0`).
    pub program: String,
    /// What kind of machine it ran (`node/keyspace`).
    pub machine: String,
    /// The seed that the machine was made from.
    pub seed: Seed,
    /// Its configuration as text. The recorder puts tokens in the place of its passwords.
    pub config: String,
    /// What else it was made from ([`About`](crate::node::About)), by [`Recorded`](super::Recorded).
    pub about: Vec<u8>,
}

impl Header {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.program.as_bytes());
        put_bytes(out, self.machine.as_bytes());
        out.extend_from_slice(&self.seed);
        put_bytes(out, self.config.as_bytes());
        put_bytes(out, &self.about);
    }

    pub(super) fn take(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let program = from.text("the name of a program")?.into();
        let machine = from.text("the kind of a machine")?.into();
        let mut seed = Seed::default();
        seed.copy_from_slice(from.take(32, "a seed of 32 bytes")?);
        let config = from.text("a configuration")?.into();
        let about = from.bytes("what is known of the process")?.into();
        if !from.is_empty() {
            return Err(from.expected("the end of the header"));
        }
        Ok(Self { program, machine, seed, config, about })
    }
}

/// Why a recording ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum End {
    /// The machine ended itself.
    Exit {
        /// Its exit code.
        code: i32,
    },
    /// The machine was dropped.
    Dropped,
    /// The recording would have grown past its bound.
    Bound {
        /// The bound in bytes.
        bytes: u64,
    },
    /// An input was larger than a block may be.
    TooLarge {
        /// Its length as a record, bytes.
        len: u64,
    },
    /// The disk did not keep up.
    Slow {
        /// Bytes that waited to be written.
        waiting: u64,
    },
    /// The file could not be written.
    Failed,
}

impl End {
    pub(super) fn put(self, out: &mut Vec<u8>) {
        match self {
            Self::Exit { code } => {
                out.push(0);
                put_signed(out, code.into());
            }
            Self::Dropped => out.push(1),
            Self::Bound { bytes: n } | Self::TooLarge { len: n } | Self::Slow { waiting: n } => {
                out.push(match self {
                    Self::Bound { .. } => 2,
                    Self::TooLarge { .. } => 3,
                    _ => 4,
                });
                put_number(out, n);
            }
            Self::Failed => out.push(5),
        }
    }

    pub(super) fn take(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let start = from.expected("a reason of the end from 0 to 5");
        let end = match from.byte("a reason of the end")? {
            0 => Self::Exit { code: i32::try_from(from.signed("an exit code")?).map_err(|_| start)? },
            1 => Self::Dropped,
            2 => Self::Bound { bytes: from.number("a bound")? },
            3 => Self::TooLarge { len: from.number("a length")? },
            4 => Self::Slow { waiting: from.number("a number of bytes")? },
            5 => Self::Failed,
            _ => return Err(start),
        };
        if from.is_empty() { Ok(end) } else { Err(from.expected("the end of the block")) }
    }

    /// Whether it ended because the machine did: nothing is missing.
    pub fn is_whole(self) -> bool {
        matches!(self, Self::Exit { .. } | Self::Dropped)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit { code } => write!(f, "the machine ended with exit code {code}"),
            Self::Dropped => f.write_str("the program that embeds the machine dropped it"),
            Self::Bound { bytes } => write!(f, "the recording reached its bound of {bytes} bytes (--record-max)"),
            Self::TooLarge { len } => write!(f, "one input takes {len} bytes, more than a recording's block holds"),
            Self::Slow { waiting } => write!(f, "the disk did not keep up: {waiting} bytes waited to be written"),
            Self::Failed => f.write_str("the file could not be written"),
        }
    }
}
