//! The master that a node follows: an honest one that can be made to say anything.

use alloc::format;
use alloc::vec::Vec;

use super::Play;
use crate::fuzz::input::Draw;
use crate::ids::ConnId;
use crate::machine::Chunks;
use crate::rdb::{Body, Options, Writer};
use crate::resp::{Command, RequestLimits, Requests, parse_u64};

/// What the master has: a history under an id that is its number, and what the node asked.
#[derive(Debug, Default)]
pub(super) struct Upstream {
    says: Requests,
    generation: u8,
    /// Offset of the history's first byte, and its bytes.
    start: u64,
    history: Vec<u8>,
    /// It said what is not in its history: whoever asks gets everything anew.
    broken: bool,
    asked: Vec<Asked>,
    conn: Option<ConnId>,
    /// The node takes a snapshot over a second connection; what is to be said there.
    two_channel: bool,
    beside: Vec<u8>,
}

#[derive(Debug)]
enum Asked {
    Ping,
    Other,
    Psync(Option<(Vec<u8>, u64)>),
}

impl Upstream {
    /// The node says this.
    pub(super) fn heard(&mut self, bytes: &[u8]) {
        let mut input = bytes;
        while let Ok(Some(args)) = self.says.next(&mut input, &RequestLimits::default()) {
            if args.is(1, "ack") {
                let ack = parse_u64(args.at(2)).expect("an offset in an acknowledgement");
                let end = self.start + self.history.len() as u64;
                assert!(self.broken || ack <= end, "the node acknowledges {ack}, the history ends at {end}");
            } else if args.is(0, "psync") {
                self.asked.push(Asked::Psync(parse_u64(args.at(2)).map(|offset| (args.at(1).to_vec(), offset))));
            } else {
                self.two_channel |= args.iter().any(|arg| arg == b"rdb-channel-repl");
                self.asked.push(if args.is(0, "ping") { Asked::Ping } else { Asked::Other });
            }
        }
    }

    fn id(&self) -> Vec<u8> {
        [b'a' + self.generation % 6; 40].to_vec()
    }

    /// A new connection knows nothing of the one before.
    fn meet(&mut self, conn: Option<ConnId>) {
        if self.conn != conn {
            self.conn = conn;
            self.says = Requests::new();
            self.asked.clear();
            self.two_channel = false;
        }
    }

    /// Answers what was asked, as a master does.
    fn answers(&mut self, draw: &mut Draw<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        for asked in core::mem::take(&mut self.asked) {
            match asked {
                Asked::Ping => out.extend_from_slice(b"+PONG\r\n"),
                Asked::Other => out.extend_from_slice(b"+OK\r\n"),
                Asked::Psync(place) => {
                    let from = place.filter(|(id, _)| !self.broken && *id == self.id()).and_then(|(_, offset)| {
                        let at = usize::try_from(offset.checked_sub(self.start + 1)?).ok()?;
                        self.history.get(at..)
                    });
                    if let Some(rest) = from {
                        out.extend_from_slice(b"+CONTINUE\r\n");
                        out.extend_from_slice(rest);
                    } else {
                        self.full(draw, &mut out);
                    }
                }
            }
        }
        out
    }

    /// A full resync under a new id.
    fn full(&mut self, draw: &mut Draw<'_>, main: &mut Vec<u8>) {
        self.generation = self.generation.wrapping_add(1);
        self.start = 100 * draw.below(50) as u64;
        self.history.clear();
        self.broken = false;
        let id = self.id();
        // The stream goes on by the main connection then, and all of this by another.
        let way = if self.two_channel { draw.byte() % 3 } else { 2 };
        let mut out = Vec::new();
        match way {
            0 => main.extend_from_slice(b"+RDBCHANNELSYNC 7\r\n"),
            1 => main.extend_from_slice(b"+DUALCHANNELSYNC\r\n"),
            _ => {}
        }
        if way < 2 {
            out.extend_from_slice(b"+OK\r\n");
        }
        if way == 1 {
            out.extend_from_slice(format!("$ENDOFF:{} ", self.start).as_bytes());
            out.extend_from_slice(&id);
            out.extend_from_slice(b" 0 7\r\n");
        } else {
            out.extend_from_slice(b"+FULLRESYNC ");
            out.extend_from_slice(&id);
            out.extend_from_slice(format!(" {}\r\n", self.start).as_bytes());
        }
        let mut body = Body::new(Options { compress: draw.byte() & 1 == 1 });
        for i in 0..draw.below(6) {
            let value = b"up".repeat(draw.below(3000));
            body.string(i as u32 % 3, draw.one(&[b"a", b"b", b"u"]), None, &value);
        }
        let mut writer = Writer::new(10, true);
        writer.absorb(&mut body);
        writer.finish();
        let mut chunks = Chunks::new();
        writer.out().read(0, usize::MAX, &mut chunks);
        let snapshot = chunks.concat();
        if draw.byte() & 1 == 0 {
            out.extend_from_slice(format!("${}\r\n", snapshot.len()).as_bytes());
            out.extend_from_slice(&snapshot);
        } else {
            out.extend_from_slice(b"$EOF:eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee\r\n");
            out.extend_from_slice(&snapshot);
            out.extend_from_slice(&[b'e'; 40]);
        }
        if way < 2 {
            self.beside = out;
        } else {
            main.append(&mut out);
        }
    }

    /// The next command of the stream.
    fn stream(&mut self, draw: &mut Draw<'_>) -> Vec<u8> {
        let list: [&[&str]; 14] = [
            &["SET", "a", "1"],
            &["SET", "b", "x", "PXAT", "1700000002000"],
            &["DEL", "a"],
            &["SELECT", "1"],
            &["SELECT", "0"],
            &["PING"],
            &["REPLCONF", "GETACK", "*"],
            &["MULTI"],
            &["EXEC"],
            &["INCR", "n"],
            &["FLUSHALL"],
            &["PUBLISH", "a", "v"],
            &["APPEND", "u", "0123456789"],
            &["SWAPDB", "0", "1"],
        ];
        let frame = Command::new(draw.one(&list)).frame().to_vec();
        self.history.extend_from_slice(&frame);
        frame
    }
}

impl Play {
    /// Something happens between the node and its master.
    pub(super) fn upstream_op(&mut self, draw: &mut Draw<'_>) {
        let mut opened =
            self.door.conns.iter().filter(|(conn, _)| conn.is_opened()).map(|(conn, line)| (*conn, line.up));
        let (conn, second) = (opened.next(), opened.next());
        assert!(opened.next().is_none(), "more connections than a link has");
        if let Some((second, up)) = second
            && self.second_op(second, up, draw)
        {
            return;
        }
        self.upstream.meet(conn.map(|(conn, _)| conn));
        let Some((conn, up)) = conn else { return };
        if !up {
            let ok = draw.byte() != 0;
            return self.door.connected(conn, ok);
        }
        self.take(conn, 1 << 16);
        match draw.below(8) {
            0..=2 => {
                let bytes = self.upstream.answers(draw);
                self.upstream_says(conn, &bytes, draw);
            }
            3 | 4 => {
                let bytes: Vec<u8> = (0..=draw.below(4)).flat_map(|_| self.upstream.stream(draw)).collect();
                self.upstream_says(conn, &bytes, draw);
            }
            5 => {
                let n = draw.below(64);
                let bytes = draw.take(n);
                self.upstream.broken |= !bytes.is_empty();
                self.upstream_says(conn, bytes, draw);
            }
            6 => self.door.end(conn, draw.byte() & 1 == 1),
            _ => {
                // Ours go out slowly.
                self.take(conn, 3);
            }
        }
    }

    /// The same on the second connection; false if nothing does.
    fn second_op(&mut self, conn: ConnId, up: bool, draw: &mut Draw<'_>) -> bool {
        match draw.below(5) {
            0 | 1 if !up => {
                let ok = draw.byte() != 0;
                self.door.connected(conn, ok);
            }
            0 | 1 => {
                self.door.send(conn, 1 << 16);
                let bytes = core::mem::take(&mut self.upstream.beside);
                self.upstream_says(conn, &bytes, draw);
            }
            2 if up => self.door.end(conn, draw.byte() & 1 == 1),
            _ => return false,
        }
        true
    }

    /// The master's bytes come in, in one piece or two; a cut in between loses what was to come.
    fn upstream_says(&mut self, conn: ConnId, bytes: &[u8], draw: &mut Draw<'_>) {
        let (first, second) = bytes.split_at(draw.below(bytes.len().max(1)));
        self.door.receive(conn, first);
        if !second.is_empty() && !self.door.receive(conn, second) {
            // It does not read now: the bytes would wait, and so does the master.
            self.upstream.broken = true;
        }
    }
}
