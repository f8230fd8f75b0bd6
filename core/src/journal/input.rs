//! Inputs as a recording holds them: every variant, with all its bytes.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;

use super::wire::{Cursor, Malformed, put_bytes, put_endpoint, put_ip, put_number, put_signed};
use crate::ids::{ConnId, OpId};
use crate::machine::{Closed, Input, JobError, JobErrorKind, Outcome, Signal, Usage};
use crate::tls::PeerNames;

/// What the embedding program asks of a machine ([`Machine::Call`](crate::Machine::Call)), in bytes and back.
pub trait Recorded: Sized {
    /// Appends it, by the means of [`wire`](super::wire).
    fn record(&self, out: &mut Vec<u8>);
    /// Reads what [`Recorded::record`] wrote.
    fn recall(from: &mut Cursor<'_>) -> Result<Self, Malformed>;
}

impl Recorded for () {
    fn record(&self, _: &mut Vec<u8>) {}
    fn recall(_: &mut Cursor<'_>) -> Result<Self, Malformed> {
        Ok(())
    }
}

/// The kind of an input, in the low bits of a record's first byte.
pub(super) const TICK: u8 = 0;
const RESUME: u8 = 1;
const ACCEPTED: u8 = 2;
const CONNECTED: u8 = 3;
const RECEIVED: u8 = 4;
const SENT: u8 = 5;
const EOF: u8 = 6;
const CLOSED: u8 = 7;
const BEGAN: u8 = 8;
const DONE: u8 = 9;
const CALL: u8 = 10;
const SHUTDOWN: u8 = 11;
// 12 stands before an input: `LEARNED`.
const NAMED: u8 = 13;

/// The kind of `input`.
pub(super) fn kind<C>(input: &Input<'_, C>) -> u8 {
    match input {
        Input::Tick => TICK,
        Input::Resume => RESUME,
        Input::Accepted { .. } => ACCEPTED,
        Input::Named { .. } => NAMED,
        Input::Connected { .. } => CONNECTED,
        Input::Received { .. } => RECEIVED,
        Input::Sent { .. } => SENT,
        Input::Eof { .. } => EOF,
        Input::Closed { .. } => CLOSED,
        Input::Began { .. } => BEGAN,
        Input::Done { .. } => DONE,
        Input::Call(_) => CALL,
        Input::Shutdown { .. } => SHUTDOWN,
    }
}

/// Appends all of `input` but its kind.
pub(super) fn put<C: Recorded>(out: &mut Vec<u8>, input: &Input<'_, C>) {
    match input {
        Input::Tick | Input::Resume => {}
        Input::Accepted { conn, listener, local, peer, tls } => {
            put_number(out, conn.as_u64());
            put_number(out, listener.as_u64());
            put_endpoint(out, local);
            put_endpoint(out, peer);
            out.push(u8::from(*tls));
        }
        Input::Named { conn, names } => {
            put_number(out, conn.as_u64());
            put_number(out, names.common_name.iter().len() as u64);
            put_number(out, names.uris.len() as u64);
            names.common_name.iter().chain(&names.uris).for_each(|name| put_bytes(out, name));
        }
        Input::Connected { conn, local, peer, tls } => {
            put_number(out, conn.as_u64());
            put_endpoint(out, local);
            put_endpoint(out, peer);
            out.push(u8::from(*tls));
        }
        Input::Received { conn, bytes } => {
            put_number(out, conn.as_u64());
            put_bytes(out, bytes);
        }
        Input::Sent { conn, len } => {
            put_number(out, conn.as_u64());
            put_number(out, *len as u64);
        }
        Input::Eof { conn } => put_number(out, conn.as_u64()),
        Input::Closed { conn, reason } => {
            put_number(out, conn.as_u64());
            put_closed(out, *reason);
        }
        Input::Began { op, pid } => {
            put_number(out, op.as_u64());
            put_number(out, (*pid).into());
        }
        Input::Done { op, result } => {
            put_number(out, op.as_u64());
            put_outcome(out, result);
        }
        Input::Call(call) => call.record(out),
        Input::Shutdown { signal } => out.push(match signal {
            Signal::Term => 0,
            Signal::Int => 1,
            Signal::Host => 2,
        }),
    }
}

fn put_closed(out: &mut Vec<u8>, reason: Closed) {
    match reason {
        Closed::Clean => out.push(0),
        Closed::Reset => out.push(1),
        Closed::Refused => out.push(2),
        Closed::TimedOut => out.push(3),
        Closed::Unreachable => out.push(4),
        Closed::Tls => out.push(5),
        Closed::Os(errno) => {
            out.push(6);
            put_signed(out, errno.into());
        }
    }
}

fn put_outcome(out: &mut Vec<u8>, result: &Outcome) {
    match result {
        Outcome::Listening(at) => {
            out.push(0);
            put_endpoint(out, at);
        }
        Outcome::Resolved(list) => {
            out.push(1);
            put_number(out, list.len() as u64);
            list.iter().for_each(|ip| put_ip(out, *ip));
        }
        Outcome::Read(bytes) => {
            out.push(2);
            put_bytes(out, bytes);
        }
        Outcome::Written => out.push(3),
        Outcome::Stat(None) => out.push(4),
        Outcome::Stat(Some(len)) => {
            out.push(5);
            put_number(out, *len);
        }
        Outcome::Exited { code, signal } => {
            out.push(6);
            put_option(out, *code);
            put_option(out, *signal);
        }
        Outcome::Usage(u) => {
            out.push(7);
            [u.rss, u.peak_rss, u.user_us, u.system_us].iter().for_each(|n| put_number(out, *n));
        }
        Outcome::Failed(e) => {
            out.push(8);
            out.push(match e.kind {
                JobErrorKind::NotFound => 0,
                JobErrorKind::Denied => 1,
                JobErrorKind::NoSpace => 2,
                JobErrorKind::InUse => 3,
                JobErrorKind::NotAvailable => 4,
                JobErrorKind::NoSuchHost => 5,
                JobErrorKind::Other => 6,
            });
            put_bytes(out, e.message.as_bytes());
        }
        Outcome::Cancelled => out.push(9),
        Outcome::Loaded => out.push(10),
    }
}

fn put_option(out: &mut Vec<u8>, n: Option<i32>) {
    match n {
        None => out.push(0),
        Some(n) => {
            out.push(1);
            put_signed(out, n.into());
        }
    }
}

/// Reads an input of this kind.
pub(super) fn take<'a, C: Recorded>(kind: u8, from: &mut Cursor<'a>) -> Result<Input<'a, C>, Malformed> {
    let conn = |from: &mut Cursor<'a>| from.number("a connection").map(ConnId::from_u64);
    let op = |from: &mut Cursor<'a>| from.number("a job").map(OpId::from_u64);
    let start = from.expected("a kind of input from 0 to 13");
    Ok(match kind {
        TICK => Input::Tick,
        RESUME => Input::Resume,
        ACCEPTED => Input::Accepted {
            conn: conn(from)?,
            listener: op(from)?,
            local: from.endpoint()?,
            peer: from.endpoint()?,
            tls: from.flag("whether it is encrypted (0 or 1)")?,
        },
        NAMED => Input::Named { conn: conn(from)?, names: Box::new(names(from)?) },
        CONNECTED => Input::Connected {
            conn: conn(from)?,
            local: from.endpoint()?,
            peer: from.endpoint()?,
            tls: from.flag("whether it is encrypted (0 or 1)")?,
        },
        RECEIVED => Input::Received { conn: conn(from)?, bytes: from.bytes("received bytes")? },
        SENT => Input::Sent { conn: conn(from)?, len: from.narrow("a number of sent bytes")? },
        EOF => Input::Eof { conn: conn(from)? },
        CLOSED => Input::Closed { conn: conn(from)?, reason: closed(from)? },
        BEGAN => Input::Began { op: op(from)?, pid: from.narrow("a process id")? },
        DONE => Input::Done { op: op(from)?, result: outcome(from)? },
        CALL => Input::Call(C::recall(from)?),
        SHUTDOWN => Input::Shutdown { signal: signal(from)? },
        _ => return Err(start),
    })
}

fn names(from: &mut Cursor<'_>) -> Result<PeerNames, Malformed> {
    let common = from.flag("whether there is a common name (0 or 1)")?;
    let n = from.number("a number of URIs")?;
    let mut names = PeerNames::default();
    if common {
        names.common_name = Some(from.bytes("a common name")?.into());
    }
    // One by one: what a broken number claims is not there to be read.
    for _ in 0..n {
        names.uris.push(from.bytes("an URI")?.into());
    }
    Ok(names)
}

fn signal(from: &mut Cursor<'_>) -> Result<Signal, Malformed> {
    let start = from.expected("a signal from 0 to 2");
    match from.byte("a signal")? {
        0 => Ok(Signal::Term),
        1 => Ok(Signal::Int),
        2 => Ok(Signal::Host),
        _ => Err(start),
    }
}

fn closed(from: &mut Cursor<'_>) -> Result<Closed, Malformed> {
    let start = from.expected("a reason of a closed connection from 0 to 6");
    Ok(match from.byte("a reason of a closed connection")? {
        0 => Closed::Clean,
        1 => Closed::Reset,
        2 => Closed::Refused,
        3 => Closed::TimedOut,
        4 => Closed::Unreachable,
        5 => Closed::Tls,
        6 => Closed::Os(errno(from)?),
        _ => return Err(start),
    })
}

fn errno(from: &mut Cursor<'_>) -> Result<i32, Malformed> {
    let start = from.expected("a number of 32 bits");
    i32::try_from(from.signed("a number of 32 bits")?).map_err(|_| start)
}

fn outcome(from: &mut Cursor<'_>) -> Result<Outcome, Malformed> {
    let start = from.expected("an outcome from 0 to 10");
    Ok(match from.byte("an outcome")? {
        0 => Outcome::Listening(from.endpoint()?),
        1 => Outcome::Resolved(addresses(from)?),
        2 => Outcome::Read(Bytes::copy_from_slice(from.bytes("bytes of a file")?)),
        3 => Outcome::Written,
        4 => Outcome::Stat(None),
        5 => Outcome::Stat(Some(from.number("the length of a file")?)),
        6 => Outcome::Exited { code: option(from)?, signal: option(from)? },
        7 => Outcome::Usage(Usage {
            rss: from.number("resident memory")?,
            peak_rss: from.number("resident memory")?,
            user_us: from.number("a CPU time")?,
            system_us: from.number("a CPU time")?,
        }),
        8 => Outcome::Failed(JobError { kind: job_error(from)?, message: from.text("an error's text")? }),
        9 => Outcome::Cancelled,
        10 => Outcome::Loaded,
        _ => return Err(start),
    })
}

fn addresses(from: &mut Cursor<'_>) -> Result<Vec<core::net::IpAddr>, Malformed> {
    let n = from.number("a number of addresses")?;
    // One by one: what a broken number claims is not there to be read.
    let mut list = Vec::new();
    for _ in 0..n {
        list.push(from.ip()?);
    }
    Ok(list)
}

fn option(from: &mut Cursor<'_>) -> Result<Option<i32>, Malformed> {
    if from.flag("whether a number follows (0 or 1)")? { errno(from).map(Some) } else { Ok(None) }
}

fn job_error(from: &mut Cursor<'_>) -> Result<JobErrorKind, Malformed> {
    let start = from.expected("a kind of failure from 0 to 6");
    Ok(match from.byte("a kind of failure")? {
        0 => JobErrorKind::NotFound,
        1 => JobErrorKind::Denied,
        2 => JobErrorKind::NoSpace,
        3 => JobErrorKind::InUse,
        4 => JobErrorKind::NotAvailable,
        5 => JobErrorKind::NoSuchHost,
        6 => JobErrorKind::Other,
        _ => return Err(start),
    })
}
