//! Who meets whom: certificates of `testdata/tls`, in every setting of servers and clients.

use std::sync::{Arc, LazyLock};

use primacy_core::machine::Endpoint;
use primacy_core::tls::{AuthClients, PeerNames, Protocols, Tls};
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig, SignatureScheme};

use crate::tls::Session;
use crate::tls::load::{Configs, load};

const AUTH_CLIENTS: [AuthClients; 3] = [AuthClients::Yes, AuthClients::Optional, AuthClients::No];
const PROTOCOLS: [Protocols; 3] = [
    Protocols { tls12: true, tls13: true },
    Protocols { tls12: true, tls13: false },
    Protocols { tls12: false, tls13: true },
];

/// What a client shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shows {
    /// A certificate of the authority that both trust.
    Own,
    Nothing,
    /// A certificate of an authority that nobody trusts.
    Strange,
}
const SHOWS: [Shows; 3] = [Shows::Own, Shows::Nothing, Shows::Strange];

/// Every setting of both sides; what is shared by all runs.
pub(super) static IDENTITIES: LazyLock<Identities> = LazyLock::new(Identities::new);

#[derive(Debug)]
pub(super) struct Identities {
    /// By [`PROTOCOLS`], then by [`AUTH_CLIENTS`].
    servers: [[Arc<ServerConfig>; 3]; 3],
    /// By [`PROTOCOLS`], then by [`SHOWS`].
    clients: [[Arc<ClientConfig>; 3]; 3],
}

impl Identities {
    fn new() -> Self {
        let server = |protocols, auth_clients| configs("node", protocols, auth_clients).server;
        Self {
            servers: PROTOCOLS.map(|protocols| AUTH_CLIENTS.map(|auth| server(protocols, auth))),
            clients: PROTOCOLS.map(|protocols| SHOWS.map(|shows| client(protocols, shows))),
        }
    }
}

fn configs(name: &str, protocols: Protocols, auth_clients: AuthClients) -> Configs {
    let at = |file: &str| format!("{}/testdata/tls/{file}", env!("CARGO_MANIFEST_DIR"));
    let tls = Tls {
        cert_file: at(&format!("{name}.pem")),
        key_file: at(&format!("{name}.key")),
        ca_cert_file: at("ca.pem"),
        auth_clients,
        protocols,
        ..Tls::default()
    };
    load(&tls).expect("they lie there")
}

fn client(protocols: Protocols, shows: Shows) -> Arc<ClientConfig> {
    let name = if shows == Shows::Strange { "stranger" } else { "node" };
    let mut config = configs(name, protocols, AuthClients::Yes).client;
    if shows == Shows::Nothing {
        Arc::make_mut(&mut config).client_auth_cert_resolver = Arc::new(ShowsNothing);
    }
    config
}

/// A client without a certificate. Links always have one, others need not.
#[derive(Debug)]
struct ShowsNothing;

impl ResolvesClientCert for ShowsNothing {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// A server and a client that may come to terms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meeting {
    server_speaks: usize,
    client_speaks: usize,
    auth: usize,
    shows: usize,
}

impl Meeting {
    /// Digits of a number to the base of 3, the lowest first: who has to show a certificate, what is shown, and the
    /// versions of the client and of the server.
    pub(super) fn new(setup: u8) -> Self {
        let digit = |power: u32| usize::from(setup) / 3usize.pow(power) % 3;
        Self { auth: digit(0), shows: digit(1), client_speaks: digit(2), server_speaks: digit(3) }
    }

    pub(super) fn server(self) -> Session {
        Session::accept(&IDENTITIES.servers[self.server_speaks][self.auth]).expect("a session")
    }

    pub(super) fn client(self) -> Session {
        let to = Endpoint::Tcp(([127, 0, 0, 1], 6379).into());
        Session::connect(&IDENTITIES.clients[self.client_speaks][self.shows], &to).expect("a session")
    }

    /// Whether they have to come to terms, if nobody breaks in. If not, they must never.
    pub(super) fn is_agreed(self) -> bool {
        let (client, server) = (PROTOCOLS[self.client_speaks], PROTOCOLS[self.server_speaks]);
        let speaks = (client.tls12 && server.tls12) || (client.tls13 && server.tls13);
        let shows = match SHOWS[self.shows] {
            Shows::Own => true,
            Shows::Nothing => AUTH_CLIENTS[self.auth] != AuthClients::Yes,
            Shows::Strange => AUTH_CLIENTS[self.auth] == AuthClients::No,
        };
        speaks && shows
    }

    /// Whom the server knows once they came to terms; the client knows the server.
    pub(super) fn known_client(self) -> Option<PeerNames> {
        let asked = AUTH_CLIENTS[self.auth] != AuthClients::No;
        (asked && SHOWS[self.shows] == Shows::Own).then(node)
    }
}

/// Whom the certificate `node` names.
pub(super) fn node() -> PeerNames {
    PeerNames { common_name: Some((*b"node").into()), uris: vec![(*b"urn:node").into()] }
}
