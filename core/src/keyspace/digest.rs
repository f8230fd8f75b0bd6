//! `DEBUG DIGEST`: a sum over all data that two servers can compare.
//!
//! - *mix* d with x: d becomes SHA1(d xor SHA1(x)); *xor* d with x: d becomes d xor SHA1(x).
//! - A key: from zeros, mix the key, mix the type's number (4 bytes, big endian), mix a string's value, and xor
//!   `!!expire!!` if it has an expiry.
//! - A hash: for each field, from zeros, mix the field, mix its value, xor `!!hexpire!!` if it expires (Redis
//!   since 7.4; Valkey 9.0 leaves that out), and xor that to the key.
//! - A sorted set: for each member, from zeros, mix the member, mix its score as `%.17g` prints it (Redis up to 7.0; later
//!   ones print it shorter), and xor that to the key.
//! - A list: mix each element in order.
//! - A set: xor each member to the key.
//! - A stream: for each entry in order, mix its id as `ms.seq`, then each field and its value. Groups do not count.
//! - All: from zeros, for each database that is not empty in order: mix its number (4 bytes, big endian), xor each key's
//!   digest.

use sha1::{Digest as _, Sha1};

use super::Keyspace;
use super::entry::Slot;
use super::list::Side;
use super::score;
use super::set::SetRef;
use super::stream::id;
use super::string::Str;
use super::table::Table;
use super::zset::ZsetRef;

type Digest = [u8; 20];

fn xor(digest: &mut Digest, sum: Digest) {
    digest.iter_mut().zip(sum).for_each(|(d, s)| *d ^= s);
}

fn mix(digest: &mut Digest, parts: &[impl AsRef<[u8]>]) {
    let mut sha = Sha1::new();
    for part in parts {
        sha.update(part);
    }
    xor(digest, sha.finalize().into());
    *digest = Sha1::digest(*digest).into();
}

fn mix_value(digest: &mut Digest, slot: &Slot) {
    mix(digest, &[(slot.kind() as u32).to_be_bytes()]);
    match slot.string() {
        Some(Str::Flat(bytes)) => mix(digest, &[bytes]),
        Some(Str::Long(chunked)) => mix(digest, chunked.chunks()),
        None => {}
    }
    for (field, value, expiry) in slot.hash().into_iter().flat_map(|hash| hash.rows_from(0)) {
        let mut element = Digest::default();
        mix(&mut element, &[field.text(&mut [0; 20])]);
        mix(&mut element, &[value.text(&mut [0; 20])]);
        if expiry.is_some() {
            xor(&mut element, Sha1::digest(b"!!hexpire!!").into());
        }
        xor(digest, Sha1::digest(element).into());
    }
    for (member, score) in slot.zset().into_iter().flat_map(ZsetRef::pairs) {
        let mut element = Digest::default();
        mix(&mut element, &[member.text(&mut [0; 20])]);
        mix(&mut element, &[score::precise(score)]);
        xor(digest, Sha1::digest(element).into());
    }
    for element in slot.list().into_iter().flat_map(|list| list.iter(Side::Left)) {
        mix(digest, &[element.text(&mut [0; 20])]);
    }
    for member in slot.set().into_iter().flat_map(SetRef::members) {
        xor(digest, Sha1::digest(member.name.text(&mut [0; 20])).into());
    }
    for entry in slot.stream().into_iter().flat_map(|stream| stream.range(id::MIN, id::MAX)) {
        mix(digest, &[id::joined(entry.id, b'.')]);
        for (field, value) in entry.fields {
            mix(digest, &[field.text(&mut [0; 20])]);
            mix(digest, &[value.text(&mut [0; 20])]);
        }
    }
    if slot.expiry().is_some() {
        xor(digest, Sha1::digest(b"!!expire!!").into());
    }
}

/// The digest of all databases.
pub(super) fn of_all(dbs: &[Table]) -> Digest {
    let mut all = Digest::default();
    for (db, table) in dbs.iter().enumerate().filter(|(_, table)| table.len() > 0) {
        mix(&mut all, &[(db as u32).to_be_bytes()]);
        table.for_each(|slot| {
            let mut digest = Digest::default();
            mix(&mut digest, &[slot.key()]);
            mix_value(&mut digest, slot);
            xor(&mut all, Sha1::digest(digest).into());
        });
    }
    all
}

impl Keyspace {
    /// What `DEBUG DIGEST` gives: equal for equal data, whatever the order they came in.
    pub fn digest_all(&self) -> [u8; 20] {
        of_all(&self.dbs)
    }

    /// The string at a key, expired or not: for who looks from outside.
    #[cfg(feature = "sim")]
    pub(crate) fn string(&self, db: u32, key: &[u8]) -> Option<alloc::vec::Vec<u8>> {
        let table = self.dbs.get(db as usize)?;
        let place = table.find(table.hash(key), key)?;
        Some(table.slot(place).string()?.flat().into_owned())
    }

    /// What `DEBUG DIGEST-VALUE` gives for one key: its value and whether it has an expiry; zeros if there is none.
    pub fn digest_value(&self, db: u32, key: &[u8]) -> [u8; 20] {
        let mut digest = Digest::default();
        if let Some(table) = self.dbs.get(db as usize)
            && let Some(place) = table.find(table.hash(key), key)
        {
            mix_value(&mut digest, table.slot(place));
        }
        digest
    }
}
