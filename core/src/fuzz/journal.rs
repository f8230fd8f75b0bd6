//! The decoder of recordings, over bytes that may be anything.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::{IntoIter, Vec};

use super::input::{Cuts, Draw, is_line};
use crate::ids::ConnId;
use crate::journal::{
    End, Full, HEAD, Header, Item, JournalError, PREFIX, Playback, Reader, Readings, Recorder, Replay, Sink, end_block,
    opening, prefix, seal_as,
};
use crate::machine::{Actions, Chunks, Input, Machine};
use crate::node::{Call, Event};
use crate::time::{Instant, Now};

/// The last byte chooses what the rest is: a file as it is, a file whose sums are made right, or the content of its
/// blocks of records. The ones before choose the split, and a byte that is changed in a recording that was whole.
pub(super) fn run(data: &[u8]) {
    let mut draw = Draw::new(data);
    let (how, cuts) = (draw.last(), Cuts::new(draw.last()));
    let change = [draw.last(), draw.last(), draw.last()];
    let bytes = match how & 3 {
        0 => draw.rest().to_vec(),
        1 => sealed(draw.rest()),
        _ => framed(draw.rest(), usize::from(how >> 2 & 3), how & 0x10 != 0),
    };
    let whole = read(&[&bytes]);
    assert_eq!(whole, read(&cuts.all(&bytes)), "what is read depends on the split");
    if whole.end.is_ok() {
        altered(&bytes, &whole, change);
    }
    rewritten(&bytes, &whole);
    replayed(&bytes);
}

/// The same bytes with the word, the numbers and the sums that a recording has, so that these are no hurdle.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let Some(first) = out.first_chunk_mut() else { return out };
    *first = prefix();
    let (mut at, mut number) = (PREFIX, 0);
    while let Some([a, b, c, d, .., kind, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _]) =
        out[at..].first_chunk::<HEAD>()
    {
        let (len, kind) = (u32::from_le_bytes([*a, *b, *c, *d]) as usize, u32::from(*kind));
        let end = at + HEAD + len.min(out.len() - at - HEAD);
        seal_as(&mut out[at..end], number, kind);
        (at, number) = (end, number + 1);
    }
    out
}

/// A recording of which `content` is the records: `more` + 1 blocks of them, and an end if there shall be one.
fn framed(content: &[u8], more: usize, end: bool) -> Vec<u8> {
    let header =
        Header { program: "p".into(), machine: "m".into(), seed: [7; 32], config: String::new(), about: Vec::new() };
    let (mut out, mut number) = (opening(&header), 1);
    for part in content.chunks(content.len().div_ceil(more + 1).max(1)) {
        let at = out.len();
        out.extend_from_slice(&[0; HEAD]);
        out.extend_from_slice(part);
        seal_as(&mut out[at..], number, 2);
        number += 1;
    }
    if end {
        out.extend_from_slice(&end_block(number, &End::Dropped));
    }
    out
}

/// What came out of a recording.
#[derive(PartialEq, Debug)]
struct Read {
    /// Every item, as text.
    items: Vec<String>,
    /// The inputs with their times.
    inputs: Vec<String>,
    end: Result<(), JournalError>,
}

/// Reads `pieces` one after another.
fn read(pieces: &[&[u8]]) -> Read {
    let mut reader = Reader::<Call>::new();
    let mut read = Read { items: Vec::new(), inputs: Vec::new(), end: Ok(()) };
    let (mut given, mut ended) = (0, false);
    for piece in pieces {
        reader.feed(piece);
        given += piece.len() as u64;
        loop {
            match reader.next() {
                Ok(Some(item)) => {
                    assert!(!ended, "something follows the end");
                    ended = matches!(item, Item::End(_));
                    take(&item, &mut read, given);
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(reader.next().err(), Some(error.clone()), "an error is followed by something else");
                    assert!(!error.is_cut_off(), "{error:?} before the end of the file");
                    read.end = Err(error);
                    break;
                }
            }
        }
        if read.end.is_err() {
            break;
        }
    }
    let end = reader.finish();
    assert!(read.end.is_ok() || read.end == end, "{:?}, and at last {end:?}", read.end);
    if let Err(error) = &end {
        assert!(is_line(&error.to_string()), "{error:?}");
        assert!(error.offset() <= given, "{error:?} in {given} bytes");
        assert_eq!(error.is_cut_off(), read.end.is_ok(), "{error:?}");
    }
    assert_eq!(end.is_ok(), ended && read.end.is_ok());
    Read { end, ..read }
}

/// Takes an item, and sees that it is in its place.
fn take(item: &Item<'_, Call>, read: &mut Read, given: u64) {
    assert_eq!(matches!(item, Item::Header(_)), read.items.is_empty(), "a header comes first, and once");
    if let Item::Record(record) = item {
        assert_eq!(record.number, read.inputs.len() as u64 + 1, "the number of an input");
        assert!(record.offset >= (PREFIX + 2 * HEAD) as u64 && record.offset < given, "{record:?}");
        read.inputs.push(told(record.now, &record.input));
    }
    read.items.push(format!("{item:?}"));
}

fn told(now: Now, input: &Input<'_, Call>) -> String {
    format!("{now:?} {input:?}")
}

/// A recording that was whole, with one byte of it changed: that is found, and what comes before it is as it was.
fn altered(bytes: &[u8], whole: &Read, [high, low, flip]: [u8; 3]) {
    let at = (usize::from(high) << 8 | usize::from(low)) % bytes.len();
    let mut bytes = bytes.to_vec();
    bytes[at] ^= flip.max(1);
    let read = read(&[&bytes]);
    let error = read.end.expect_err("a changed byte is found");
    assert!(error.offset() <= at as u64 && !error.is_cut_off(), "{error:?}, changed at {at}");
    assert!(whole.items.starts_with(&read.items), "what comes before a changed byte is as it was");
}

/// Hears everything and does nothing. It always has a deadline behind it, so that every tick is its own.
struct Deaf;

impl Machine for Deaf {
    type Call = Call;
    type Event = Event;

    fn handle(&mut self, _: Now, _: Input<'_, Call>, _: &mut Actions<Event>) {}

    fn deadline(&self) -> Option<Instant> {
        Some(Instant::ZERO)
    }

    fn transmit(&mut self, _: ConnId, _: usize, _: &mut Chunks) {}
}

/// The inputs of `bytes` are recorded, and read again they are the same.
fn rewritten(bytes: &[u8], whole: &Read) {
    let mut reader = Reader::<Call>::new();
    reader.feed(bytes);
    let Ok(Some(Item::Header(header))) = reader.next() else { return };
    let check = Check { reader: Reader::new(), header: Some(header.clone()), left: whole.inputs.clone().into_iter() };
    let mut recorder = Recorder::new(Deaf, &header, Readings::new(), None, Box::new(check), u64::MAX);
    let mut out = Actions::new();
    while let Ok(Some(Item::Record(record))) = reader.next() {
        recorder.handle(record.now, record.input, &mut out);
    }
    assert!(recorder.is_recording());
}

/// Reads what is recorded, and holds it against what was told.
struct Check {
    reader: Reader<Call>,
    header: Option<Header>,
    left: IntoIter<String>,
}

impl Check {
    fn read(&mut self, block: &[u8]) -> Option<End> {
        self.reader.feed(block);
        while let Some(item) = self.reader.next().expect("a recording can be read") {
            match item {
                Item::Header(header) => assert_eq!(Some(header), self.header.take()),
                Item::Record(r) => assert_eq!(Some(told(r.now, &r.input)), self.left.next(), "input {}", r.number),
                Item::End(end) => return Some(end),
            }
        }
        None
    }
}

impl Sink for Check {
    fn block(&mut self, block: Vec<u8>) -> Result<Vec<u8>, Full> {
        assert_eq!(self.read(&block), None);
        Ok(block)
    }

    fn end(&mut self, block: Vec<u8>, why: End) {
        assert_eq!(self.read(&block), Some(why));
        assert_eq!((self.left.next(), self.reader.finish()), (None, Ok(())), "inputs that are missing");
    }
}

/// A replay over a machine that does nothing: it goes on for as long as nothing else was recorded.
fn replayed(bytes: &[u8]) {
    let mut reader = Reader::<Call>::new();
    reader.feed(bytes);
    let mut replay = Replay::new(Deaf, Playback::new());
    while let Ok(Some(item)) = reader.next() {
        let Item::Record(record) = item else { continue };
        // Nothing is shown to be sent, and nobody reads a clock.
        let sum = record.sent.filter(|_| matches!(record.input, Input::Sent { .. }));
        let same = sum.is_none_or(|(len, _)| len == 0) && record.actions.is_none() && record.readings.count() == 0;
        let nothing = same && sum.is_none();
        match replay.step(record) {
            Ok(()) => assert!(same, "a difference is not told"),
            Err(difference) => {
                assert!(!nothing && is_line(&difference.to_string()), "{difference:?}");
                return;
            }
        }
    }
}
