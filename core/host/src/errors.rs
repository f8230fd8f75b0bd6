//! Errors of the operating system in the machine's words.

use core::fmt::Display;
use std::io::{Error, ErrorKind};

use primacy_core::machine::{Closed, JobError, JobErrorKind};

/// A failed job: `what` says what was tried and on what ("write /data/dump.rdb"), the rest says why and what to do.
pub fn job_error(what: impl Display, error: &Error) -> JobError {
    let (kind, hint) = match error.kind() {
        ErrorKind::NotFound => (JobErrorKind::NotFound, "; check that the file and its folder exist"),
        ErrorKind::PermissionDenied => {
            (JobErrorKind::Denied, "; check its owner and permissions against the user of this process")
        }
        ErrorKind::ReadOnlyFilesystem => (JobErrorKind::Denied, "; choose a place that can be written to"),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            (JobErrorKind::NoSpace, "; free some space there or choose another place")
        }
        ErrorKind::AddrInUse => (JobErrorKind::InUse, ""),
        ErrorKind::AddrNotAvailable => (JobErrorKind::NotAvailable, ""),
        _ => (JobErrorKind::Other, ""),
    };
    JobError { kind, message: format!("cannot {what}: {error}{hint}").into() }
}

/// Why a connection ended, or could not be made.
pub fn closed_reason(error: &Error) -> Closed {
    match error.kind() {
        // A unix socket whose file is missing has nobody behind it either.
        ErrorKind::ConnectionRefused | ErrorKind::NotFound => Closed::Refused,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => Closed::Reset,
        ErrorKind::TimedOut => Closed::TimedOut,
        ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable
        | ErrorKind::PermissionDenied => Closed::Unreachable,
        _ => Closed::Os(error.raw_os_error().unwrap_or(0)),
    }
}
