//! What stands in for TLS in a build without it: certificates are refused, so there are no sessions.

use std::io;

use primacy_core::Chunks;
use primacy_core::ids::OpId;
use primacy_core::machine::{Endpoint, JobError, JobErrorKind, Outcome};
use primacy_core::tls::{PeerNames, Tls};

use super::{Taken, Trouble};
use crate::Deliver;

/// Loads nothing.
#[derive(Debug)]
pub(crate) struct Keeper;

impl Keeper {
    pub(crate) fn new(_: Deliver) -> Self {
        Self
    }

    pub(crate) fn certificates(&self) -> Certificates {
        Certificates
    }

    pub(crate) fn load(&mut self, _: OpId, _: Box<Tls>) -> Result<(), Outcome> {
        let message = "this program is built without TLS; build it with `--features tls`, or set 'tls-port 0' and \
                       'tls-replication no'";
        Err(Outcome::Failed(JobError { kind: JobErrorKind::Other, message: message.into() }))
    }
}

/// None.
#[derive(Clone, Debug)]
pub(crate) struct Certificates;

impl Certificates {
    pub(crate) fn accept(&self) -> Option<Session> {
        None
    }

    pub(crate) fn connect(&self, _: &Endpoint) -> Option<Session> {
        None
    }
}

/// There is none: it stands for the real one where code names it.
#[derive(Debug)]
#[allow(dead_code, reason = "nobody makes one")]
pub(crate) struct Session(());

#[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "the same signatures as with TLS")]
impl Session {
    pub(crate) fn is_handshaking(&self) -> bool {
        false
    }

    pub(crate) fn peer_names(&self) -> Option<PeerNames> {
        None
    }

    pub(crate) fn take(&mut self, _: &[u8], _: &mut [u8]) -> Result<Taken, Trouble> {
        Ok(Taken::default())
    }

    pub(crate) fn put(&mut self, _: &Chunks, _: usize) -> usize {
        0
    }

    pub(crate) fn is_pending(&self) -> bool {
        false
    }

    pub(crate) fn write_to(&mut self, _: &mut dyn io::Write) -> io::Result<usize> {
        Ok(0)
    }

    pub(crate) fn end(&mut self) {}
}
