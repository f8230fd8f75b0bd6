//! Certificates and keys, from files to what a handshake needs.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use primacy_core::tls::{AuthClients, Protocols, Tls};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme, SupportedProtocolVersion,
};

use super::session::reason;

/// Bytes of one file at most.
const FILE_MAX: u64 = 4 << 20;
/// Files of `tls-ca-cert-dir` at most.
const FOLDER_MAX: usize = 4096;

/// What handshakes are made of.
#[derive(Clone, Debug)]
pub(super) struct Configs {
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
}

/// Why certificates cannot be used: what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error("No {0} configured: it has to name a file in PEM format")]
    Missing(&'static str),
    #[error(
        "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-replication or tls-auth-clients are enabled: \
         one of them has to name the authorities that are trusted"
    )]
    NobodyToTrust,
    #[error("{directive} {file}: {reason}")]
    File { directive: &'static str, file: String, reason: String },
}

/// A file, and the directive that names it.
#[derive(Clone, Copy)]
struct Named<'a> {
    directive: &'static str,
    file: &'a str,
}

impl Named<'_> {
    fn error(self, reason: &dyn Display) -> LoadError {
        LoadError::File { directive: self.directive, file: self.file.into(), reason: reason.to_string() }
    }

    fn present(self) -> Result<Self, LoadError> {
        if self.file.is_empty() { Err(LoadError::Missing(self.directive)) } else { Ok(self) }
    }

    fn read(self) -> Result<Vec<u8>, LoadError> {
        read(Path::new(self.file)).map_err(|reason| self.error(&reason))
    }

    /// Its certificates, at least one.
    fn certificates(self) -> Result<Vec<CertificateDer<'static>>, LoadError> {
        let list = CertificateDer::pem_slice_iter(&self.read()?).collect::<Result<Vec<_>, _>>();
        let list = list.map_err(|e| self.error(&e))?;
        if list.is_empty() { Err(self.error(&"no certificate in PEM format was found in it")) } else { Ok(list) }
    }

    /// Its private key.
    fn key(self) -> Result<PrivateKeyDer<'static>, LoadError> {
        let bytes = self.read()?;
        let text = String::from_utf8_lossy(&bytes);
        if text.contains("ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
            let advice = "the key is encrypted with a passphrase, which is not supported; write it without one \
                          (`openssl pkey -in OLD -out NEW`) into a file that this user alone may read";
            return Err(self.error(&advice));
        }
        PrivateKeyDer::from_pem_slice(&bytes).map_err(|e| match e {
            pem::Error::NoItemsFound => self.error(&"no private key in PEM format was found in it"),
            e => self.error(&e),
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| e.to_string())?;
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(format!("more than {FILE_MAX} bytes cannot be certificates"));
    }
    Ok(bytes)
}

/// The files of a folder of authorities, in the order of their names.
pub(super) fn folder(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)?.take(FOLDER_MAX) {
        files.push(entry?.path());
    }
    files.sort();
    Ok(files)
}

/// Reads all files, and makes of them what handshakes need.
pub(super) fn load(tls: &Tls) -> Result<Configs, LoadError> {
    let provider = Arc::new(ring::default_provider());
    let cert = Named { directive: "tls-cert-file", file: &tls.cert_file }.present()?;
    let key = Named { directive: "tls-key-file", file: &tls.key_file }.present()?;
    let roots = Arc::new(authorities(tls)?);
    let server = server(tls, &provider, &roots, cert, key)?;
    let (cert, key) = if tls.client_cert_file.is_empty() {
        (cert, key)
    } else {
        let key = Named { directive: "tls-client-key-file", file: &tls.client_key_file }.present()?;
        (Named { directive: "tls-client-cert-file", file: &tls.client_cert_file }, key)
    };
    let client = client(tls, &provider, roots, cert, key)?;
    Ok(Configs { server: Arc::new(server), client: Arc::new(client) })
}

fn versions(protocols: Protocols) -> Vec<&'static SupportedProtocolVersion> {
    let all = [(protocols.tls13, &TLS13), (protocols.tls12, &TLS12)];
    all.into_iter().filter(|(spoken, _)| *spoken).map(|(_, version)| version).collect()
}

/// Whom we trust.
fn authorities(tls: &Tls) -> Result<RootCertStore, LoadError> {
    let mut roots = RootCertStore::empty();
    if !tls.ca_cert_file.is_empty() {
        let named = Named { directive: "tls-ca-cert-file", file: &tls.ca_cert_file };
        for cert in named.certificates()? {
            roots.add(cert).map_err(|e| named.error(&reason(&e)))?;
        }
    }
    if !tls.ca_cert_dir.is_empty() {
        let named = Named { directive: "tls-ca-cert-dir", file: &tls.ca_cert_dir };
        let mut added = 0;
        for path in folder(Path::new(named.file)).map_err(|e| named.error(&e))? {
            // What else lies there is no reason to trust nobody.
            let bytes = if path.is_file() { read(&path).unwrap_or_default() } else { Vec::new() };
            added += roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&bytes).flatten()).0;
        }
        if added == 0 {
            return Err(named.error(&"no certificate in PEM format was found in its files"));
        }
    }
    if roots.is_empty() && (tls.links || tls.auth_clients != AuthClients::No) {
        return Err(LoadError::NobodyToTrust);
    }
    Ok(roots)
}

fn server(
    tls: &Tls,
    provider: &Arc<CryptoProvider>,
    roots: &Arc<RootCertStore>,
    cert: Named<'_>,
    key: Named<'_>,
) -> Result<ServerConfig, LoadError> {
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&versions(tls.protocols))
        .map_err(|e| cert.error(&e))?;
    let builder = if tls.auth_clients == AuthClients::No {
        builder.with_no_client_auth()
    } else {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider));
        let verifier =
            if tls.auth_clients == AuthClients::Optional { verifier.allow_unauthenticated() } else { verifier };
        builder.with_client_cert_verifier(verifier.build().map_err(|e| cert.error(&e))?)
    };
    // A key that does not belong to the certificate is found here.
    builder.with_single_cert(cert.certificates()?, key.key()?).map_err(|e| mismatch(cert, key, &e))
}

fn client(
    tls: &Tls,
    provider: &Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    cert: Named<'_>,
    key: Named<'_>,
) -> Result<ClientConfig, LoadError> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&versions(tls.protocols))
        .map_err(|e| cert.error(&e))?;
    let verifier = Arc::new(ChainOnly { roots, provider: Arc::clone(provider) });
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(cert.certificates()?, key.key()?)
        .map_err(|e| mismatch(cert, key, &e))?;
    // Links are few and stand long: each one verifies the certificate of its peer.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn mismatch(cert: Named<'_>, key: Named<'_>, e: &rustls::Error) -> LoadError {
    match e {
        rustls::Error::InconsistentKeys(_) => {
            key.error(&format_args!("the key does not belong to the certificate in {} {}", cert.directive, cert.file))
        }
        e => cert.error(&reason(e)),
    }
}

/// Verifies that an authority of ours signed a peer's certificate, its dates and its purpose. Not its names: as in Redis,
/// whose links call each other by addresses that change.
#[derive(Debug)]
struct ChainOnly {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for ChainOnly {
    fn verify_server_cert(
        &self,
        cert: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let cert = ParsedCertificate::try_from(cert)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&cert, &self.roots, intermediates, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
