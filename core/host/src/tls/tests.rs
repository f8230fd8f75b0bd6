//! Two sessions back to back, certificates of every kind, and bytes of every kind.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use primacy_core::Chunks;
use primacy_core::ids::OpId;
use primacy_core::machine::{Endpoint, Outcome};
use primacy_core::rng::Rng;
use primacy_core::tls::{AuthClients, Protocols, Tls};
use rcgen::{ExtendedKeyUsagePurpose, date_time_ymd};

use super::load::load;
use super::{CIPHERTEXT_READ, HANDSHAKE_BYTES, Keeper, RECORD, Session, Trouble};
use crate::{Completion, Deliver};

#[path = "../../../../tests/src/certificates.rs"]
#[allow(unreachable_pub, dead_code, reason = "scenarios use it too")]
mod certificates;
use certificates::Certificates;

/// What names the certificate `name`.
fn tls(of: &Certificates, name: &str) -> Tls {
    Tls {
        cert_file: of.at(&format!("{name}.pem")),
        key_file: of.at(&format!("{name}.key")),
        ca_cert_file: of.at("ca.pem"),
        ..Tls::default()
    }
}

/// A connection between two sessions that carries everything at once, in pieces.
struct Wire {
    client: Session,
    server: Session,
    /// The most that one piece takes.
    piece: usize,
}

/// What both ends of a [`Wire`] came to.
#[derive(Debug, Default)]
struct Heard {
    client: Vec<u8>,
    server: Vec<u8>,
    client_trouble: Option<Trouble>,
    server_trouble: Option<Trouble>,
}

impl Wire {
    fn new(client: &Tls, server: &Tls, piece: usize) -> Self {
        let to = Endpoint::Tcp(([127, 0, 0, 1], 6379).into());
        let client = Session::connect(&load(client).unwrap().client, &to).unwrap();
        let server = Session::accept(&load(server).unwrap().server).unwrap();
        Self { client, server, piece }
    }

    /// Carries what there is, until there is no more.
    fn carry(&mut self) -> Heard {
        let mut heard = Heard::default();
        while self.client.is_pending() || self.server.is_pending() {
            let bytes = pull(&mut self.client);
            push(&mut self.server, &bytes, self.piece, &mut heard.server, &mut heard.server_trouble);
            let bytes = pull(&mut self.server);
            push(&mut self.client, &bytes, self.piece, &mut heard.client, &mut heard.client_trouble);
        }
        heard
    }
}

fn pull(session: &mut Session) -> Vec<u8> {
    let mut bytes = Vec::new();
    while session.is_pending() {
        session.write_to(&mut bytes).unwrap();
    }
    bytes
}

fn push(session: &mut Session, bytes: &[u8], piece: usize, into: &mut Vec<u8>, trouble: &mut Option<Trouble>) {
    let mut plain = vec![0; CIPHERTEXT_READ + RECORD];
    for piece in bytes.chunks(piece.min(CIPHERTEXT_READ)) {
        if trouble.is_some() {
            return;
        }
        match session.take(piece, &mut plain) {
            Ok(taken) => into.extend(&plain[..taken.plaintext]),
            Err(e) => *trouble = Some(e),
        }
    }
}

fn chunks(list: &[&[u8]]) -> Chunks {
    let mut chunks = Chunks::new();
    list.iter().for_each(|part| chunks.push(Bytes::copy_from_slice(part)));
    chunks
}

#[test]
fn what_one_end_puts_in_comes_out_at_the_other_however_it_is_cut() {
    let folder = Certificates::new();
    let both = Protocols::default();
    let only12 = Protocols { tls13: false, ..both };
    let only13 = Protocols { tls12: false, ..both };
    let large: Vec<u8> = (0..300_000u32).map(|i| (i % 251) as u8).collect();
    for (protocols, piece) in [(only12, 1), (only13, 1), (only12, 7), (only13, 1000), (both, 1 << 20)] {
        let node = Tls { protocols, ..tls(&folder, "node") };
        let mut wire = Wire::new(&node, &node, piece);
        let heard = wire.carry();
        assert_eq!((heard.client_trouble, heard.server_trouble), (None, None));
        assert!(!wire.client.is_handshaking() && !wire.server.is_handshaking());
        let said = chunks(&[b"PI", b"", b"NG\r\n"]);
        assert_eq!(wire.client.put(&said, 0), 6);
        assert_eq!(wire.client.put(&said, 3), 3, "and the rest of it once more");
        assert_eq!(wire.carry().server, b"PING\r\nG\r\n");
        let all = chunks(&[&large[..100_000], &large[100_000..]]);
        let (mut put, mut heard) = (0, Vec::new());
        while put < large.len() {
            let taken = wire.server.put(&all, put);
            assert!((1..=64 << 10).contains(&taken), "{taken}: what waits is bounded");
            put += taken;
            heard.extend(wire.carry().client);
        }
        assert!(heard == large, "the large one came as it is");
        wire.client.end();
        let bytes = pull(&mut wire.client);
        let taken = wire.server.take(&bytes, &mut vec![0; CIPHERTEXT_READ + RECORD]).unwrap();
        assert_eq!((taken.plaintext, taken.ended), (0, true));
    }
}

/// Why the two ends refuse each other.
fn refusal(client: &Tls, server: &Tls) -> (String, String) {
    let heard = Wire::new(client, server, 1 << 16).carry();
    let text = |trouble: Option<Trouble>| trouble.map(|t| t.to_string()).unwrap_or_default();
    (text(heard.client_trouble), text(heard.server_trouble))
}

#[test]
fn whom_an_end_does_not_trust_it_refuses_and_says_why() {
    let folder = Certificates::new();
    let strangers = Certificates::new();
    let node = tls(&folder, "node");
    folder.sign("late", |p| (p.not_before, p.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1)));
    folder.sign("early", |p| (p.not_before, p.not_after) = (date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1)));
    folder.sign("server", |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    let of = |name: &str| tls(&folder, name);
    // The links' side: a name that is not its own is no reason, as in Redis.
    assert_eq!(refusal(&node, &node), (String::new(), String::new()));
    let (client, server) = refusal(&node, &of("late"));
    assert!(client.contains("expired") && server.contains("CertificateExpired"), "{client} | {server}");
    let (client, _) = refusal(&node, &of("early"));
    assert!(client.contains("not valid yet"), "{client}");
    let (client, server) = refusal(&node, &Tls { ca_cert_file: node.ca_cert_file.clone(), ..tls(&strangers, "node") });
    assert!(client.contains("UnknownIssuer") && server.contains("UnknownCA"), "{client} | {server}");
    // The clients' side.
    let (_, server) = refusal(&of("late"), &node);
    assert!(server.contains("expired"), "{server}");
    let (client, server) = refusal(&Tls { ca_cert_file: node.ca_cert_file.clone(), ..tls(&strangers, "node") }, &node);
    assert!(server.contains("UnknownIssuer") && client.contains("UnknownCA"), "{client} | {server}");
    let (_, server) = refusal(&of("server"), &node);
    assert!(server.contains("does not allow extended key usage for client authentication"), "{server}");
    let old = Protocols { tls12: true, tls13: false };
    let new = Protocols { tls12: false, tls13: true };
    let (_, server) = refusal(&Tls { protocols: old, ..node.clone() }, &Tls { protocols: new, ..node.clone() });
    assert!(server.contains("peer is incompatible"), "{server}");
}

#[test]
fn clients_show_certificates_as_the_rule_says() {
    let folder = Certificates::new();
    let node = tls(&folder, "node");
    let strangers = Certificates::new();
    let stranger = Tls { ca_cert_file: node.ca_cert_file.clone(), ..tls(&strangers, "node") };
    let anonymous = |auth_clients| {
        let server = load(&Tls { auth_clients, ..node.clone() }).unwrap().server;
        let roots = rustls::RootCertStore {
            roots: {
                use rustls::pki_types::pem::PemObject;
                let mut store = rustls::RootCertStore::empty();
                let pem = fs::read(&node.ca_cert_file).unwrap();
                store.add(rustls::pki_types::CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
                store.roots
            },
        };
        let client = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = rustls::pki_types::ServerName::try_from("somewhere.else").unwrap();
        let client = rustls::ClientConnection::new(Arc::new(client), name).unwrap();
        let mut wire =
            Wire { client: Session::of(client.into()), server: Session::accept(&server).unwrap(), piece: 999 };
        wire.carry().server_trouble.map(|t| t.to_string())
    };
    assert_eq!(anonymous(AuthClients::Yes).unwrap(), "peer sent no certificates");
    assert_eq!(anonymous(AuthClients::Optional), None);
    assert_eq!(anonymous(AuthClients::No), None);
    let with = |auth_clients| refusal(&stranger, &Tls { auth_clients, ..node.clone() }).1;
    assert!(with(AuthClients::Optional).contains("UnknownIssuer"), "one that is shown has to be good");
    assert_eq!(with(AuthClients::No), "");
}

#[test]
fn files_that_cannot_be_used_are_refused_with_the_reason() {
    let folder = Certificates::new();
    let good = tls(&folder, "node");
    let refused = |tls: Tls| load(&tls).map(|_| ()).unwrap_err().to_string();
    let none = String::new;
    assert!(refused(Tls { cert_file: none(), ..good.clone() }).starts_with("No tls-cert-file configured"));
    assert!(refused(Tls { key_file: none(), ..good.clone() }).starts_with("No tls-key-file configured"));
    let nobody = Tls { ca_cert_file: none(), ..good.clone() };
    assert!(refused(nobody.clone()).starts_with("Either tls-ca-cert-file or tls-ca-cert-dir must be specified"));
    let nobody = Tls { auth_clients: AuthClients::No, ..nobody };
    load(&nobody).unwrap();
    assert!(refused(Tls { links: true, ..nobody }).starts_with("Either tls-ca-cert-file"));
    folder.sign("other", |_| {});
    let mixed = refused(Tls { key_file: folder.at("other.key"), ..good.clone() });
    assert!(mixed.starts_with("tls-key-file ") && mixed.contains("does not belong to the certificate"), "{mixed}");
    let swapped = refused(Tls { cert_file: good.key_file.clone(), ..good.clone() });
    assert!(swapped.starts_with("tls-cert-file ") && swapped.ends_with("no certificate in PEM format was found in it"));
    let swapped = refused(Tls { key_file: good.cert_file.clone(), ..good.clone() });
    assert!(swapped.ends_with("no private key in PEM format was found in it"), "{swapped}");
    folder.put("locked.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    let locked = Tls { key_file: folder.at("locked.key"), key_file_pass: "secret".into(), ..good.clone() };
    assert!(refused(locked).contains("encrypted with a passphrase, which is not supported"));
    let absent = refused(Tls { ca_cert_file: folder.at("nowhere"), ..good.clone() });
    assert!(absent.starts_with("tls-ca-cert-file ") && absent.contains("No such file"), "{absent}");
    folder.put("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let broken = refused(Tls { cert_file: folder.at("broken.pem"), ..good.clone() });
    assert!(broken.starts_with("tls-cert-file "), "{broken}");
    assert!(refused(Tls { ca_cert_file: folder.at("broken.pem"), ..good.clone() }).starts_with("tls-ca-cert-file "));
    // A folder of authorities, among other files; and another certificate for links.
    fs::create_dir(folder.folder().join("ca")).unwrap();
    let by_folder = Tls { ca_cert_file: none(), ca_cert_dir: folder.at("ca"), ..good.clone() };
    assert!(refused(by_folder.clone()).ends_with("no certificate in PEM format was found in its files"));
    fs::copy(folder.folder().join("ca.pem"), folder.folder().join("ca/0badf00d.0")).unwrap();
    folder.put("ca/README", "nothing");
    assert_eq!(refusal(&by_folder, &by_folder), (none(), none()));
    let client = Tls { client_cert_file: folder.at("other.pem"), ..good };
    assert!(refused(client.clone()).starts_with("No tls-client-key-file configured"));
    load(&Tls { client_key_file: folder.at("other.key"), ..client }).unwrap();
}

#[test]
fn bytes_of_any_kind_are_refused_within_bounds() {
    let folder = Certificates::new();
    let server = load(&tls(&folder, "node")).unwrap().server;
    let mut plain = vec![0; CIPHERTEXT_READ + RECORD];
    let mut session = Session::accept(&server).unwrap();
    assert_eq!(session.take(b"PING\r\n", &mut plain), Err(Trouble::Plaintext));
    assert!(!session.is_pending(), "a stranger is told nothing");
    let mut wire = Wire::new(&tls(&folder, "node"), &tls(&folder, "node"), 1 << 16);
    let hello = pull(&mut wire.client);
    let mut rng = Rng::new([7; 32]);
    for round in 0..2000 {
        let mut bytes = if round % 2 == 0 { hello.clone() } else { vec![22, 3, 3, 0, 90] };
        bytes.extend((0..rng.below(600)).map(|_| rng.next_u64() as u8));
        for _ in 0..rng.below(4) {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] = rng.next_u64() as u8;
        }
        let mut session = Session::accept(&server).unwrap();
        for piece in bytes.chunks(1 + rng.below(700) as usize) {
            match session.take(piece, &mut plain) {
                Ok(taken) => assert_eq!(taken.plaintext, 0),
                Err(_) => break,
            }
        }
        assert!(session.is_handshaking());
        assert!(pull(&mut session).len() < 8 << 10);
    }
    // A handshake without an end: empty records are as good as any.
    let mut session = Session::accept(&server).unwrap();
    let endless = [22, 3, 3, 0, 4, 1, 0, 0xff, 0xff];
    let mut sent = 0;
    let trouble = loop {
        let piece: &[u8] = if sent == 0 { &endless } else { &[22, 3, 3, 0, 1, 0] };
        sent += piece.len();
        if let Err(trouble) = session.take(piece, &mut plain) {
            break trouble;
        }
        assert!(sent <= 2 * HANDSHAKE_BYTES);
    };
    assert!(matches!(trouble, Trouble::TooLong | Trouble::Protocol(_)), "{trouble}");
}

#[test]
fn what_failed_once_takes_nothing_more() {
    let folder = Certificates::new();
    let mut wire = Wire::new(&tls(&folder, "node"), &tls(&folder, "node"), 1 << 16);
    let mut plain = vec![0; CIPHERTEXT_READ + RECORD];
    assert_eq!(wire.server.take(b"PING\r\n", &mut plain), Err(Trouble::Plaintext));
    let hello = pull(&mut wire.client);
    assert_eq!(wire.server.take(&hello, &mut plain), Err(Trouble::Plaintext), "a good one comes too late");
    assert!(!wire.server.is_pending());
}

#[test]
fn empty_chunks_hold_nothing_up() {
    let folder = Certificates::new();
    let mut wire = Wire::new(&tls(&folder, "node"), &tls(&folder, "node"), 1 << 16);
    wire.carry();
    let mut said: Vec<&[u8]> = vec![b""; 200];
    said.push(b"PING\r\n");
    assert_eq!(wire.client.put(&chunks(&said), 0), 6);
    assert_eq!(wire.carry().server, b"PING\r\n");
}

#[test]
fn a_broken_record_of_a_connection_that_stands_ends_it() {
    let folder = Certificates::new();
    let mut wire = Wire::new(&tls(&folder, "node"), &tls(&folder, "node"), 1 << 16);
    wire.carry();
    wire.client.put(&chunks(&[b"PING\r\n"]), 0);
    let mut bytes = pull(&mut wire.client);
    *bytes.last_mut().unwrap() ^= 1;
    let trouble = wire.server.take(&bytes, &mut vec![0; CIPHERTEXT_READ + RECORD]).unwrap_err();
    assert!(trouble.to_string().contains("decrypt"), "{trouble}");
    assert!(wire.server.is_pending(), "the peer is told by an alert");
}

fn keeper() -> (Keeper, mpsc::Receiver<Completion>) {
    let (tell, told) = mpsc::channel();
    let deliver: Deliver = Arc::new(move |completion| drop(tell.send(completion)));
    (Keeper::new(deliver), told)
}

fn loaded(keeper: &mut Keeper, told: &mpsc::Receiver<Completion>, tls: &Tls) -> Outcome {
    keeper.load(OpId::from_u64(7), Box::new(tls.clone())).unwrap();
    match told.recv_timeout(Duration::from_secs(20)).unwrap() {
        Completion::Done { op, result } if op == OpId::from_u64(7) => result,
        other => panic!("{other:?}"),
    }
}

/// The certificate that a server of these certificates shows.
fn shown(keeper: &Keeper) -> Vec<u8> {
    let to = Endpoint::Tcp(([127, 0, 0, 1], 6379).into());
    let certificates = keeper.certificates();
    let (client, server) = (certificates.connect(&to).unwrap(), certificates.accept().unwrap());
    let mut wire = Wire { client, server, piece: 1 << 16 };
    let heard = wire.carry();
    assert_eq!((heard.client_trouble, heard.server_trouble), (None, None));
    wire.client.peer_certificate().unwrap()
}

#[test]
fn changed_files_are_taken_up_and_bad_ones_are_not() {
    let folder = Certificates::new();
    let node = tls(&folder, "node");
    let (mut keeper, told) = keeper();
    assert!(keeper.certificates().accept().is_none());
    assert!(matches!(loaded(&mut keeper, &told, &node), Outcome::Loaded));
    let first = shown(&keeper);
    // Asked for, and unusable.
    let bad = Tls { key_file: node.ca_cert_file.clone(), ..node.clone() };
    assert!(matches!(loaded(&mut keeper, &told, &bad), Outcome::Failed(e) if e.message.contains("no private key")));
    assert_eq!(shown(&keeper), first);
    // Changed, at first in half: the certificate without its key.
    let key = fs::read_to_string(folder.folder().join("node.key")).unwrap();
    folder.sign("node", |_| {});
    let new = fs::read_to_string(folder.folder().join("node.key")).unwrap();
    folder.put("node.key", &key);
    std::thread::sleep(Duration::from_millis(3500));
    assert_eq!(shown(&keeper), first, "half of a change is none");
    folder.put("node.key", &new);
    let begun = SystemTime::now();
    while shown(&keeper) == first {
        assert!(begun.elapsed().unwrap() < Duration::from_secs(30), "the change is taken up");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(Path::new(&node.cert_file).exists());
}
