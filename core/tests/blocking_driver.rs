//! The example of a third driver serves.
#![cfg(feature = "keyspace")]
#![allow(missing_docs, clippy::std_instead_of_core, clippy::std_instead_of_alloc, reason = "tests")]

#[path = "../examples/blocking_driver.rs"]
#[allow(dead_code, unreachable_pub, reason = "its `main` is for people")]
mod blocking_driver;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

fn start(more: &'static [&str]) -> (u16, thread::JoinHandle<i32>) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let port = port.to_string();
        let args = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--repl-diskless-sync-delay", "0"];
        blocking_driver::serve(&[&args[..], more].concat()).unwrap()
    });
    (port, server)
}

/// Sends `request` until the answer is not `-LOADING` or a refusal to connect, and answers `len` bytes.
fn ask(port: u16, request: &[u8], len: usize) -> Vec<u8> {
    for _ in 0..1000 {
        if let Ok(mut client) = TcpStream::connect(("127.0.0.1", port)) {
            client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            let mut writer = client.try_clone().unwrap();
            let request = request.to_vec();
            let write = thread::spawn(move || writer.write_all(&request));
            let mut answer = vec![0; len];
            client.read_exact(&mut answer).unwrap();
            write.join().unwrap().unwrap();
            if !answer.starts_with(b"-L") {
                return answer;
            }
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("no server on port {port}");
}

#[test]
fn it_serves_pipelines_and_values_of_many_pieces_and_ends() {
    let (port, server) = start(&[]);
    assert_eq!(ask(port, b"PING\r\n", 7), b"+PONG\r\n");
    let value = vec![b'v'; 3_000_000];
    let set = [b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3000000\r\n", &value[..], b"\r\n"].concat();
    assert_eq!(ask(port, &set, 5), b"+OK\r\n");
    let all = ask(port, b"GET k\r\nGET k\r\nSTRLEN k\r\n", 2 * (3_000_000 + 12) + 10);
    assert!(all.starts_with(b"$3000000\r\nvvv") && all.ends_with(b"v\r\n:3000000\r\n"), "{} bytes", all.len());
    TcpStream::connect(("127.0.0.1", port)).unwrap().write_all(b"SHUTDOWN NOSAVE\r\n").unwrap();
    assert_eq!(server.join().unwrap(), 0);
}

#[test]
fn a_replica_over_it_follows_a_master_over_it() {
    let (master, over) = start(&[]);
    assert_eq!(ask(master, b"SET k before\r\n", 5), b"+OK\r\n");
    let (replica, followed) = start(&["--repl-diskless-load", "on-empty-db"]);
    assert_eq!(ask(replica, b"PING\r\n", 7), b"+PONG\r\n");
    let turn = format!("REPLICAOF localhost {master}\r\n");
    assert_eq!(ask(replica, turn.as_bytes(), 5), b"+OK\r\n");
    assert_eq!(ask(master, b"APPEND k -and-after\r\nWAIT 1 60000\r\n", 9), b":16\r\n:1\r\n");
    assert_eq!(ask(replica, b"GET k\r\n", 23), b"$16\r\nbefore-and-after\r\n");
    for (port, server) in [(replica, followed), (master, over)] {
        TcpStream::connect(("127.0.0.1", port)).unwrap().write_all(b"SHUTDOWN NOSAVE\r\n").unwrap();
        assert_eq!(server.join().unwrap(), 0);
    }
}
