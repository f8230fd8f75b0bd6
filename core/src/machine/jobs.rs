//! What takes time and only a runtime can do, and what came of it.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use bytes::Bytes;

use super::Endpoint;
use crate::tls::Tls;

/// A path as the machine writes it: relative ones are relative to the process's working directory.
pub type Path = Arc<str>;

/// Something that takes time and that only a runtime can do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Job {
    /// Open a listener, answered by its bound address; its connections come in as `Accepted`.
    Listen {
        /// Where; port 0 lets the system choose.
        at: Endpoint,
        /// Pending connections that the kernel may hold (`tcp-backlog`).
        backlog: u32,
        /// Permission bits of a unix socket (`unixsocketperm`); `None` leaves them to the umask.
        mode: Option<u32>,
        /// Whether its connections are encrypted. One is `Accepted` when its handshake is done; of one whose handshake
        /// fails the machine does not hear.
        tls: bool,
    },
    /// Look a host name up.
    Resolve {
        /// The name; a literal address is answered as itself.
        host: Box<str>,
    },
    /// Read up to `len` bytes at `at`.
    Read {
        /// Which file.
        file: Path,
        /// Offset in bytes.
        at: u64,
        /// At most so many bytes; fewer are answered only at the end of the file.
        len: usize,
    },
    /// Write at `at`, which is 0 (creates or empties the file) or the file's length.
    Append {
        /// Which file.
        file: Path,
        /// Offset in bytes.
        at: u64,
        /// What, in order.
        bytes: Vec<Bytes>,
        /// Whether it must be on the disk before it is done.
        sync: bool,
    },
    /// Make a file that was written in pieces take the place of `to`: fsync, rename, fsync of the folder.
    Commit {
        /// The written file.
        file: Path,
        /// The name it gets.
        to: Path,
    },
    /// The same in one piece for a small file: write beside, fsync, rename, fsync of the folder.
    Replace {
        /// Which file.
        file: Path,
        /// Its whole new content.
        bytes: Bytes,
    },
    /// Remove a file; one that is not there counts as removed.
    Remove {
        /// Which file.
        file: Path,
    },
    /// Whether a file is there, and its length.
    Stat {
        /// Which file.
        file: Path,
    },
    /// Whether a program is there that this process may run: answered as [`Job::Stat`], by `None` if not.
    FindProgram {
        /// The program.
        program: Path,
    },
    /// Run a program; answered first by `Began`, at last by its exit.
    Script {
        /// The program.
        program: Path,
        /// Its arguments.
        args: Vec<String>,
        /// Ended by force after so long.
        timeout: Duration,
    },
    /// What the process uses, for INFO.
    Usage,
    /// Make these certificates and rules those of every handshake from now on. When it fails, those from before stay.
    /// Connections that stand are not touched.
    LoadTls {
        /// Which, and how.
        tls: Box<Tls>,
    },
}

/// What came of a job.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// A listener stands, here.
    Listening(Endpoint),
    /// A name's addresses, in the resolver's order, never empty.
    Resolved(Vec<IpAddr>),
    /// Bytes of a file; fewer than asked for only at its end.
    Read(Bytes),
    /// An append, commit, replace or remove succeeded.
    Written,
    /// The file's length in bytes, or that it is not there (or cannot be run, where that was asked for).
    Stat(Option<u64>),
    /// A program ended.
    Exited {
        /// Its exit code, if it ended by itself.
        code: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
    },
    /// What the process uses.
    Usage(Usage),
    /// Certificates are in force.
    Loaded,
    /// It failed.
    Failed(JobError),
    /// It was cancelled before it took effect.
    Cancelled,
}

/// What the process uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Resident memory in bytes.
    pub rss: u64,
    /// The most resident memory so far, in bytes.
    pub peak_rss: u64,
    /// CPU time in user mode, µs.
    pub user_us: u64,
    /// CPU time in the kernel, µs.
    pub system_us: u64,
}

/// Why a job failed, in words that name the file or address and what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct JobError {
    /// The kind, for decisions.
    pub kind: JobErrorKind,
    /// The text, for people.
    pub message: Box<str>,
}

/// Kinds of failure that a machine decides by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum JobErrorKind {
    /// The file is not there.
    NotFound,
    /// Permission denied or a read-only place.
    Denied,
    /// No space left.
    NoSpace,
    /// The address is in use.
    InUse,
    /// The address cannot be had on this machine.
    NotAvailable,
    /// The name does not resolve.
    NoSuchHost,
    /// Anything else.
    Other,
}
