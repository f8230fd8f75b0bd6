//! The smallest server: a machine that answers `+PONG` to every line, on the port given as argument (6400 if none).
//!
//! It shows what a machine is, and measures what the driver costs by itself:
//! `cargo run --release --example pong`, then `redis-benchmark -p 6400 -t ping_inline`.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use primacy_core::ids::{ConnId, OpId};
use primacy_core::machine::{Endpoint, Outcome};
use primacy_core::{Action, Actions, Chunks, Input, Instant, Job, Machine, Now};
use primacy_host::{Clock, TurnMeter};
use primacy_mio::{Drive, Driver};

struct Pong {
    listen: Option<Endpoint>,
    unsent: HashMap<ConnId, BytesMut>,
}

impl Machine for Pong {
    type Call = ();
    type Event = String;

    fn handle(&mut self, _now: Now, input: Input<'_, ()>, out: &mut Actions<String>) {
        match input {
            Input::Tick => {
                if let Some(at) = self.listen.take() {
                    let job = Job::Listen { at, backlog: 511, mode: None, tls: false };
                    out.push(Action::Start { op: OpId::from_u64(1), job });
                }
            }
            Input::Done { result: Outcome::Listening(at), .. } => out.event(format!("listening on {at}")),
            Input::Done { result: Outcome::Failed(error), .. } => {
                out.event(error.to_string());
                out.push(Action::Exit { code: 1 });
            }
            Input::Received { conn, bytes } => {
                let unsent = self.unsent.entry(conn).or_default();
                let idle = unsent.is_empty();
                for _ in bytes.iter().filter(|b| **b == b'\n') {
                    unsent.extend_from_slice(b"+PONG\r\n");
                }
                if idle && !unsent.is_empty() {
                    out.push(Action::Interest { conn, read: true, write: true });
                }
            }
            Input::Sent { conn, len } => {
                if let Some(unsent) = self.unsent.get_mut(&conn) {
                    let _ = unsent.split_to(len);
                    if unsent.is_empty() {
                        out.push(Action::Interest { conn, read: true, write: false });
                    }
                }
            }
            Input::Eof { conn } => {
                self.unsent.remove(&conn);
                out.push(Action::Close { conn });
            }
            Input::Closed { conn, .. } => drop(self.unsent.remove(&conn)),
            Input::Shutdown { .. } => out.push(Action::Exit { code: 0 }),
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.listen.as_ref().map(|_| Instant::ZERO)
    }

    fn transmit(&mut self, conn: ConnId, budget: usize, out: &mut Chunks) {
        if let Some(unsent) = self.unsent.get(&conn) {
            out.push(Bytes::copy_from_slice(&unsent[..unsent.len().min(budget)]));
        }
    }
}

fn main() -> std::io::Result<()> {
    let port: u16 = std::env::args().nth(1).and_then(|p| p.parse().ok()).unwrap_or(6400);
    let listen = Some(Endpoint::Tcp(([127, 0, 0, 1], port).into()));
    let meter = TurnMeter::new(Clock::new());
    let mut driver = Driver::new(Pong { listen, unsent: HashMap::new() }, &meter, |event| println!("{event}"))?;
    driver.catch_signals()?;
    std::process::exit(driver.run()?);
}
