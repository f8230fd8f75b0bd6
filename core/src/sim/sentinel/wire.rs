//! What the connections that sentinels open carry, read by parsers of the campaign's own: when each PING was sent and
//! answered, and which votes were asked for and given.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::ids::{ConnId, RunId};
use crate::resp::{Args, Replies, ReplyLimits, RequestLimits, Requests, Value};
use crate::time::Instant;

/// What was asked, as far as it matters here.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Asked {
    Ping(Instant),
    Vote { host: String, port: u16, epoch: u64, leader: RunId },
    Other,
}

/// One connection.
struct Wire {
    to: SocketAddr,
    requests: Requests,
    replies: Replies,
    asked: VecDeque<Asked>,
    /// It carries messages, which answer nothing.
    subscribed: bool,
}

/// How one process answers the PINGs of one sentinel, in the sentinel's own time.
#[derive(Debug, Default)]
pub struct Pings {
    /// When those that have no good answer were sent, of all connections.
    open: VecDeque<Instant>,
    /// When the last good answer came; at first when it was first connected to.
    good: Instant,
}

impl Pings {
    /// Since when it is silent: since the oldest PING without a good answer was sent, or if there is none since the last
    /// good answer.
    pub fn since(&self) -> Instant {
        self.open.front().copied().unwrap_or(self.good)
    }
}

/// An answer to a request for a vote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Who answered.
    pub voter: SocketAddr,
    /// About the master at this address.
    pub master: (String, u16),
    /// In which epoch the vote was asked for, and for whom.
    pub asked: (u64, RunId),
    /// The vote that stands.
    pub leader: Option<RunId>,
    /// Its epoch.
    pub epoch: u64,
}

/// All connections that sentinels opened.
#[derive(Default)]
pub struct Wires {
    map: BTreeMap<(u32, ConnId), Wire>,
    pings: BTreeMap<(u32, SocketAddr), Pings>,
}

impl Wires {
    /// A sentinel opens a connection.
    pub fn opened(&mut self, host: u32, conn: ConnId, to: SocketAddr, now: Instant) {
        let wire = Wire {
            to,
            requests: Requests::new(),
            replies: Replies::new(ReplyLimits { bytes: 8 << 20, depth: 8, line: 64 << 10 }),
            asked: VecDeque::new(),
            subscribed: false,
        };
        self.map.insert((host, conn), wire);
        self.pings.entry((host, to)).or_insert_with(|| Pings { open: VecDeque::new(), good: now });
    }

    /// A connection is gone.
    pub fn closed(&mut self, host: u32, conn: ConnId) {
        self.map.remove(&(host, conn));
    }

    /// A sentinel's process is another now.
    pub fn forget(&mut self, host: u32) {
        self.map.retain(|(h, _), _| *h != host);
        self.pings.retain(|(h, _), _| *h != host);
    }

    /// How a process answers a sentinel, if it was ever connected to.
    pub fn pings(&self, host: u32, to: SocketAddr) -> Option<&Pings> {
        self.pings.get(&(host, to))
    }

    /// A sentinel sent these bytes.
    pub fn sent(&mut self, host: u32, conn: ConnId, bytes: &[u8], now: Instant) {
        let Some(wire) = self.map.get_mut(&(host, conn)) else { return };
        let (mut input, limits) = (bytes, RequestLimits::default());
        while let Ok(Some(args)) = wire.requests.next(&mut input, &limits) {
            let asked = read(args, now);
            wire.subscribed |= args.is(0, "SUBSCRIBE");
            if let Asked::Ping(at) = asked {
                self.pings.entry((host, wire.to)).or_default().open.push_back(at);
            }
            wire.asked.push_back(asked);
        }
    }

    /// A sentinel got these bytes: the answers to its requests for votes in them.
    pub fn received(&mut self, host: u32, conn: ConnId, bytes: &[u8], now: Instant) -> Vec<Answer> {
        let mut answers = Vec::new();
        let Some(wire) = self.map.get_mut(&(host, conn)).filter(|w| !w.subscribed) else { return answers };
        let mut input = bytes;
        while let Ok(Some(value)) = wire.replies.next(&mut input) {
            match wire.asked.pop_front() {
                Some(Asked::Ping(at))
                    if value.is("PONG") || value.is_error("LOADING") || value.is_error("MASTERDOWN") =>
                {
                    if let Some(pings) = self.pings.get_mut(&(host, wire.to)) {
                        pings.good = now;
                        // What was sent before it is not waited for any more; another one of that moment is.
                        while pings.open.front().is_some_and(|sent| *sent < at) {
                            pings.open.pop_front();
                        }
                        if pings.open.front() == Some(&at) {
                            pings.open.pop_front();
                        }
                    }
                }
                Some(Asked::Vote { host: at, port, epoch, leader }) => {
                    answers.extend(vote(&value).map(|(whom, in_epoch)| Answer {
                        voter: wire.to,
                        master: (at, port),
                        asked: (epoch, leader),
                        leader: whom,
                        epoch: in_epoch,
                    }));
                }
                _ => {}
            }
        }
        answers
    }
}

fn read(args: Args<'_>, now: Instant) -> Asked {
    if args.is(0, "PING") {
        return Asked::Ping(now);
    }
    let text = |i: usize| core::str::from_utf8(args.at(i)).unwrap_or_default();
    if args.is(0, "SENTINEL")
        && args.is(1, "is-master-down-by-addr")
        && let (Ok(leader), Ok(port), Ok(epoch)) = (RunId::parse(args.at(5)), text(3).parse(), text(4).parse())
    {
        return Asked::Vote { host: text(2).into(), port, epoch, leader };
    }
    Asked::Other
}

fn vote(value: &Value) -> Option<(Option<RunId>, u64)> {
    let [_, leader, epoch] = value.as_array()? else { return None };
    Some((RunId::parse(leader.as_bytes()?).ok(), u64::try_from(epoch.as_i64()?).ok()?))
}
