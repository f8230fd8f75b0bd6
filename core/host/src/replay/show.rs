//! Inputs and actions as lines that people read.

use core::fmt::{self, Debug, Write as _};
use std::collections::HashMap;
use std::io::{self, Write};

use primacy_core::ids::ConnId;
use primacy_core::journal::{Record, Replay};
use primacy_core::machine::{Action, Input, Job, LogLine, Machine, Outcome};
use primacy_core::resp::{RequestLimits, Requests};
use primacy_core::time::Instant;
use primacy_core::words;

/// Of each string so many bytes are shown,
const WORD_MAX: usize = 64;
/// of each command so many words,
const WORDS_MAX: usize = 12;
/// and of each input so many commands.
const COMMANDS_MAX: usize = 1000;

/// Time since a recording began.
pub(super) struct Since(pub(super) Instant, pub(super) Instant);

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = (self.0 - self.1).as_micros();
        write!(f, "{}.{:06} s", us / 1_000_000, us % 1_000_000)
    }
}

/// Bytes in quotes, or the beginning of them and their number.
struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get(..WORD_MAX) {
            Some(head) if self.0.len() > WORD_MAX => write!(f, "{}... ({} bytes)", words::quote(head), self.0.len()),
            _ => f.write_str(&words::quote(self.0)),
        }
    }
}

/// One word of a command: bare where that is clear.
struct Word<'a>(&'a [u8]);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clear = |b: &u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'\\');
        match core::str::from_utf8(self.0) {
            Ok(text) if !text.is_empty() && text.len() <= WORD_MAX && self.0.iter().all(clear) => f.write_str(text),
            _ => Quoted(self.0).fmt(f),
        }
    }
}

/// Knows where each connection stands in its stream of commands.
pub(super) struct Show {
    /// `None`: what it brings are no commands.
    streams: HashMap<ConnId, Option<Requests>>,
}

impl Show {
    pub(super) fn new() -> Self {
        Self { streams: HashMap::new() }
    }

    /// An input, with a line for each further command in it. If it is not `wanted` whole, its beginning.
    pub(super) fn input<M>(
        &mut self,
        record: &Record<'_, M::Call>,
        first: Instant,
        wanted: bool,
        replay: &mut Replay<M>,
    ) -> String
    where
        M: Machine<Call: Debug, Event: LogLine>,
    {
        let mut text = String::new();
        if wanted {
            let _ = write!(text, "{:>8}  {}  ", record.number, Since(record.now.mono, first));
        }
        // Writing to a string does not fail.
        let _ = self.describe(&record.input, wanted, replay, &mut text);
        text.push('\n');
        text
    }

    fn describe<M>(
        &mut self,
        input: &Input<'_, M::Call>,
        wanted: bool,
        replay: &mut Replay<M>,
        out: &mut String,
    ) -> fmt::Result
    where
        M: Machine<Call: Debug, Event: LogLine>,
    {
        match input {
            Input::Received { conn, bytes } => {
                write!(out, "{conn:?} received {} bytes", bytes.len())?;
                self.received(*conn, bytes, wanted, out)
            }
            Input::Sent { conn, len } => {
                write!(out, "{conn:?} sent {len} bytes")?;
                if wanted {
                    let head: Vec<u8> = replay.unsent(*conn, (*len).min(WORD_MAX + 1)).concat();
                    let more = if *len > WORD_MAX { "..." } else { "" };
                    write!(out, ": {}{more}", words::quote(head.get(..WORD_MAX).unwrap_or(&head)))?;
                }
                Ok(())
            }
            other => {
                if let Input::Closed { conn, .. } = other {
                    self.streams.remove(conn);
                }
                write!(out, "{}", Plain(other))
            }
        }
    }

    /// What clients and, once the stream runs, masters send are commands; all else is shown as bytes.
    fn received(&mut self, conn: ConnId, bytes: &[u8], wanted: bool, out: &mut String) -> fmt::Result {
        let fresh = || (!conn.is_opened() || bytes.starts_with(b"*")).then(Requests::new);
        let stream = self.streams.entry(conn).or_insert_with(fresh);
        if stream.is_none() && bytes.starts_with(b"*") {
            *stream = Some(Requests::new());
        }
        let Some(requests) = stream else { return write!(out, ": {}", Quoted(bytes)) };
        let limits = RequestLimits { authenticated: true, ..RequestLimits::default() };
        let (mut rest, mut shown) = (bytes, 0);
        loop {
            match requests.next(&mut rest, &limits) {
                Ok(Some(args)) => {
                    shown += 1;
                    if shown > COMMANDS_MAX || (!wanted && shown > 1) {
                        continue;
                    }
                    out.write_str(if shown == 1 { ": " } else { "\n                              " })?;
                    for (i, word) in args.iter().take(WORDS_MAX).enumerate() {
                        let big = args.pieces(i).map(|p| p.iter().map(bytes::Bytes::len).sum::<usize>());
                        match big {
                            Some(len) => write!(out, " ({len} bytes)")?,
                            None => write!(out, "{}{}", if i == 0 { "" } else { " " }, Word(word))?,
                        }
                    }
                    if args.len() > WORDS_MAX {
                        write!(out, " ... ({} words)", args.len())?;
                    }
                }
                Ok(None) => break,
                Err(_) => {
                    *stream = None;
                    return write!(out, ": {}", Quoted(bytes));
                }
            }
        }
        match shown {
            0 => write!(out, ": (a part) {}", Quoted(bytes)),
            1 => Ok(()),
            n if !wanted || n > COMMANDS_MAX => write!(out, " ... ({n} commands)"),
            _ => Ok(()),
        }
    }

    /// What an input led to, a line each.
    pub(super) fn actions<E: LogLine>(&mut self, actions: &[Action<E>], out: &mut impl Write) -> io::Result<()> {
        for action in actions {
            if let Action::Close { conn } = action {
                self.streams.remove(conn);
            }
            writeln!(out, "            -> {}", Shown(action))?;
        }
        Ok(())
    }
}

/// An input that is no stream of bytes, as a line.
pub(super) struct Plain<'a, 'b, C>(pub(super) &'a Input<'b, C>);

impl<C: Debug> fmt::Display for Plain<'_, '_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Input::Tick => f.write_str("tick"),
            Input::Resume => f.write_str("resume"),
            Input::Accepted { conn, local, peer, .. } => write!(f, "{conn:?} accepted from {peer} at {local}"),
            Input::Connected { conn, local, peer, .. } => write!(f, "{conn:?} connected from {local} to {peer}"),
            Input::Eof { conn } => write!(f, "{conn:?} end of what the peer sends"),
            Input::Closed { conn, reason } => write!(f, "{conn:?} closed: {reason}"),
            Input::Began { op, pid } => write!(f, "{op:?} began as process {pid}"),
            Input::Done { op, result: Outcome::Read(bytes) } => {
                write!(f, "{op:?} read {} bytes: {}", bytes.len(), Quoted(bytes))
            }
            Input::Done { op, result: Outcome::Failed(e) } => write!(f, "{op:?} failed: {e}"),
            Input::Done { op, result } => write!(f, "{op:?} done: {result:?}"),
            Input::Call(call) => write!(f, "call {call:?}"),
            Input::Shutdown { signal } => write!(f, "asked to end: {signal:?}"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// An action as a line.
pub(super) struct Shown<'a, E>(pub(super) &'a Action<E>);

impl<E: LogLine> fmt::Display for Shown<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Action::Connect { conn, to, tls, .. } => {
                write!(f, "{conn:?} connect to {to}{}", if *tls { " with TLS" } else { "" })
            }
            Action::Close { conn } => write!(f, "{conn:?} close"),
            Action::Interest { conn, read, write } => {
                let (read, write) = (if *read { "on" } else { "off" }, if *write { "on" } else { "off" });
                write!(f, "{conn:?} reading {read}, sending {write}")
            }
            Action::Options { conn, options } => write!(f, "{conn:?} {options:?}"),
            Action::Start { op, job: Job::Append { file, at, bytes, sync } } => {
                let len = bytes.iter().map(bytes::Bytes::len).sum::<usize>();
                let sync = if *sync { ", synced" } else { "" };
                write!(f, "{op:?} write {len} bytes to {file} at {at}{sync}")
            }
            Action::Start { op, job: Job::Replace { file, bytes } } => {
                write!(f, "{op:?} replace {file} by {} bytes", bytes.len())
            }
            Action::Start { op, job } => write!(f, "{op:?} start {job:?}"),
            Action::Cancel { op } => write!(f, "{op:?} cancel"),
            Action::Unlisten { op } => write!(f, "{op:?} listen no longer"),
            Action::Yield => f.write_str("yield"),
            Action::Sleep(time) => write!(f, "sleep {time:?}"),
            Action::Event(event) => {
                let text = event.to_string();
                write!(f, "log {} {}", event.role(), text.escape_debug())
            }
            Action::Exit { code } => write!(f, "exit {code}"),
            other => write!(f, "{}", core::any::type_name_of_val(other)),
        }
    }
}
