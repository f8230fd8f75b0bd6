//! What is wrong with a state file, where, and what to do.

use alloc::boxed::Box;

use crate::machine::{JobError, JobErrorKind};

/// Why a state file cannot be used, or a record is not on the disk.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// It is there and cannot be read.
    #[error(
        "Can't read the state file {file}: {why}. It has the epochs and votes of this sentinel: let this user read it, or \
         name another file with 'sentinel state-file PATH'"
    )]
    Unreadable {
        /// Its name.
        file: Box<str>,
        /// Why, in the host's words.
        why: Box<str>,
    },
    /// It cannot be written.
    #[error(
        "Can't write the state file {file}: {why}. Epochs and votes have to be on the disk before others hear of them: {}",
        advice(*kind)
    )]
    Unwritable {
        /// Its name.
        file: Box<str>,
        /// Why, in the host's words.
        why: Box<str>,
        /// The kind of failure.
        kind: JobErrorKind,
    },
    /// It is larger than any that is written.
    #[error("The state file {file} is larger than {max} bytes, which no sentinel writes; is it the right file?")]
    TooLarge {
        /// Its name.
        file: Box<str>,
        /// The bound in bytes.
        max: usize,
    },
    /// A newer release wrote it.
    #[error(
        "The state file {file} has version {version}, and this release knows version {known}: start the release that \
         wrote it"
    )]
    Version {
        /// Its name.
        file: Box<str>,
        /// Its version.
        version: u32,
        /// The version that is known.
        known: u32,
    },
    /// It is no state file, or was damaged elsewhere than at its end.
    #[error(
        "The state file {file} is damaged at line {line} (offset {offset}): {what}. Bring back a copy of it, or remove it to \
         start from sentinel.conf alone; the sentinel could then vote again in an epoch in which it has voted"
    )]
    Damaged {
        /// Its name.
        file: Box<str>,
        /// The line, from 1.
        line: usize,
        /// Where the line begins, in bytes.
        offset: u64,
        /// What was expected, and what is there.
        what: Damage,
    },
    /// More records wait for the disk than are kept.
    #[error("The state file {file} is too slow: more than {max} bytes of records wait for it")]
    Busy {
        /// Its name.
        file: Box<str>,
        /// The bound in bytes.
        max: usize,
    },
}

/// What is wrong with a line.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The first line is another.
    #[error("expected 'primacy-sentinel-state' and a version; it is no state file")]
    NotOurs,
    /// No line end.
    #[error("the line has no end")]
    Torn,
    /// No checksum.
    #[error("expected 16 hexadecimal digits, a space and a record")]
    Short,
    /// The checksum does not hold.
    #[error("the checksum says {said}, the file comes to {found}")]
    Checksum {
        /// What the line says.
        said: Box<str>,
        /// What it should say.
        found: Box<str>,
    },
    /// The line is as it was written, and nothing that is known.
    #[error("{0}")]
    Unknown(Box<str>),
}

fn advice(kind: JobErrorKind) -> &'static str {
    match kind {
        JobErrorKind::NoSpace => "free some space there, or name another place with 'sentinel state-file PATH'",
        _ => "make it and its folder writable for this user, or name another place with 'sentinel state-file PATH'",
    }
}

impl StateError {
    pub(super) fn unwritable(file: &str, error: JobError) -> Self {
        Self::Unwritable { file: file.into(), why: error.message, kind: error.kind }
    }
}
