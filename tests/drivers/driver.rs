//! The driver against real sockets, files, clocks and signals, with a machine that only echoes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use primacy_core::ids::ConnId;
use primacy_core::machine::{Closed, Endpoint, JobErrorKind, Outcome, SocketOptions};
use primacy_core::rng::Rng;
use primacy_core::{Action, Job};

use super::bench::{Note, Running};

fn temp(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("primacy-driver-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    let _ = std::fs::remove_file(&path);
    path
}

fn text(path: &std::path::Path) -> std::sync::Arc<str> {
    path.to_str().unwrap().into()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn connect_action(conn: ConnId, to: Endpoint) -> Action<()> {
    Action::Connect { conn, to, from: None, tls: false, options: SocketOptions::default() }
}

/// Sends `total` random bytes in random pieces from one thread and reads them back, in other pieces, in this one.
fn echo_all(stream: &TcpStream, seed: u8, total: usize) {
    let mut rng = Rng::new([seed; 32]);
    let mut data = vec![0; total];
    rng.fill(&mut data);
    std::thread::scope(|scope| {
        let (mut to, sent) = (stream, &data);
        scope.spawn(move || {
            let mut rng = Rng::new([seed ^ 0xff; 32]);
            let mut rest = &sent[..];
            while !rest.is_empty() {
                let bits = rng.below(19);
                let n = (rng.below(1 << bits) as usize + 1).min(rest.len());
                to.write_all(&rest[..n]).unwrap();
                rest = &rest[n..];
            }
            to.shutdown(Shutdown::Write).unwrap();
        });
        let (mut from, mut back) = (stream, Vec::new());
        let mut piece = vec![0; 300_000];
        loop {
            let n = rng.below(piece.len() as u64) as usize + 1;
            match from.read(&mut piece[..n]).unwrap() {
                0 => break,
                n => back.extend_from_slice(&piece[..n]),
            }
        }
        assert!(back == data, "{} of {} bytes came back, or others", back.len(), data.len());
    });
}

#[test]
fn big_transfers_come_back_whole_under_backpressure_and_after_half_close() {
    let mut machine = Running::start();
    let address = machine.listen_tcp();
    std::thread::scope(|scope| {
        for seed in 1..=4 {
            scope.spawn(move || echo_all(&connect(address), seed, 6 << 20));
        }
    });
    assert_eq!(machine.exit(0), 0);
}

#[test]
fn nobody_is_read_before_it_wants_to_be_and_at_once_when_it_does() {
    let mut machine = Running::start();
    let address = machine.listen_tcp();
    let mut client = connect(address);
    let conn = machine.accepted();
    machine.call(|m, _, _| m.chatty = true);
    machine.act(Action::Interest { conn, read: false, write: false });
    machine.job(Job::Usage);
    client.write_all(&[7; 1000]).unwrap();
    // A second connection's echo shows that the loop had its chance to read the first.
    let mut other = connect(address);
    other.write_all(b"x").unwrap();
    let other_conn = machine.accepted();
    let first = machine.wait(|note| match note {
        Note::Received(conn, _) => Some(conn),
        _ => None,
    });
    assert_eq!(first, other_conn);
    machine.act(Action::Interest { conn, read: true, write: false });
    let mut back = [0; 1000];
    client.read_exact(&mut back).unwrap();
    assert_eq!(back, [7; 1000]);
}

#[test]
fn an_end_that_came_with_the_last_bytes_is_heard() {
    let mut machine = Running::start();
    let address = machine.listen_tcp();
    for n in 1..200 {
        let mut client = connect(address);
        client.write_all(&vec![1; n]).unwrap();
        drop(client); // The bytes and the end are one event, or two.
        let conn = machine.accepted();
        machine.wait(|note| match note {
            Note::Eof(c) | Note::Closed(c, Closed::Reset) if c == conn => Some(()),
            _ => None,
        });
    }
}

#[test]
fn a_reset_is_told_from_an_end() {
    let mut machine = Running::start();
    let address = machine.listen_tcp();
    for read in [true, false] {
        let client = connect(address);
        let conn = machine.accepted();
        machine.act(Action::Interest { conn, read, write: false });
        machine.job(Job::Usage);
        socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        let reason = machine.wait(|note| match note {
            Note::Closed(c, reason) if c == conn => Some(reason),
            Note::Eof(_) => panic!("a reset is no end"),
            _ => None,
        });
        assert_eq!(reason, Closed::Reset);
    }
}

#[test]
fn a_reset_behind_bytes_that_nobody_reads_is_told() {
    let mut machine = Running::start();
    let address = machine.listen_tcp();
    let mut client = connect(address);
    let conn = machine.accepted();
    machine.act(Action::Interest { conn, read: false, write: false });
    machine.job(Job::Usage);
    client.write_all(b"unread").unwrap();
    machine.job(Job::Usage); // A turn or two in which the bytes are there and stay.
    machine.job(Job::Usage);
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    let reason = machine.wait(|note| match note {
        Note::Closed(c, reason) if c == conn => Some(reason),
        _ => None,
    });
    assert_eq!(reason, Closed::Reset);
}

#[test]
fn connections_that_cannot_be_made_are_closed_with_the_reason() {
    let machine = Running::start();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let cases = [
        (Endpoint::Tcp(free), Closed::Refused),
        (Endpoint::Unix("/no/such/socket".into()), Closed::Refused),
        (Endpoint::Tcp(([255, 255, 255, 255], 1).into()), Closed::Unreachable),
    ];
    for (n, (to, expected)) in cases.into_iter().enumerate() {
        let conn = ConnId::opened(n as u64 + 1);
        machine.act(connect_action(conn, to));
        let reason = machine.wait(|note| match note {
            Note::Closed(c, reason) if c == conn => Some(reason),
            Note::Connected(..) => panic!("connected to nobody"),
            _ => None,
        });
        assert_eq!(reason, expected, "case {n}");
    }
    // One that is given up before its failure is told is not told of.
    let conn = ConnId::opened(100);
    machine.call(move |_, _, out| {
        out.push(connect_action(conn, Endpoint::Unix("/no/such/socket".into())));
        out.push(Action::Close { conn });
    });
    let later = ConnId::opened(101);
    machine.act(connect_action(later, Endpoint::Unix("/no/such/socket".into())));
    assert_eq!(machine.wait(|note| if let Note::Closed(c, _) = note { Some(c) } else { None }), later);
}

#[test]
fn outgoing_connections_come_from_the_address_they_are_given() {
    let machine = Running::start();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = server.local_addr().unwrap();
    let conn = ConnId::opened(1);
    machine.act(Action::Connect {
        conn,
        to: Endpoint::Tcp(to),
        from: Some([127, 0, 0, 9].into()),
        tls: false,
        options: SocketOptions { nodelay: true, keepalive_s: 30 },
    });
    let (mut peer, from) = server.accept().unwrap();
    assert_eq!(from.ip(), std::net::IpAddr::from([127, 0, 0, 9]));
    let (local, remote) = machine.wait(|note| match note {
        Note::Connected(c, local, peer) if c == conn => Some((local, peer)),
        _ => None,
    });
    assert_eq!((local, remote), (Endpoint::Tcp(from), Endpoint::Tcp(to)));
    peer.write_all(b"hello").unwrap();
    let mut back = [0; 5];
    peer.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"hello");
    machine.act(Action::Close { conn });
    assert_eq!(peer.read(&mut back).unwrap(), 0);
}

#[test]
fn deadlines_are_never_early_and_nothing_spins_until_them() {
    let mut machine = Running::start();
    machine.job(Job::Usage);
    let before = machine.turns().count;
    let mut timers = 0;
    for us in [0, 1, 50, 300, 999, 1000, 1001, 1500, 2500, 10_000, 40_700] {
        for _ in 0..5 {
            machine.call(move |m, now, _| m.deadline = Some(now.mono + Duration::from_micros(us)));
            // The machine notes a tick only if its deadline is not later than the tick's own time: an early one
            // would be fed and fed again, and show in the number of turns.
            machine.wait(|note| if let Note::Tick(now) = note { Some(now) } else { None });
            timers += 1;
        }
    }
    let turns = machine.turns().count - before;
    assert!(turns <= timers * 4 + 20, "{turns} turns for {timers} timers");
}

#[test]
fn a_deadline_that_moves_is_met_where_it_moved_to() {
    let mut machine = Running::start();
    // First far, then near: the timer is set anew. Then nearer than one that stays armed, then farther.
    for us in [3_600_000_000, 2_000, 1_000] {
        machine.call(move |m, now, _| m.deadline = Some(now.mono + Duration::from_micros(us)));
        if us > 1_000_000 {
            machine.job(Job::Usage); // Turns pass, and the timer is set.
        }
    }
    machine.wait(|note| if let Note::Tick(_) = note { Some(()) } else { None });
    machine.call(|m, now, _| m.deadline = Some(now.mono + Duration::from_micros(500)));
    machine.call(|m, now, _| m.deadline = Some(now.mono + Duration::from_millis(20)));
    machine.wait(|note| if let Note::Tick(_) = note { Some(()) } else { None });
}

#[test]
fn a_machine_that_yields_lets_others_have_their_turn() {
    let mut machine = Running::start();
    let address = machine.listen_tcp();
    machine.call(|m, _, out| {
        m.yield_until = 5;
        out.push(Action::Yield);
    });
    machine.wait(|note| if let Note::Resume = note { Some(()) } else { None });
    let mut client = connect(address);
    client.write_all(b"hello").unwrap();
    let mut back = [0; 5];
    client.read_exact(&mut back).unwrap();
    assert_eq!(machine.exit(3), 3);
}

#[test]
fn one_greedy_connection_does_not_hold_up_another() {
    let mut machine = Running::start();
    let address = machine.listen_tcp();
    machine.call(|m, _, _| (m.echo, m.slow) = (false, true));
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut greedy = connect(address);
            let piece = vec![0; 1 << 20];
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                greedy.write_all(&piece).unwrap();
            }
        });
        let greedy = machine.accepted();
        for _ in 0..20 {
            let client = connect(address);
            let conn = machine.accepted();
            assert_ne!(conn, greedy);
            drop(client);
            machine.wait(|note| if matches!(note, Note::Eof(c) if c == conn) { Some(()) } else { None });
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn idle_connections_cost_a_turn_nothing_and_all_are_served() {
    let mut machine = Running::start();
    let address = machine.listen_tcp();
    let mut clients: Vec<TcpStream> = (0..300).map(|_| connect(address)).collect();
    for client in &mut clients {
        client.write_all(b"ping").unwrap();
    }
    for client in &mut clients {
        let mut back = [0; 4];
        client.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"ping");
    }
    machine.job(Job::Usage);
    let before = machine.turns().count;
    machine.job(Job::Usage);
    assert!(machine.turns().count - before <= 4, "idle connections make no turns");
    drop(clients);
    let mut ends = 0;
    machine.wait(|note| {
        ends += usize::from(matches!(note, Note::Eof(_)));
        (ends == 300).then_some(())
    });
    // The slots are used again, the ids are not.
    let _client = connect(address);
    assert_eq!(machine.accepted(), ConnId::accepted(301));
}

#[test]
fn file_jobs_of_a_machine_finish_in_order_and_before_its_exit() {
    let folder = temp("files");
    std::fs::create_dir_all(&folder).unwrap();
    let (part, whole) = (text(&folder.join("part")), text(&folder.join("whole")));
    let mut machine = Running::start();
    for n in 0..50u64 {
        let bytes = vec![Bytes::from(vec![n as u8; 10]), Bytes::from_static(b"|")];
        machine.start_job(Job::Append { file: part.clone(), at: n * 11, bytes, sync: n % 20 == 0 });
    }
    assert!(matches!(machine.job(Job::Commit { file: part.clone(), to: whole.clone() }), Outcome::Written));
    match machine.job(Job::Read { file: whole.clone(), at: 11, len: 12 }) {
        Outcome::Read(bytes) => assert_eq!(&bytes[..], b"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01|\x02"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(machine.job(Job::Stat { file: part.clone() }), Outcome::Stat(None)));
    for n in 0..100 {
        machine.start_job(Job::Append { file: part.clone(), at: n, bytes: vec!["x".into()], sync: n == 50 });
    }
    assert_eq!(machine.exit(0), 0);
    assert_eq!(std::fs::metadata(&*part).unwrap().len(), 100, "the exit waits for what was started before it");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn names_scripts_and_usage_are_answered() {
    let mut machine = Running::start();
    match machine.job(Job::Resolve { host: "::1".into() }) {
        Outcome::Resolved(found) => assert_eq!(found, [std::net::IpAddr::from(std::net::Ipv6Addr::LOCALHOST)]),
        other => panic!("{other:?}"),
    }
    assert!(
        matches!(machine.job(Job::Resolve { host: "localhost".into() }), Outcome::Resolved(found) if !found.is_empty())
    );
    let failed = machine.job(Job::Resolve { host: "no such name".into() });
    assert!(matches!(failed, Outcome::Failed(e) if e.kind == JobErrorKind::NoSuchHost));
    assert!(matches!(machine.job(Job::Usage), Outcome::Usage(u) if u.rss > 0));
    let args = vec!["-c".into(), "exit 4".into()];
    let script = Job::Script { program: "/bin/sh".into(), args, timeout: Duration::from_secs(60) };
    assert!(matches!(machine.job(script), Outcome::Exited { code: Some(4), .. }));
    let args = vec!["-c".into(), "sleep 1000".into()];
    let op = machine.start_job(Job::Script { program: "/bin/sh".into(), args, timeout: Duration::from_secs(1000) });
    machine.wait(|note| if matches!(note, Note::Began(o) if o == op) { Some(()) } else { None });
    machine.act(Action::Cancel { op });
    assert!(matches!(machine.done(op), Outcome::Exited { signal: Some(9), .. }));
}

#[test]
fn unix_sockets_listen_and_connect() {
    let path = temp("socket");
    let at = Endpoint::Unix(text(&path));
    drop(UnixListener::bind(&path).unwrap()); // A dead process's socket file.
    let mut machine = Running::start();
    let op = machine.start_job(Job::Listen { at: at.clone(), backlog: 10, mode: Some(0o700), tls: false });
    assert!(matches!(machine.done(op), Outcome::Listening(bound) if bound == at));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(&vec![5; 100_000]).unwrap();
    let mut back = vec![0; 100_000];
    client.read_exact(&mut back).unwrap();
    assert_eq!(back, vec![5; 100_000]);

    let busy = machine.job(Job::Listen { at: at.clone(), backlog: 10, mode: None, tls: false });
    assert!(matches!(busy, Outcome::Failed(e) if e.kind == JobErrorKind::InUse));
    let conn = ConnId::opened(1);
    machine.act(connect_action(conn, at.clone()));
    machine.wait(|note| match note {
        Note::Connected(c, _, peer) if c == conn && peer == at => Some(()),
        _ => None,
    });
    machine.act(Action::Unlisten { op });
    machine.job(Job::Usage);
    assert!(!path.exists(), "an unused socket file is removed");

    std::fs::write(&path, "no socket").unwrap();
    let file = machine.job(Job::Listen { at, backlog: 10, mode: None, tls: false });
    assert!(matches!(file, Outcome::Failed(e) if e.message.contains("is no socket")));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "no socket");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_busy_port_is_told_and_both_families_share_one() {
    let mut machine = Running::start();
    let v4 = machine.listen(Endpoint::Tcp(([0, 0, 0, 0], 0).into())).tcp().unwrap();
    let again = machine.job(Job::Listen { at: Endpoint::Tcp(v4), backlog: 1, mode: None, tls: false });
    match again {
        Outcome::Failed(e) => {
            assert_eq!(e.kind, JobErrorKind::InUse);
            assert!(e.message.contains(&v4.to_string()), "{e}");
        }
        other => panic!("{other:?}"),
    }
    let v6 = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, v4.port()));
    match machine.job(Job::Listen { at: Endpoint::Tcp(v6), backlog: 1, mode: None, tls: false }) {
        Outcome::Listening(_) => {}
        Outcome::Failed(e) => eprintln!("skipped: no IPv6 here: {e}"),
        other => panic!("{other:?}"),
    }
    let foreign = SocketAddr::from(([192, 0, 2, 1], 0));
    let foreign = machine.job(Job::Listen { at: Endpoint::Tcp(foreign), backlog: 1, mode: None, tls: false });
    assert!(matches!(foreign, Outcome::Failed(e) if e.kind == JobErrorKind::NotAvailable));
    // On all addresses, the one that was called is the local one.
    let _client = connect((std::net::Ipv4Addr::LOCALHOST, v4.port()).into());
    let local = machine.wait(|note| if let Note::Accepted(_, local, _) = note { local.tcp() } else { None });
    assert_eq!(local, SocketAddr::from(([127, 0, 0, 1], v4.port())));
}

#[test]
fn a_closed_listener_takes_nobody_and_a_closed_connection_is_gone() {
    let mut machine = Running::start();
    let at = Endpoint::Tcp(([127, 0, 0, 1], 0).into());
    let op = machine.start_job(Job::Listen { at, backlog: 5, mode: None, tls: false });
    let Outcome::Listening(Endpoint::Tcp(address)) = machine.done(op) else { panic!("no listener") };
    let mut client = connect(address);
    let conn = machine.accepted();
    machine.act(Action::Unlisten { op });
    machine.act(Action::Close { conn });
    assert_eq!(client.read(&mut [0; 10]).unwrap(), 0);
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}
