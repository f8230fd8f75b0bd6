//! Encrypted connections of two machines, over real sockets.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use primacy_core::ids::ConnId;
use primacy_core::machine::{Closed, Endpoint, Outcome, SocketOptions};
use primacy_core::tls::Tls;
use primacy_core::{Action, Job};

use super::bench::{Note, Running};

#[path = "../src/certificates.rs"]
#[allow(unreachable_pub, dead_code, reason = "scenarios use it too")]
mod certificates;
use certificates::Certificates;

fn tls(of: &Certificates) -> Tls {
    let [cert_file, key_file, ca_cert_file] = ["node.pem", "node.key", "ca.pem"].map(|name| of.at(name));
    Tls { cert_file, key_file, ca_cert_file, ..Tls::default() }
}

/// A machine with these certificates.
fn machine(of: &Certificates) -> Running {
    let mut machine = Running::start();
    let outcome = machine.job(Job::LoadTls { tls: Box::new(tls(of)) });
    assert!(matches!(outcome, Outcome::Loaded), "{outcome:?}");
    machine
}

fn listen(machine: &mut Running) -> SocketAddr {
    let at = Endpoint::Tcp(([127, 0, 0, 1], 0).into());
    match machine.job(Job::Listen { at, backlog: 511, mode: None, tls: true }) {
        Outcome::Listening(at) => at.tcp().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn connect(conn: ConnId, to: SocketAddr) -> Action<()> {
    Action::Connect { conn, to: Endpoint::Tcp(to), from: None, tls: true, options: SocketOptions::default() }
}

fn connected(machine: &Running, conn: ConnId) {
    machine.wait(|note| match note {
        Note::Connected(c, ..) if c == conn => Some(()),
        Note::Closed(c, reason) if c == conn => panic!("{reason}"),
        _ => None,
    });
}

fn closed(machine: &Running, conn: ConnId) -> Closed {
    machine.wait(|note| match note {
        Note::Closed(c, reason) if c == conn => Some(reason),
        _ => None,
    })
}

/// Waits until so many bytes came in by `conn`.
fn received(machine: &Running, conn: ConnId, all: usize) {
    let mut got = 0;
    machine.wait(|note| {
        match note {
            Note::Received(c, n) if c == conn => got += n,
            Note::Closed(c, reason) if c == conn => panic!("{reason} after {got} bytes"),
            Note::Eof(c) if c == conn => panic!("an end after {got} bytes"),
            _ => {}
        }
        (got == all).then_some(())
    });
}

#[test]
fn big_transfers_come_back_whole_under_backpressure() {
    const ALL: usize = 6 << 20;
    let certificates = Certificates::new();
    let (mut server, client) = (machine(&certificates), machine(&certificates));
    let address = listen(&mut server);
    client.call(|m, _, _| (m.echo, m.chatty) = (false, true));
    for n in 1..=3 {
        let conn = ConnId::opened(n);
        client.act(connect(conn, address));
        connected(&client, conn);
        client.call(move |m, _, out| {
            m.slow = n == 2;
            m.send(conn, &vec![n as u8; ALL], out);
        });
        received(&client, conn, ALL);
    }
    let conn = ConnId::opened(1);
    let accepted = server.accepted();
    client.act(Action::Close { conn });
    server.wait(|note| if matches!(note, Note::Eof(c) if c == accepted) { Some(()) } else { None });
}

/// Whether so many bytes more are sent, within a time in which they would be if there was room.
fn sent(machine: &Running, conn: ConnId, all: usize) -> bool {
    let mut left = all;
    while left > 0 {
        match machine.notes.recv_timeout(Duration::from_millis(500)) {
            Ok(Note::Sent(c, n)) if c == conn => left -= n,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    true
}

#[test]
fn what_was_sent_before_a_close_arrives() {
    const PIECE: usize = 30_000;
    let certificates = Certificates::new();
    let (mut server, client) = (machine(&certificates), machine(&certificates));
    let address = listen(&mut server);
    server.call(|m, _, _| (m.echo, m.chatty) = (false, true));
    client.call(|m, _, _| (m.echo, m.chatty) = (false, true));
    let conn = ConnId::opened(1);
    client.act(connect(conn, address));
    connected(&client, conn);
    client.act(Action::Interest { conn, read: false, write: false });
    let accepted = server.accepted();
    // When there is no more room, a part of what the machine has got rid of waits as ciphertext.
    let mut all = 0;
    loop {
        server.call(move |m, _, out| m.send(accepted, &vec![7; PIECE], out));
        if !sent(&server, accepted, PIECE) {
            break;
        }
        all += PIECE;
    }
    server.act(Action::Close { conn: accepted });
    client.act(Action::Interest { conn, read: true, write: false });
    received(&client, conn, all);
    client.wait(|note| if matches!(note, Note::Eof(c) if c == conn) { Some(()) } else { None });
}

#[test]
fn bytes_behind_a_handshake_wait_until_they_are_wanted() {
    let certificates = Certificates::new();
    let (mut server, client) = (machine(&certificates), machine(&certificates));
    let address = listen(&mut server);
    server.call(|m, _, _| (m.echo, m.chatty, m.deaf) = (false, true, true));
    client.call(|m, _, _| (m.echo, m.eager) = (false, b"first words"));
    for n in 1..=50 {
        client.act(connect(ConnId::opened(n), address));
        let accepted = server.accepted();
        server.job(Job::Usage);
        server.act(Action::Interest { conn: accepted, read: true, write: false });
        received(&server, accepted, 11);
    }
}

#[test]
fn strangers_are_told_nothing_and_not_told_of() {
    let certificates = Certificates::new();
    let mut server = machine(&certificates);
    let address = listen(&mut server);
    for bytes in [&b"PING\r\n"[..], b"\x16\x03\x01\x02\x00\x01\x00", &[22; 400], &vec![0; 70_000]] {
        let mut stranger = TcpStream::connect(address).unwrap();
        stranger.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stranger.write_all(bytes).unwrap();
        stranger.shutdown(std::net::Shutdown::Write).unwrap();
        let mut told = Vec::new();
        match stranger.read_to_end(&mut told) {
            Ok(_) => {}
            Err(e) => assert_eq!(e.kind(), ErrorKind::ConnectionReset),
        }
        assert!(told.is_empty() || (told.len() == 7 && told[0] == 21), "an alert at most: {told:?}");
    }
    // One that a known authority did not sign, and one that trusts nobody here.
    let others = Certificates::new();
    let stranger = machine(&others);
    stranger.act(connect(ConnId::opened(1), address));
    assert_eq!(closed(&stranger, ConnId::opened(1)), Closed::Tls);
    // The next one that the machine hears of is one that it trusts.
    let friend = machine(&certificates);
    friend.act(connect(ConnId::opened(1), address));
    connected(&friend, ConnId::opened(1));
    let heard = server.wait(|note| match note {
        Note::Accepted(conn, ..) => Some(conn),
        Note::Closed(..) | Note::Eof(_) => panic!("of a connection that it never heard of: {note:?}"),
        _ => None,
    });
    assert_eq!(heard, ConnId::accepted(6), "each of the five before had its id");
}

#[test]
fn a_peer_without_tls_is_a_failed_connection() {
    let certificates = Certificates::new();
    let client = machine(&certificates);
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = plain.local_addr().unwrap();
    for (n, answer) in [&b"-ERR unknown command\r\n"[..], b""].into_iter().enumerate() {
        let conn = ConnId::opened(n as u64 + 1);
        client.act(connect(conn, address));
        let mut peer = plain.accept().unwrap().0;
        peer.read_exact(&mut [0; 5]).unwrap();
        peer.write_all(answer).unwrap();
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(closed(&client, conn), Closed::Tls);
    }
    // One that is given up in its handshake is not told of.
    let conn = ConnId::opened(7);
    client.act(connect(conn, address));
    let mut peer = plain.accept().unwrap().0;
    client.act(Action::Close { conn });
    peer.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    peer.read_to_end(&mut Vec::new()).unwrap();
    let mut without = Running::start();
    without.job(Job::Usage);
    without.act(connect(conn, address));
    assert_eq!(closed(&without, conn), Closed::Tls, "no certificates");
}

#[test]
fn a_peer_that_stalls_in_its_handshake_is_closed() {
    let certificates = Certificates::new();
    let mut server = machine(&certificates);
    let address = listen(&mut server);
    let mut stalled = TcpStream::connect(address).unwrap();
    stalled.write_all(&[22, 3]).unwrap();
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let conn = ConnId::opened(1);
    server.act(connect(conn, plain.local_addr().unwrap()));
    let _silent = plain.accept().unwrap();
    stalled.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let told = stalled.read(&mut [0; 9]);
    assert!(matches!(told, Ok(0)) || told.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset));
    assert_eq!(closed(&server, conn), Closed::TimedOut);
}
