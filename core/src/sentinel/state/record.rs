//! One line of a state file.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use crate::ids::RunId;
use crate::resp::parse_u64;
use crate::words::spell;

/// What must be on the disk before it is said. [`fmt::Display`] is its line, without the checksum.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Record {
    /// The sentinel's own id.
    MyId(RunId),
    /// The current epoch.
    CurrentEpoch(u64),
    /// A vote.
    Vote {
        /// About this master.
        master: String,
        /// In this epoch.
        epoch: u64,
        /// For this sentinel.
        leader: RunId,
    },
    /// Where a master is.
    Config {
        /// Its name.
        master: String,
        /// The configuration's epoch.
        epoch: u64,
        /// Its host.
        host: String,
        /// Its port.
        port: u16,
    },
    /// A master is watched no longer (`SENTINEL REMOVE`): a sentinel.conf that still names it is an old one.
    Forget {
        /// Its name.
        master: String,
    },
    /// sentinel.conf no longer names any of the forgotten masters: one that does was written by a person.
    Settled,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MyId(id) => write!(f, "myid {}", spell(id.as_str())),
            Self::CurrentEpoch(epoch) => write!(f, "current-epoch {epoch}"),
            Self::Vote { master, epoch, leader } => {
                write!(f, "vote {} {epoch} {}", spell(master), spell(leader.as_str()))
            }
            Self::Config { master, epoch, host, port } => {
                write!(f, "config {} {epoch} {} {port}", spell(master), spell(host))
            }
            Self::Forget { master } => write!(f, "forget {}", spell(master)),
            Self::Settled => f.write_str("settled"),
        }
    }
}

impl Record {
    /// The record that these words spell; an error says what was expected.
    pub(crate) fn read(words: &[String]) -> Result<Self, String> {
        let number = |text: &str| parse_u64(text.as_bytes()).ok_or_else(|| format!("'{text}' is no whole number"));
        let id = |text: &str| text.parse::<RunId>().map_err(|e| e.to_string());
        let words: alloc::vec::Vec<&str> = words.iter().map(|w| &w[..]).collect();
        Ok(match words[..] {
            ["myid", own] => Self::MyId(id(own)?),
            ["current-epoch", epoch] => Self::CurrentEpoch(number(epoch)?),
            ["vote", master, epoch, leader] => {
                Self::Vote { master: master.into(), epoch: number(epoch)?, leader: id(leader)? }
            }
            ["config", master, epoch, host, port] => Self::Config {
                master: master.into(),
                epoch: number(epoch)?,
                host: host.into(),
                port: port.parse().map_err(|_| format!("'{port}' is no port"))?,
            },
            ["forget", master] => Self::Forget { master: master.into() },
            ["settled"] => Self::Settled,
            _ => return Err("no record of this version looks like that".into()),
        })
    }
}
