//! A client and a server with a connection between them that somebody may break into.

mod breaks;

use std::io::{self, ErrorKind};
use std::sync::LazyLock;

use bytes::Bytes;
use primacy_core::Chunks;
use primacy_core::fuzz::input::{Cuts, Draw};

use super::identities::{Meeting, node};
use super::{CIPHERTEXT_READ, FLIGHT, ROOM, Session, Trouble, flush, take};
use crate::tls::session::WAITING;

/// Plaintext that one end says in a run at most, bytes.
const SAID: usize = 256 << 10;
/// What the head and the seal of a record take at most, bytes.
const SEAL: usize = 64;
/// Times that an end changes its keys in a run at most: its peer bears 32 without a word between them.
const KEYS: usize = 16;
/// Steps of a run at most.
const STEPS: usize = 400;
/// Times to and fro in which two that are left alone have nothing more to say.
const ROUNDS: usize = 16;
/// Sizes of what is said, bytes: around those of records and of what may wait.
const SIZES: [usize; 8] = [6, 0, 1, 600, 16 << 10, (16 << 10) + 1, WAITING, WAITING + 5000];

/// What each end says: bytes that tell where they belong, so that none can be lost, doubled or moved unnoticed.
static PLAIN: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    [1u32, 2].map(|end| (0..SAID as u32).map(|at| ((at * 2 + end).wrapping_mul(0x9E37_79B1) >> 24) as u8).collect())
});

/// One end of the connection.
#[derive(Debug)]
struct End {
    session: Session,
    /// Ciphertext on its way to the other end.
    wire: Vec<u8>,
    /// Its connection is cut: nothing that it sends comes further.
    cut: bool,
    /// Plaintext that its session took, bytes.
    said: usize,
    /// Plaintext that came out of it, bytes.
    heard: usize,
    /// Pieces of plaintext that it took before its handshake was done: each is a record of its own later.
    early: usize,
    /// Times that it changed its keys.
    keys: usize,
    trouble: Option<Trouble>,
    /// It said that it sends no more, and reads no more either.
    ended: bool,
    /// It was told that the other one sends no more.
    told: bool,
}

impl End {
    fn new(session: Session) -> Self {
        Self {
            session,
            wire: Vec::new(),
            cut: false,
            said: 0,
            heard: 0,
            early: 0,
            keys: 0,
            trouble: None,
            ended: false,
            told: false,
        }
    }

    /// Whether its connection would still be open.
    fn is_open(&self) -> bool {
        !self.ended && self.trouble.is_none()
    }

    /// All that waits to be sent goes on its way; it is bounded.
    fn flush(&mut self) {
        let sent = flush(&mut self.session, &mut self.wire);
        let bound = WAITING + FLIGHT + SEAL * self.early;
        assert!(sent <= bound, "{sent} bytes waited to be sent, which are more than {bound}");
        if self.cut {
            self.wire.clear();
        }
    }
}

/// The kernel, which takes so many bytes and then no more.
struct Kernel<'a> {
    wire: &'a mut Vec<u8>,
    room: usize,
}

impl io::Write for Kernel<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = bytes.len().min(self.room);
        self.wire.extend(&bytes[..count]);
        self.room -= count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The client first.
#[derive(Debug)]
pub(super) struct Pair {
    ends: [End; 2],
    meeting: Meeting,
    cuts: Cuts,
    /// What came out at last.
    plain: Vec<u8>,
    /// Somebody broke in, or an end was said in the handshake: so not everything has to arrive.
    broken: bool,
}

impl Pair {
    pub(super) fn new(meeting: Meeting, cuts: Cuts) -> Self {
        let ends = [End::new(meeting.client()), End::new(meeting.server())];
        Self { ends, meeting, cuts, plain: vec![0; ROOM], broken: false }
    }

    pub(super) fn run(mut self, mut draw: Draw<'_>) {
        for _ in 0..STEPS {
            if draw.is_empty() {
                break;
            }
            self.step(&mut draw);
            self.hold();
        }
        self.settle();
        self.hold();
        if !self.broken {
            self.all_arrived();
        }
    }

    /// A step is a letter (its low bits), a small one for the client and a large one for the server; numbers and bytes
    /// that it needs stand behind it.
    fn step(&mut self, draw: &mut Draw<'_>) {
        let letter = draw.byte();
        let at = usize::from(letter & 0x20 == 0);
        match letter % 8 {
            // `p`: it has something to say.
            0 => self.put(at, draw),
            // `y`: it changes its keys, and asks the other one to do so.
            1 => self.change_keys(at),
            // `b`, `j`: what it sent is broken.
            2 => self.broken |= breaks::step(&mut self.ends[at], draw),
            // `s`: both are left alone until neither has anything to say.
            3 => self.settle(),
            // `d`: what it sent arrives.
            4 => {
                let count = draw.one(&[usize::MAX, 1, 4, 5, 30, 300, 3000, 17_000]);
                self.deliver(at, count);
            }
            // `e`: it says that it sends no more.
            5 => self.end(at),
            // `f`: all that it has to send goes on its way.
            6 => self.ends[at].flush(),
            // `w`: some of it.
            _ => self.write(at, draw.one(&[0, 1, 5, 29, 100, 1000, 5000, 20_000])),
        }
    }

    /// Whoever has plaintext and nothing that waits comes on.
    fn put(&mut self, at: usize, draw: &mut Draw<'_>) {
        let end = &mut self.ends[at];
        let wanted = draw.one(&SIZES).min(SAID - end.said);
        let (skip, pieces) = (draw.below(32), 1 + draw.below(100));
        if !end.is_open() {
            return;
        }
        let text = &PLAIN[at][end.said..end.said + wanted];
        let mut chunks = Chunks::new();
        chunks.push(Bytes::from(vec![0; skip]));
        // Shorter than there are pieces: the first ones are empty.
        for piece in 0..pieces {
            let cut = |piece: usize| text.len() * piece / pieces;
            chunks.push(Bytes::from_static(&text[cut(piece)..cut(piece + 1)]));
        }
        let (waiting, early) = (end.session.is_pending(), end.session.is_handshaking());
        let taken = end.session.put(&chunks, skip);
        assert!(taken <= wanted, "{taken} bytes taken of {wanted}");
        assert!(taken > 0 || wanted == 0 || waiting || early, "nothing waits, and nothing is taken");
        end.said += taken;
        end.early += if early { pieces } else { 0 };
    }

    fn change_keys(&mut self, at: usize) {
        let end = &mut self.ends[at];
        if end.is_open() && !end.session.is_handshaking() && end.keys < KEYS {
            end.keys += 1;
            end.session.change_keys();
        }
    }

    fn end(&mut self, at: usize) {
        let end = &mut self.ends[at];
        if end.is_open() {
            self.broken |= end.session.is_handshaking();
            end.session.end();
            end.ended = true;
        }
    }

    fn write(&mut self, at: usize, room: usize) {
        let end = &mut self.ends[at];
        let mut kernel = Kernel { wire: &mut end.wire, room };
        while end.session.is_pending() {
            match end.session.write_to(&mut kernel) {
                Ok(written) => assert!(written > 0, "a session with nothing to send says that it has"),
                Err(e) => {
                    assert_eq!(e.kind(), ErrorKind::WouldBlock);
                    break;
                }
            }
        }
        if end.cut {
            end.wire.clear();
        }
    }

    /// So many bytes of what an end sent arrive at the other one.
    fn deliver(&mut self, from: usize, count: usize) {
        let count = count.min(self.ends[from].wire.len());
        let bytes: Vec<u8> = self.ends[from].wire.drain(..count).collect();
        for mut read in bytes.chunks(CIPHERTEXT_READ) {
            while !read.is_empty() {
                let piece = self.cuts.next(&mut read);
                self.take(from, piece);
            }
        }
    }

    /// What comes out is what the other end said next, and its end only if it said that.
    fn take(&mut self, from: usize, cipher: &[u8]) {
        let (said, peer_ended) = (self.ends[from].said, self.ends[from].ended);
        let end = &mut self.ends[1 - from];
        if end.ended {
            return; // Who has closed a connection does not read from it.
        }
        let taken = take(&mut end.session, &mut end.trouble, cipher, &mut self.plain);
        let plain = &self.plain[..taken.plaintext];
        if !plain.is_empty() {
            assert!(!end.session.is_handshaking(), "plaintext in the handshake");
            assert!(!end.told, "plaintext behind the end");
            let next = PLAIN[from][..said].get(end.heard..end.heard + plain.len());
            assert!(next == Some(plain), "{} bytes that nobody said, behind {}", plain.len(), end.heard);
            end.heard += plain.len();
        }
        assert!(!taken.ended || peer_ended, "the end of one who said none");
        end.told |= taken.ended;
    }

    /// Carries everything to and fro until there is no more, which is soon.
    fn settle(&mut self) {
        for _ in 0..ROUNDS {
            let before = [0, 1].map(|at| {
                self.ends[at].flush();
                self.ends[at].wire.len()
            });
            if before == [0, 0] {
                return;
            }
            self.deliver(0, usize::MAX);
            self.deliver(1, usize::MAX);
        }
        panic!("two that are left alone have something to say for ever");
    }

    /// What holds at any time, whoever breaks in.
    fn hold(&self) {
        let [client, server] = &self.ends;
        let [client_knows, server_knows] = [client, server].map(|end| end.session.peer_names());
        if !client.session.is_handshaking() {
            assert_eq!(client_knows, Some(node()), "the server is another one");
        }
        if !server.session.is_handshaking() {
            assert!(self.meeting.is_agreed(), "a client was taken that is to be refused");
            assert_eq!(server_knows, self.meeting.known_client(), "the client is another one");
        }
        assert!(
            self.meeting.is_agreed() || client.heard + server.heard == 0,
            "one who is refused says or hears something"
        );
    }

    /// Whom nobody disturbs, they come to terms and hear everything; or the server says why not.
    fn all_arrived(&self) {
        let [client, server] = &self.ends;
        if !self.meeting.is_agreed() {
            assert!(server.trouble.is_some(), "a client that is to be refused is refused");
            return;
        }
        for (end, peer) in [(client, server), (server, client)] {
            assert!(!end.session.is_handshaking(), "a handshake without an end");
            assert_eq!(end.trouble, None, "an end without a reason");
            if !end.ended {
                assert_eq!(end.heard, peer.said, "something was lost");
                assert_eq!(end.told, peer.ended, "an end was not told");
            }
        }
    }
}
