//! One value from a DUMP payload.

use super::incoming::{self, Incoming};
use crate::keyspace::entry::Slot;
use crate::keyspace::hashed::HashKey;
use crate::keyspace::limits::Limits;
use crate::keyspace::string::{Form, New};
use crate::rdb::{Item, Payload, ReaderLimits, Value};

/// The entry that a payload makes under `key`. `None`: the value is broken, is of a type that is not held, has no
/// elements, or there is more than the value.
pub(in crate::keyspace) fn restore(
    payload: &Payload<'_>,
    key: &[u8],
    expiry: Option<i64>,
    hash_key: HashKey,
    limits: &Limits,
) -> Option<Slot> {
    let mut reader = payload.reader(ReaderLimits::default());
    let mut input = payload.value();
    let (mut incoming, mut slot) = (None::<Incoming>, None);
    while let Some(item) = reader.next(&mut input).ok()? {
        match item {
            Item::Entry(entry) => match entry.value {
                Value::String(bytes) => slot = Some(Slot::of_string(key, New::Flat(bytes), expiry, Form::Auto)),
                value if incoming::unsupported(&value).is_some() => return None,
                value => {
                    incoming = Incoming::begin(&value, hash_key, limits).ok()?;
                    if value.is_whole() {
                        slot = incoming.take()?.finish(key, expiry, limits).ok()?;
                    }
                }
            },
            Item::Piece(bytes) => incoming.as_mut()?.piece(bytes).ok()?,
            Item::Element(element) => incoming.as_mut()?.element(&element).ok()?,
            Item::Module(value) => incoming.as_mut()?.module(value).ok()?,
            Item::Block(node) => incoming.as_mut()?.node(&node).ok()?,
            Item::Stream(part) => incoming.as_mut()?.stream(&part).ok()?,
            Item::ElementEnd { expire_at_ms } => incoming.as_mut()?.element_end(expire_at_ms).ok()?,
            Item::EntryEnd => slot = incoming.take()?.complete().ok()?.finish(key, expiry, limits).ok()?,
            _ => return None,
        }
    }
    slot.filter(|_| reader.is_done() && input.is_empty())
}
