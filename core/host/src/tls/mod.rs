//! TLS: what stands between the bytes of a socket and those of the machine.
//!
//! A [`Session`] does no I/O: it takes ciphertext and gives plaintext, takes plaintext and gives ciphertext, in bounded
//! buffers. The [`Keeper`] loads certificates on a thread of its own, looks once in a while whether their files changed,
//! and puts new ones in force for every handshake from then on. The event loop joins the two for every runtime.
//!
//! Without the feature `tls` nothing of rustls is built, and certificates cannot be loaded.

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
#[cfg(feature = "tls")]
mod keeper;
#[cfg(feature = "tls")]
mod load;
#[cfg(feature = "tls")]
mod names;
#[cfg(feature = "tls")]
mod session;
#[cfg(feature = "tls")]
mod stamps;
#[cfg(all(test, feature = "tls"))]
mod tests;

use std::time::Duration;

#[cfg(not(feature = "tls"))]
pub(crate) use absent::{Certificates, Keeper, Session};
#[cfg(feature = "tls")]
pub(crate) use keeper::{Certificates, Keeper};
#[cfg(feature = "tls")]
pub(crate) use session::Session;

/// How long a handshake may take.
pub(crate) const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Bytes that a peer may send in its handshake: a chain of certificates takes some thousand.
pub(crate) const HANDSHAKE_BYTES: usize = 256 << 10;
/// Handshakes of accepted connections at a time; behind that the oldest gives way.
pub(crate) const HANDSHAKES: usize = 1024;
/// How long ciphertext of a connection that the machine has closed may wait for its peer.
pub(crate) const LINGER: Duration = Duration::from_secs(10);
/// Ciphertext that is read at once, bytes.
pub(crate) const CIPHERTEXT_READ: usize = 64 << 10;
/// The most that one record takes with its head, bytes: as much may wait for its rest.
pub(crate) const RECORD: usize = (16 << 10) + 2048 + 5;

/// What ciphertext came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Taken {
    /// Bytes of plaintext.
    pub(crate) plaintext: usize,
    /// The peer said that it sends no more.
    pub(crate) ended: bool,
}

/// Why a session cannot go on, for people.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "there are no sessions"))]
pub(crate) enum Trouble {
    /// The first byte is of no handshake.
    #[error("the peer does not speak TLS; plaintext belongs on the other port")]
    Plaintext,
    /// More bytes than a handshake takes.
    #[error("the handshake takes more than {HANDSHAKE_BYTES} bytes")]
    TooLong,
    /// As rustls has it.
    #[error("{0}")]
    Protocol(Box<str>),
}
