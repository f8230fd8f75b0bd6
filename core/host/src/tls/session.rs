//! One encrypted connection, without its socket.

use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use primacy_core::Chunks;
use primacy_core::machine::Endpoint;
use primacy_core::tls::PeerNames;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

use super::{HANDSHAKE_BYTES, Taken, Trouble, names};

/// Ciphertext that one connection may have waiting to be sent, bytes; and plaintext before the end of its handshake.
pub(super) const WAITING: usize = 64 << 10;
/// Pieces of plaintext that are put into records together.
const PIECES: usize = 64;
/// The types of records: what comes of TLS begins with one of them.
const RECORD_TYPES: core::ops::RangeInclusive<u8> = 20..=24;

/// What rustls says, for people.
pub(super) fn reason(e: &rustls::Error) -> String {
    let text = e.to_string();
    if text.contains("UnsupportedCertVersion") {
        return "a certificate is of X.509 version 1; only those of version 3 are supported (`openssl x509 -req` writes \
                one with `-extfile`)"
            .into();
    }
    text
}

/// Ciphertext in, plaintext out, and the other way round.
#[derive(Debug)]
pub(crate) struct Session {
    inner: Connection,
    /// Bytes that came in the handshake.
    shaken: usize,
    /// Why it cannot go on.
    trouble: Option<Trouble>,
}

impl Session {
    /// Our end of a connection that a peer opened.
    pub(super) fn accept(config: &Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        Ok(Self::new(ServerConnection::new(Arc::clone(config))?.into()))
    }

    /// Our end of a connection that we opened. Its address is no part of what is verified, and is not sent.
    pub(super) fn connect(config: &Arc<ClientConfig>, to: &Endpoint) -> Result<Self, rustls::Error> {
        let ip = to.tcp().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |a| a.ip());
        Ok(Self::new(ClientConnection::new(Arc::clone(config), ServerName::IpAddress(ip.into()))?.into()))
    }

    fn new(mut inner: Connection) -> Self {
        inner.set_buffer_limit(Some(WAITING));
        Self { inner, shaken: 0, trouble: None }
    }

    /// Over this one of rustls.
    #[cfg(test)]
    pub(super) fn of(inner: Connection) -> Self {
        Self::new(inner)
    }

    /// The certificate that the peer showed (DER).
    #[cfg(test)]
    pub(super) fn peer_certificate(&self) -> Option<Vec<u8>> {
        self.inner.peer_certificates()?.first().map(|cert| cert.to_vec())
    }

    /// Whom the certificate names that the peer showed, if it did.
    pub(crate) fn peer_names(&self) -> Option<PeerNames> {
        self.inner.peer_certificates()?.first().map(|cert| names::of(cert))
    }

    /// Whether its handshake is not done yet.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.inner.is_handshaking()
    }

    /// Takes ciphertext, and puts its plaintext into `plain`, which has room for as much and a record more
    /// ([`RECORD`](super::RECORD)). There may be something to send afterwards, even if it failed: the reason for the peer.
    /// What failed once takes nothing more.
    pub(crate) fn take(&mut self, cipher: &[u8], plain: &mut [u8]) -> Result<Taken, Trouble> {
        if let Some(trouble) = &self.trouble {
            return Err(trouble.clone());
        }
        self.decrypt(cipher, plain).inspect_err(|trouble| self.trouble = Some(trouble.clone()))
    }

    fn decrypt(&mut self, mut cipher: &[u8], plain: &mut [u8]) -> Result<Taken, Trouble> {
        let mut taken = Taken::default();
        while !cipher.is_empty() {
            let before = cipher.len();
            if self.shaken == 0 && !cipher.first().is_some_and(|byte| RECORD_TYPES.contains(byte)) {
                return Err(Trouble::Plaintext);
            }
            // Refused are bytes only behind plaintext that was not taken, and there is none.
            self.inner.read_tls(&mut cipher).map_err(|e| Trouble::Protocol(e.to_string().into()))?;
            let read = before - cipher.len();
            if self.inner.is_handshaking() {
                self.shaken += read;
                if self.shaken > HANDSHAKE_BYTES {
                    return Err(Trouble::TooLong);
                }
            }
            let state = self.inner.process_new_packets().map_err(|e| Trouble::Protocol(reason(&e).into()))?;
            let waiting = state.plaintext_bytes_to_read();
            if waiting > 0 {
                let room = plain.get_mut(taken.plaintext..).unwrap_or_default();
                debug_assert!(waiting <= room.len(), "there is room for a record more than was read");
                // It fails only where nothing waits.
                taken.plaintext += self.inner.reader().read(room).unwrap_or(0);
            }
            taken.ended |= state.peer_has_closed();
            if read == 0 {
                break; // Behind the peer's last word.
            }
        }
        Ok(taken)
    }

    /// Takes plaintext of `chunks` from `skip` on, as much as has room; answers how many bytes.
    pub(crate) fn put(&mut self, chunks: &Chunks, skip: usize) -> usize {
        let mut slices = [IoSlice::new(&[]); PIECES];
        let mut left = skip;
        let mut count = 0;
        for chunk in chunks.iter() {
            // One that is empty, or skipped as a whole, takes no place among the pieces.
            let Some(rest) = chunk.get(left..).filter(|rest| !rest.is_empty()) else {
                left -= chunk.len();
                continue;
            };
            left = 0;
            let Some(slice) = slices.get_mut(count) else { break };
            *slice = IoSlice::new(rest);
            count += 1;
        }
        // A writer into memory: it takes less when its room is used up, and never fails.
        self.inner.writer().write_vectored(slices.get(..count).unwrap_or_default()).unwrap_or(0)
    }

    /// Whether ciphertext waits to be sent.
    pub(crate) fn is_pending(&self) -> bool {
        self.inner.wants_write()
    }

    /// Writes ciphertext once.
    pub(crate) fn write_to(&mut self, to: &mut dyn io::Write) -> io::Result<usize> {
        self.inner.write_tls(to)
    }

    /// Changes the keys of what is sent, and asks the peer to do the same. TLS 1.2 has no such thing.
    #[cfg(feature = "fuzz")]
    pub(super) fn change_keys(&mut self) {
        // Before the end of the handshake, and where there is no such thing, it is refused.
        let _ = self.inner.refresh_traffic_keys();
    }

    /// Says that no more will be sent. Nothing may be taken behind it: whoever closes a connection reads no more.
    pub(crate) fn end(&mut self) {
        self.inner.send_close_notify();
    }
}
