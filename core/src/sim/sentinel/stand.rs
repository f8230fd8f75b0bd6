//! A stand-in for a server, where there are too many for nodes: it answers what sentinels ask, holds no data, and takes
//! the role that it is told.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::net::SocketAddr;

use crate::blocks::Blocks;
use crate::ids::{ConnId, OpId, RunId};
use crate::machine::{Action, Actions, Chunks, Endpoint, Input, Interest, Job};
use crate::resp::{Args, Proto, Reply, RequestLimits, Requests};
use crate::time::Instant;

/// Whom it follows: host and port.
type Follow = (String, String);

/// One connection to it.
#[derive(Debug)]
struct Session {
    requests: Requests,
    out: Blocks,
    interest: Interest,
    subscribed: bool,
    /// Commands of an open MULTI.
    queued: Option<Vec<Vec<Vec<u8>>>>,
}

/// A stand-in. See the [module](self).
#[derive(Debug)]
pub struct Stand {
    run_id: RunId,
    port: u16,
    /// Who replicates from it while it is a master.
    replicas: Vec<SocketAddr>,
    follow: Option<Follow>,
    sessions: BTreeMap<ConnId, Session>,
    start: Option<Instant>,
}

impl Stand {
    /// A stand-in that will listen on `port`, for a master of `replicas`, or for a replica.
    pub fn new(run_id: RunId, port: u16, replicas: Vec<SocketAddr>, follow: Option<SocketAddr>) -> Self {
        let follow = follow.map(|at| (at.ip().to_string(), at.port().to_string()));
        Self { run_id, port, replicas, follow, sessions: BTreeMap::new(), start: Some(Instant::ZERO) }
    }

    /// Whether it is a master.
    pub fn is_master(&self) -> bool {
        self.follow.is_none()
    }

    /// Whom it follows.
    pub fn follows(&self) -> Option<(&str, &str)> {
        self.follow.as_ref().map(|(host, port)| (&**host, &**port))
    }

    /// Takes one thing that happened.
    #[allow(clippy::needless_pass_by_value, reason = "an input is given away, as by the door of a machine")]
    pub fn handle<C, E>(&mut self, input: Input<'_, C>, out: &mut Actions<E>) {
        match input {
            Input::Tick if self.start.take().is_some() => {
                let at = Endpoint::Tcp(([0, 0, 0, 0], self.port).into());
                let job = Job::Listen { at, backlog: 511, mode: None, tls: false };
                out.push(Action::Start { op: OpId::from_u64(1), job });
            }
            Input::Accepted { conn, .. } => {
                let session = Session {
                    requests: Requests::new(),
                    out: Blocks::new(),
                    interest: Interest::READ,
                    subscribed: false,
                    queued: None,
                };
                self.sessions.insert(conn, session);
            }
            Input::Received { conn, bytes } => self.received(conn, bytes, out),
            Input::Sent { conn, len } => {
                if let Some(session) = self.sessions.get_mut(&conn) {
                    session.out.release(session.out.start().saturating_add(len as u64));
                    session.tell(conn, out);
                }
            }
            Input::Eof { conn } if self.sessions.remove(&conn).is_some() => out.push(Action::Close { conn }),
            Input::Closed { conn, .. } => drop(self.sessions.remove(&conn)),
            _ => {}
        }
    }

    /// Its next deadline.
    pub fn deadline(&self) -> Option<Instant> {
        self.start
    }

    /// Shows unsent bytes.
    pub fn transmit(&mut self, conn: ConnId, budget: usize, out: &mut Chunks) {
        if let Some(session) = self.sessions.get_mut(&conn) {
            let start = session.out.start();
            session.out.read(start, budget, out);
        }
    }

    fn received<E>(&mut self, conn: ConnId, bytes: &[u8], out: &mut Actions<E>) {
        // Taken out, so that what it asks for can reach the others.
        let Some(mut session) = self.sessions.remove(&conn) else { return };
        let mut input = bytes;
        let limits = RequestLimits::default();
        let mut news: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut requests = core::mem::take(&mut session.requests);
        while let Ok(Some(args)) = requests.next(&mut input, &limits) {
            self.command(&mut session, args, &mut news);
        }
        session.requests = requests;
        session.tell(conn, out);
        self.sessions.insert(conn, session);
        for (channel, payload) in news {
            for (&conn, session) in self.sessions.iter_mut().filter(|(_, s)| s.subscribed) {
                let mut reply = Reply::new(&mut session.out, Proto::Resp2);
                reply.array(3);
                reply.bulk(b"message");
                reply.bulk(&channel);
                reply.bulk(&payload);
                session.tell(conn, out);
            }
        }
    }

    fn command(&mut self, session: &mut Session, args: Args<'_>, news: &mut Vec<(Vec<u8>, Vec<u8>)>) {
        let exec = args.is(0, "EXEC");
        if let Some(queued) = session.queued.as_mut().filter(|_| !exec) {
            queued.push(args.iter().map(<[u8]>::to_vec).collect());
            return Reply::new(&mut session.out, Proto::Resp2).simple("QUEUED");
        }
        let mut reply = Reply::new(&mut session.out, Proto::Resp2);
        if args.is(0, "PING") {
            reply.simple("PONG");
        } else if args.is(0, "INFO") {
            reply.bulk(self.info().as_bytes());
        } else if args.is(0, "PUBLISH") && args.len() == 3 {
            news.push((args.at(1).to_vec(), args.at(2).to_vec()));
            reply.int(1);
        } else if args.is(0, "SUBSCRIBE") && args.len() == 2 {
            session.subscribed = true;
            reply.array(3);
            reply.bulk(b"subscribe");
            reply.bulk(args.at(1));
            reply.int(1);
        } else if args.is(0, "MULTI") {
            session.queued = Some(Vec::new());
            reply.ok();
        } else if exec {
            let queued = session.queued.take().unwrap_or_default();
            reply.array(queued.len());
            for words in queued {
                if words.first().is_some_and(|w| w.eq_ignore_ascii_case(b"SLAVEOF")) && words.len() == 3 {
                    let word = |i: usize| String::from_utf8_lossy(&words[i]).into_owned();
                    let nobody = word(1).eq_ignore_ascii_case("no");
                    self.follow = (!nobody).then(|| (word(1), word(2)));
                }
                reply.ok();
            }
        } else {
            reply.ok();
        }
    }

    fn info(&self) -> String {
        let Self { run_id, port, .. } = self;
        let id = format!("{:040x}", 7);
        let mut text =
            format!("run_id:{run_id}\r\nmaster_replid:{id}\r\nmaster_repl_offset:100\r\ntcp_port:{port}\r\n");
        match &self.follow {
            None => {
                text += "role:master\r\n";
                for (i, at) in self.replicas.iter().enumerate() {
                    let (ip, port) = (at.ip(), at.port());
                    let _ = write!(text, "slave{i}:ip={ip},port={port},state=online,offset=100,lag=0\r\n");
                }
            }
            Some((host, port)) => {
                let _ = write!(
                    text,
                    "role:slave\r\nmaster_host:{host}\r\nmaster_port:{port}\r\nmaster_link_status:up\r\n\
                     slave_priority:100\r\nslave_repl_offset:100\r\n"
                );
            }
        }
        text
    }
}

impl Session {
    /// Tells the runtime whether there are bytes, if that changed.
    fn tell<E>(&mut self, conn: ConnId, out: &mut Actions<E>) {
        let write = !self.out.is_empty();
        self.interest.update(conn, true, write, out);
    }
}
