//! What somebody does who breaks into a connection.

use primacy_core::fuzz::input::Draw;

use super::End;

/// The head of a record, bytes: type, version, length.
const HEAD: usize = 5;
/// Ciphertext on its way at most, for somebody to add to, bytes.
const WIRE_MAX: usize = 512 << 10;

/// Breaks what an end sent and what has not arrived: which record, where in it, and how. Whether anything changed.
pub(super) fn step(end: &mut End, draw: &mut Draw<'_>) -> bool {
    let (how, nth, offset) = (draw.byte(), draw.below(8), draw.byte());
    let wire = &mut end.wire;
    let (start, behind) = record(wire, nth);
    let at = match offset {
        // Its last bytes, where the seal is.
        0xf0.. => behind.saturating_sub(usize::from(offset - 0xef)).max(start),
        _ => (start + usize::from(offset)).min(wire.len()),
    };
    let much = |draw: &mut Draw<'_>| draw.one(&[behind - start, 1, 2, HEAD, 29, 300, 5000, wire.len()]);
    match how % 8 {
        // A bit turns over.
        0 => {
            let bit = draw.below(8);
            let byte = wire.get_mut(at);
            byte.map(|byte| *byte ^= 1 << bit).is_some()
        }
        // Bytes are lost.
        1 => {
            let until = at.saturating_add(much(draw)).min(wire.len());
            wire.drain(at..until).count() > 0
        }
        // Bytes come twice.
        2 => {
            let until = at.saturating_add(much(draw)).min(wire.len());
            let again = wire[at..until].to_vec();
            insert(wire, at, &again)
        }
        // Bytes come in between.
        3 => {
            let count = draw.below(64);
            insert(wire, at, draw.take(count))
        }
        // A record comes in between, in the clear.
        4 => {
            let (kind, count) = (20 + draw.byte() % 5, draw.below(64));
            let content = draw.take(count);
            let mut forged = vec![kind, 3, 3, 0, content.len() as u8];
            forged.extend(content);
            insert(wire, start, &forged)
        }
        // A record and the one behind it change their places.
        5 => {
            let (_, next) = record(wire, nth + 1);
            if next > behind {
                wire[start..next].rotate_left(behind - start);
            }
            next > behind
        }
        // Plaintext comes in the place of a record.
        6 => {
            wire.splice(start..behind, *b"PING\r\n");
            true
        }
        // The connection is cut.
        _ => {
            wire.clear();
            !core::mem::replace(&mut end.cut, true)
        }
    }
}

fn insert(wire: &mut Vec<u8>, at: usize, bytes: &[u8]) -> bool {
    let room = wire.len() + bytes.len() <= WIRE_MAX;
    if room {
        wire.splice(at..at, bytes.iter().copied());
    }
    room && !bytes.is_empty()
}

/// Where the `nth` record begins, and where the next one does. What has no head of a record is one until its end.
fn record(wire: &[u8], nth: usize) -> (usize, usize) {
    let mut bounds = (0, 0);
    for _ in 0..=nth {
        let start = bounds.1;
        let len = wire.get(start + 3..start + HEAD).map_or(0, |len| usize::from(len[0]) << 8 | usize::from(len[1]));
        bounds = (start, (start + HEAD + len).min(wire.len()));
    }
    bounds
}
