//! One value outside a snapshot: what `DUMP` answers and `RESTORE` takes.
//!
//! The number of a type, the value as snapshots of some version have it, two bytes of that version, and eight of the
//! CRC-64 of all before them; both numbers are little-endian. There is no magic: the version tells the family.

use super::body::Body;
use super::crc64::Crc64;
use super::cursor::Cursor;
use super::item::Magic;
use super::kinds;
use super::reader::{Reader, ReaderLimits, family_of};
use super::text::Text;
use super::writer::Writer;
use crate::machine::Chunks;
use alloc::vec::Vec;

/// A payload whose checksum is right and whose version is one that is read.
///
/// ```
/// use primacy_core::rdb::{Body, Item, Options, Payload, ReaderLimits, Value};
///
/// let mut body = Body::new(Options::default()).lone();
/// body.string(0, b"", None, b"value");
/// let bytes = body.into_payload().concat();
///
/// let payload = Payload::open(&bytes).unwrap();
/// let mut reader = payload.reader(ReaderLimits::default());
/// let mut input = payload.value();
/// let Ok(Some(Item::Entry(entry))) = reader.next(&mut input) else { panic!() };
/// assert_eq!(entry.value, Value::String(b"value"));
/// assert!(reader.is_done() && input.is_empty());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Payload<'a> {
    value: &'a [u8],
    magic: Magic,
    version: u16,
}

impl<'a> Payload<'a> {
    /// Takes a payload apart. `None`: its checksum is wrong, or no version that is read stands before it. The value is
    /// not looked at.
    pub fn open(bytes: &'a [u8]) -> Option<Self> {
        let (summed, sum) = bytes.split_last_chunk::<8>()?;
        let (value, version) = summed.split_last_chunk::<2>()?;
        let version = u16::from_le_bytes(*version);
        let magic = family_of(version)?;
        let mut crc = Crc64::new();
        crc.update(summed);
        (crc.value() == u64::from_le_bytes(*sum)).then_some(Self { value, magic, version })
    }

    /// The number of the type and the value, for [`Payload::reader`].
    pub fn value(&self) -> &'a [u8] {
        self.value
    }

    /// The code of each function library in a payload of `FUNCTION DUMP`. `None`: it holds something else.
    pub fn libraries(&self) -> Option<Vec<Vec<u8>>> {
        let (mut cursor, mut scratch, mut all) = (Cursor::new(self.value), Vec::new(), Vec::new());
        while cursor.at() < self.value.len() {
            if cursor.u8().ok()? != kinds::FUNCTION {
                return None;
            }
            // A string of it is never longer than the payload can be unpacked to.
            let code = Text::take(&mut cursor, ReaderLimits::default().whole).ok()?;
            all.push(code.bytes(self.value, &mut scratch).ok()?.to_vec());
        }
        Some(all)
    }

    /// The version of the format that the value is written in.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// A reader for [`Payload::value`]: it hands out one entry, with an empty key in database 0, and its parts, and is
    /// done then. What follows is not taken; a sound payload has nothing there.
    pub fn reader(&self, limits: ReaderLimits) -> Reader {
        Reader::lone(limits, self.magic, self.version)
    }
}

impl Body {
    /// The payload of the one value that was encoded into a body made [`Body::lone`], or of its function libraries.
    pub fn into_payload(mut self) -> Chunks {
        let version = self.version.max(Writer::MIN_VERSION);
        self.out.append(&version.to_le_bytes());
        let mut crc = Crc64::new();
        self.out.pieces(self.out.start(), self.out.end()).for_each(|piece| crc.update(piece));
        self.out.append(&crc.value().to_le_bytes());
        self.take(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Element, Item, Kind, Options, RdbError, Scalar, Value};
    use super::*;
    use alloc::vec::Vec;
    use alloc::{format, vec};

    /// A payload of this value, with version and checksum.
    fn seal(value: &[u8], version: u16) -> Vec<u8> {
        let mut bytes = [value, &version.to_le_bytes()].concat();
        let mut crc = Crc64::new();
        crc.update(&bytes);
        bytes.extend_from_slice(&crc.value().to_le_bytes());
        bytes
    }

    /// The items of a payload as text, how many bytes are left, and how it ends.
    fn read(bytes: &[u8]) -> (Vec<alloc::string::String>, usize, Result<(), RdbError>) {
        let payload = Payload::open(bytes).expect("a right checksum");
        let mut reader = payload.reader(ReaderLimits { value: 10, whole: 100 });
        let mut input = payload.value();
        let mut seen = Vec::new();
        loop {
            match reader.next(&mut input) {
                Ok(Some(item)) => seen.push(format!("{item:?}")),
                Ok(None) => return (seen, input.len(), reader.finish()),
                Err(error) => return (seen, input.len(), Err(error)),
            }
        }
    }

    #[test]
    fn a_wrong_checksum_or_version_opens_nothing() {
        let sound = seal(b"\x00\x01v", 10);
        assert!(Payload::open(&sound).is_some());
        for i in 0..sound.len() {
            let mut bytes = sound.clone();
            bytes[i] ^= 1;
            assert_eq!(Payload::open(&bytes), None, "byte {i}");
            assert_eq!(Payload::open(&sound[..i]), None, "cut at {i}");
        }
        for version in 0..=u16::MAX {
            let read = matches!(version, 1..=15 | 80 | 81);
            assert_eq!(Payload::open(&seal(b"\x00\x01v", version)).is_some(), read, "{version}");
        }
    }

    #[test]
    fn nothing_behind_the_value_is_taken() {
        let (seen, left, end) = read(&seal(b"\x00\x01vmore", 9));
        assert_eq!((seen.len(), left, end), (1, 4, Ok(())));
        // A list of one long element, which comes in parts.
        let (seen, left, end) = read(&seal(b"\x01\x01\x0babcdefghijk\x00\x01v", 9));
        assert_eq!((seen.len(), left, end), (5, 3, Ok(())), "{seen:?}");
    }

    #[test]
    fn what_is_no_value_is_refused() {
        // Nothing; opcodes, that of the end too; a cut string; no type; lists of nothing, one with a value behind it.
        let more = [&[18, 1, 2, 7][..], &[7, 0, 0, 0, 0, 0, 0xff], &[0, 1, b'v']].concat();
        for value in [&b""[..], b"\xfe\x00\x00\x01v", b"\xff", b"\x00\x02v", b"\x08", b"\x01\x00", &more[..]] {
            let (seen, _, end) = read(&seal(value, 10));
            assert!(seen.is_empty() && end.is_err(), "{}: {seen:?}", value.escape_ascii());
        }
        // It has no key that an error could name.
        let (_, _, end) = read(&seal(b"\x04\x02\x01f\x01v\x01", 9));
        assert_eq!(end.map_err(|error| format!("{error}")), Err("the snapshot is cut at offset 7, inside HASH".into()));
    }

    #[test]
    fn numbers_of_types_mean_what_their_family_says() {
        // A hash whose fields have expiries: Valkey's number 22.
        let value = b"\x16\x01\x01f\x01v\xff\xff\xff\xff\xff\xff\xff\xff";
        let (seen, left, end) = read(&seal(value, 80));
        let field = Element::Field { field: b"f", value: b"v", expire_at_ms: None };
        assert_eq!((left, end), (0, Ok(())), "{seen:?}");
        assert_eq!(seen[1], format!("{:?}", Item::Element(field)));
        assert!(read(&seal(value, 12)).2.is_err());
    }

    #[test]
    fn long_pieces_go_out_as_they_came() {
        let pieces = [bytes::Bytes::from(vec![b'a'; 5000]), bytes::Bytes::from(vec![b'b'; 3000])];
        let mut body = Body::new(Options { compress: true }).for_version(10).lone();
        body.string_pieces(3, b"key", Some(5), &pieces);
        let chunks = body.into_payload();
        assert!(chunks.iter().any(|chunk| chunk.as_ptr() == pieces[0].as_ptr()), "shared");
        let bytes = chunks.concat();
        let payload = Payload::open(&bytes).expect("its own checksum");
        assert_eq!((payload.version(), payload.value().len()), (10, 1 + 2 + 8000));
    }

    #[test]
    fn every_collection_is_written_without_its_key() {
        let mut body = Body::new(Options::default()).lone();
        body.hash(7, b"key", Some(5), 1);
        body.field(Scalar::Text(b"f"), Scalar::Int(1));
        let bytes = body.into_payload().concat();
        assert_eq!(bytes, seal(b"\x04\x01\x01f\xc0\x01", 9));
        let (seen, ..) = read(&bytes);
        assert!(seen[0].contains(&format!("{:?}", Value::Elements(Kind::Hash, 1))), "{seen:?}");
    }
}
