//! Asking a program whether it knows the resync with two channels.

use primacy_tests::resp::{Client, Value, encode};
use primacy_tests::server::Server;
use primacy_tests::world::World;
use primacy_tests::{Result, ports, program::Program};
use std::time::{Duration, Instant};

/// Valkey's switch, which Primacy takes too. No Redis up to 7 knows it.
pub(super) const SWITCH: &str = "dual-channel-replication-enabled";
/// What a replica offers, by either dialect.
const OFFERS: [&str; 2] = ["dual-channel", "rdb-channel-repl"];
/// What a master answers, by either dialect.
const ANSWERS: [&str; 2] = ["DUALCHANNELSYNC", "RDBCHANNELSYNC"];

/// Whether a running server knows the directive.
pub(super) fn has_switch(s: &Server) -> Result<bool> {
    Ok(!s.client()?.run(&format!("CONFIG GET {SWITCH}"))?.items().is_empty())
}

/// Whether a replica with the switch on offers to take a snapshot by a channel of its own.
pub(super) fn offered_by(w: &World, program: &Program) -> Result<bool> {
    let (listener, port) = ports::listen()?;
    listener.set_nonblocking(true)?;
    let replica = w.server("asked", program, &[&format!("{SWITCH} yes"), &format!("replicaof 127.0.0.1 {port}")])?;
    let end = Instant::now() + Duration::from_secs(10);
    let stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(_) if Instant::now() < end => std::thread::sleep(Duration::from_millis(5)),
            Err(e) => return Err(format!("the replica does not come: {e}").into()),
        }
    };
    stream.set_nonblocking(false)?;
    let mut c = Client::from_stream(stream)?;
    let mut offers = false;
    loop {
        // A command is an array of texts, as a reply may be.
        let command = c.read()?;
        let words: Vec<String> = command.items().iter().map(Value::text).collect();
        match words.first().map(|w| w.to_uppercase()).as_deref() {
            Some("PING") => c.send_raw(b"+PONG\r\n")?,
            Some("REPLCONF") => {
                offers |= words.iter().any(|w| OFFERS.contains(&w.as_str()));
                c.send_raw(b"+OK\r\n")?;
            }
            Some("PSYNC") => break,
            _ => return Err(format!("a replica says {words:?}").into()),
        }
    }
    replica.kill();
    Ok(offers)
}

/// Whether a master with the switch on answers such an offer.
pub(super) fn answered_by(w: &World, program: &Program) -> Result<bool> {
    let master = w.server("asked", program, &[&format!("{SWITCH} yes"), "repl-diskless-sync yes"])?;
    let mut knows = false;
    for offer in OFFERS {
        let mut c = master.client()?;
        let port = ports::free().to_string();
        c.ask(&["REPLCONF", "listening-port", &port])?;
        c.ask(&["REPLCONF", "capa", "eof", "capa", "psync2", "capa", offer])?;
        let mut ask = Vec::new();
        encode(&mut ask, &["PSYNC", "?", "-1"]);
        c.send_raw(&ask)?;
        // An empty line is a sign of life; it comes before any answer.
        let answer = c.read().map(|reply| reply.text()).unwrap_or_default();
        knows |= ANSWERS.iter().any(|a| answer.starts_with(a));
    }
    master.kill();
    Ok(knows)
}
