//! What encryption is asked for: names of files, and rules. Certificates themselves are the runtime's: a machine sees
//! plaintext, and whether a connection is encrypted.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What a runtime makes its TLS of; answered by [`Outcome::Loaded`](crate::machine::Outcome::Loaded) once it is in
/// force. Names of files are as the configuration has them, empty for none.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// `tls-cert-file`: our certificate, with those between it and the authority behind it (PEM).
    pub cert_file: String,
    /// `tls-key-file`: its private key (PEM).
    pub key_file: String,
    /// `tls-key-file-pass`: the passphrase of that key.
    pub key_file_pass: String,
    /// `tls-client-cert-file`: the certificate for links that we open, if it is another one.
    pub client_cert_file: String,
    /// `tls-client-key-file`: its private key.
    pub client_key_file: String,
    /// `tls-client-key-file-pass`: the passphrase of that key.
    pub client_key_file_pass: String,
    /// `tls-ca-cert-file`: the authorities that are trusted (PEM).
    pub ca_cert_file: String,
    /// `tls-ca-cert-dir`: a folder with files of such.
    pub ca_cert_dir: String,
    /// `tls-auth-clients`: whether clients have to show a certificate.
    pub auth_clients: AuthClients,
    /// `tls-protocols`: the versions that are spoken.
    pub protocols: Protocols,
    /// Whether links are encrypted (`tls-replication`), so that there has to be somebody to trust.
    pub links: bool,
}

impl fmt::Debug for Tls {
    /// Without the passphrases.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("cert_file", &self.cert_file)
            .field("key_file", &self.key_file)
            .field("client_cert_file", &self.client_cert_file)
            .field("client_key_file", &self.client_key_file)
            .field("ca_cert_file", &self.ca_cert_file)
            .field("ca_cert_dir", &self.ca_cert_dir)
            .field("auth_clients", &self.auth_clients)
            .field("protocols", &self.protocols)
            .field("links", &self.links)
            .finish_non_exhaustive()
    }
}

/// What the certificate of a peer says of its owner. The runtime has verified the certificate, not that anybody of this
/// name is known.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PeerNames {
    /// The first common name of its subject.
    pub common_name: Option<Box<[u8]>>,
    /// The URIs among its alternative names, in their order.
    pub uris: Vec<Box<[u8]>>,
}

/// `tls-auth-clients-user` (Redis 8.6, Valkey 9.0; `URI` Valkey 9.1): which name of a client's certificate is that of the
/// user as whom it is logged in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CertificateUser {
    /// None: clients log in themselves.
    #[default]
    Off,
    /// The common name.
    CommonName,
    /// The first URI that is the name of a user.
    Uri,
}

impl CertificateUser {
    /// The names that may be a user's.
    pub(crate) fn of(self, names: &PeerNames) -> impl Iterator<Item = &[u8]> {
        let (common, uris) = match self {
            Self::Off => (None, &[][..]),
            Self::CommonName => (names.common_name.as_deref(), &[][..]),
            Self::Uri => (None, &names.uris[..]),
        };
        common.into_iter().chain(uris.iter().map(|uri| &**uri))
    }
}

/// `tls-auth-clients`: whether clients have to show a certificate that an authority of ours signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AuthClients {
    /// They are not asked for one.
    No,
    /// They have to.
    #[default]
    Yes,
    /// They need not, but one that is shown has to be good.
    Optional,
}

/// `tls-protocols`: the versions of TLS that are spoken, at least one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Protocols {
    /// TLS 1.2.
    pub tls12: bool,
    /// TLS 1.3.
    pub tls13: bool,
}

impl Default for Protocols {
    fn default() -> Self {
        Self { tls12: true, tls13: true }
    }
}
