//! A snapshot that the keyspace takes is written again, and what was written holds the same.

use alloc::vec::Vec;

use crate::blocks::Blocks;
use crate::dataset::{Dataset, LoadMode, Progress};
use crate::keyspace::Keyspace;
use crate::machine::Chunks;
use crate::rdb::{Body, Item, Options, Reader, ReaderLimits, Writer};

/// Bytes that one step of a snapshot produces: few, so that values go on over several.
const STEP: usize = 100;
/// What a run may hold of one string, bytes.
const WHOLE: usize = 1 << 20;

/// Whether the bytes may be a snapshot.
pub(super) fn is_for(data: &[u8]) -> bool {
    data.starts_with(b"REDIS") || data.starts_with(b"VALKEY")
}

/// Loads the bytes, their checksum left aside. If the keyspace takes them, they are written in two versions and loaded
/// again, each time to the same digest.
pub(super) fn run(data: &[u8]) {
    let mut bytes = data.to_vec();
    if let Some(sum) = bytes.last_chunk_mut::<8>() {
        // Who changes a byte would have to find the sum too: zero says that there is none.
        *sum = [0; 8];
    }
    let Some(mut first) = load(&bytes) else { return };
    let digest = first.digest();
    for version in [first.snapshot_version(), Writer::MAX_VERSION] {
        let written = write(&mut first, version);
        let mut second = load(&written).expect("what was written is loaded");
        assert_eq!(second.digest(), digest, "written in version {version} and loaded");
        assert_eq!(second.snapshot_version(), first.snapshot_version(), "it needs what it needed");
        // Once more from there: the second one was loaded from encodings of our own.
        assert_eq!(load(&write(&mut second, version)).map(|mut third| third.digest()), Some(digest));
    }
}

/// A keyspace of the snapshot, if that is sound and of types that are held.
fn load(bytes: &[u8]) -> Option<Keyspace> {
    let mut reader = Reader::new(ReaderLimits { value: 64, whole: WHOLE });
    let mut keyspace = Keyspace::new(16, [7; 32]);
    keyspace.load_begin(LoadMode::Replace);
    let mut input = bytes;
    let taken = loop {
        match reader.next(&mut input) {
            Ok(Some(item)) if keyspace.load_item(&item, None).is_err() => break false,
            Ok(Some(Item::End { .. })) => break true,
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break false,
        }
    };
    if taken {
        keyspace.load_commit();
    } else {
        keyspace.load_abort();
    }
    while keyspace.maintain(1000) == Progress::More {}
    taken.then_some(keyspace)
}

fn write(keyspace: &mut Keyspace, version: u16) -> Vec<u8> {
    let mut writer = Writer::new(version, true);
    let mut body = Body::new(Options { compress: true }).for_version(version);
    keyspace.snapshot_begin();
    while keyspace.snapshot_step(&mut body, STEP) == Progress::More {
        writer.absorb(&mut body);
    }
    keyspace.snapshot_end();
    writer.absorb(&mut body);
    writer.finish();
    all(writer.out())
}

fn all(out: &mut Blocks) -> Vec<u8> {
    let (mut chunks, at) = (Chunks::new(), out.start());
    out.read(at, usize::MAX, &mut chunks);
    chunks.concat()
}
