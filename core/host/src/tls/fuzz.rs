//! Sessions against bytes that may be anything: of a stranger, and of a peer whose connection somebody breaks into.
//!
//! Handshakes draw random numbers, so no two runs carry the same ciphertext; what is asserted holds for all of it. The
//! certificates are files of their own ([`identities`]), by a signature whose length is always the same: so a step at some
//! byte of a connection comes at the same place in every run.

mod identities;
mod pair;

use primacy_core::fuzz::input::{Cuts, Draw, is_line};

use super::{CIPHERTEXT_READ, HANDSHAKE_BYTES, RECORD, Session, Taken, Trouble};
use identities::Meeting;
use pair::Pair;

/// Ciphertext of one session's handshake at most, with what it has to say of its end, bytes.
const FLIGHT: usize = 8 << 10;
/// Room for the plaintext of what is read at once, bytes.
const ROOM: usize = CIPHERTEXT_READ + RECORD;
/// The longest reason for a log, bytes.
const REASON: usize = 1000;

/// The last byte chooses who meets, the two before it how they are set up and the split. The rest is what a stranger
/// says to a server or to a client, or steps for two that know each other (see [`Pair::step`]).
pub(crate) fn run(data: &[u8]) {
    let mut draw = Draw::new(data);
    let (mode, setup, cuts) = (draw.last(), draw.last(), Cuts::new(draw.last()));
    let meeting = Meeting::new(setup);
    match mode % 4 {
        0 => stranger(|| meeting.server(), draw.rest(), mode, cuts),
        1 => stranger(|| meeting.client(), draw.rest(), mode, cuts),
        _ => Pair::new(meeting, cuts).run(draw),
    }
}

/// Who does not have the keys never ends a handshake, is heard no longer than a handshake takes, and gets a bounded
/// answer, which no split of its bytes changes. They may come again and again.
fn stranger(session: impl Fn() -> Session, bytes: &[u8], mode: u8, cuts: Cuts) {
    let most = if bytes.is_empty() { 0 } else { 2 * HANDSHAKE_BYTES / bytes.len() };
    let bytes = bytes.repeat(most.min(1 << (mode >> 4)));
    let whole = alone(session(), &bytes, Cuts::new(0));
    let cut = alone(session(), &bytes, cuts);
    let is_plaintext = bytes.first().is_some_and(|byte| !(20..=24).contains(byte));
    assert_eq!(whole.0 == Some(Trouble::Plaintext), is_plaintext, "TLS or not is seen at the first byte");
    assert!(!is_plaintext || whole.1 == 0, "one who does not speak TLS is answered by it");
    // How many bytes of a handshake are too many is counted in reads.
    if bytes.len() <= HANDSHAKE_BYTES {
        assert_eq!(whole, cut, "what a stranger is answered depends on the split");
    }
}

/// What became of a session by bytes of a stranger: its end, and how many bytes it answered.
fn alone(mut session: Session, bytes: &[u8], mut cuts: Cuts) -> (Option<Trouble>, usize) {
    let (mut end, mut plain) = (None, vec![0; ROOM]);
    flush(&mut session, &mut Vec::new()); // A client begins by itself.
    let (mut heard, mut sent) = (0, 0);
    for mut read in bytes.chunks(CIPHERTEXT_READ) {
        while !read.is_empty() {
            let piece = cuts.next(&mut read);
            let came = take(&mut session, &mut end, piece, &mut plain);
            assert!(came == Taken::default() && session.is_handshaking(), "a stranger ended a handshake");
            heard += piece.len();
            assert!(heard <= HANDSHAKE_BYTES || end.is_some(), "a handshake of {heard} bytes");
            sent += flush(&mut session, &mut Vec::new());
            assert!(sent <= FLIGHT, "{sent} bytes are said to a stranger");
        }
    }
    (end, sent)
}

/// Gives ciphertext to a session, with just the room for its plaintext that is asked for, at the front of `plain` (of
/// [`ROOM`] bytes). How much came out, and whether the peer said its end. `end` is why the session ended, if it did: then
/// nothing comes of it any more.
fn take(session: &mut Session, end: &mut Option<Trouble>, cipher: &[u8], plain: &mut [u8]) -> Taken {
    let plain = &mut plain[..cipher.len() + RECORD];
    match (session.take(cipher, plain), &*end) {
        (Ok(taken), None) => {
            assert!(taken.plaintext <= plain.len(), "more plaintext than room");
            taken
        }
        (Ok(taken), Some(end)) => panic!("a session goes on with {taken:?} after its end: {end}"),
        (Err(trouble), None) => {
            let text = trouble.to_string();
            assert!(is_line(&text) && text.len() <= REASON, "no line for a log: {text:?}");
            *end = Some(trouble);
            Taken::default()
        }
        (Err(trouble), Some(end)) => {
            assert_eq!(trouble, *end, "a session ended twice");
            Taken::default()
        }
    }
}

/// Takes all that a session has to send; how many bytes.
fn flush(session: &mut Session, wire: &mut Vec<u8>) -> usize {
    let before = wire.len();
    while session.is_pending() {
        let written = session.write_to(wire).expect("memory takes everything");
        assert!(written > 0, "a session with nothing to send says that it has");
    }
    wire.len() - before
}
