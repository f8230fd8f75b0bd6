//! Values that come in parts.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;

use super::super::entry::{self, SMALL_MAX, Slot};
use super::super::hash::HashEdit;
use super::super::hashed::HashKey;
use super::super::limits::{Limits, PackLimit, SetLimit};
use super::super::list::{self, List, Side};
use super::super::module::Growing;
use super::super::pack::Shape;
use super::super::set::SetEdit;
use super::super::string::{Form, New};
use super::super::value::Chunked;
use super::super::zset::ZsetEdit;
use super::adopt;
use super::gather::Gather;
use super::stream::StreamLoad;
use crate::rdb::{Compact, Element, Kind, Layout, ModuleValue, Scalar, StreamPart, Value};

/// What a value in parts cannot have.
pub(super) const TWICE: &str = "a field comes twice";
pub(super) const MEMBER_TWICE: &str = "a member comes twice";
const NO_SCORE: &str = "a score is not a number";
const STRAY: &str = "a part of another type";
const TOO_LATE: &str = "a field expires beyond the range";

/// The latest expiry of a field that a snapshot may have, ms since 1970.
const FIELD_EXPIRY_READ: u64 = (1 << 48) - 1;

/// Why a part is refused.
#[derive(Debug)]
pub(super) enum Refused {
    /// It contradicts the others.
    Broken(&'static str),
}

/// A value on its way in.
#[derive(Debug)]
pub(super) enum Incoming {
    /// A long string.
    String(Chunked),
    /// A hash, and the field whose long value is under way.
    Hash(HashEdit<'static>, Option<(Box<[u8]>, Vec<u8>)>),
    /// A sorted set.
    Zset(ZsetEdit<'static>),
    /// A list, and the long element that is under way.
    List(List, Option<Vec<u8>>),
    /// A set.
    Set(SetEdit<'static>),
    /// A stream.
    Stream(Box<StreamLoad>),
    /// A module's value.
    Module(Growing),
    /// A hash, a set or a sorted set that is made when all of it is there.
    Gather(Gather),
}

/// The name of a type that is not held; `None`: it is.
pub(super) fn unsupported(value: &Value<'_>) -> Option<&'static str> {
    match value {
        Value::String(_) | Value::LongString(_) | Value::Stream => None,
        Value::Compact(kind, _) | Value::Elements(kind, _) => match kind {
            Kind::Hash | Kind::Zset | Kind::List | Kind::Set => None,
        },
        Value::Array { .. } => Some("array"),
        Value::Module(_) => None,
    }
}

impl Incoming {
    /// Memory in bytes.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::String(chunked) => chunked.memory(),
            Self::Hash(hash, long) => hash.memory() + long.as_ref().map_or(0, |(_, value)| value.capacity()),
            Self::Zset(zset) => zset.memory(),
            Self::List(list, long) => list.memory() + long.as_ref().map_or(0, Vec::capacity),
            Self::Set(set) => set.memory(),
            Self::Stream(stream) => stream.memory(),
            Self::Module(growing) => growing.memory(),
            Self::Gather(gather) => gather.memory(),
        }
    }

    /// The value of a key that begins; `None` for a type that [is not held](unsupported) or a string that is whole.
    pub(super) fn begin(value: &Value<'_>, key: HashKey, limits: &Limits) -> Result<Option<Self>, Refused> {
        let (hash, zset, set) = match value {
            Value::Compact(_, pack) if pack.layout() == Layout::Listpack => as_listpack(limits),
            _ => (limits.hash, limits.zset, limits.set),
        };
        let mut incoming = match value {
            Value::LongString(_) => Self::String(Chunked::default()),
            Value::Stream => Self::Stream(Box::default()),
            Value::Compact(Kind::Hash, _) | Value::Elements(Kind::Hash, _) => {
                Self::Hash(HashEdit::empty(key, hash), None)
            }
            Value::Compact(Kind::Zset, _) | Value::Elements(Kind::Zset, _) => Self::Zset(ZsetEdit::whole(key, zset)),
            Value::Compact(Kind::List, _) | Value::Elements(Kind::List, _) => Self::List(List::default(), None),
            Value::Compact(Kind::Set, pack) => Self::Set(SetEdit::empty(key, set, set_shape(pack))),
            // Redis looks at the number before it knows that not all are integers.
            Value::Elements(Kind::Set, n) if *n > set.ints as u64 => Self::Set(SetEdit::empty(key, set, Shape::Table)),
            Value::Elements(Kind::Set, _) => Self::Set(SetEdit::empty(key, set, Shape::Ints)),
            Value::Module(module) => Self::Module(Growing::new(*module)),
            _ => return Ok(None),
        };
        if let Value::Elements(_, n) = *value {
            let n = usize::try_from(n).unwrap_or(usize::MAX);
            incoming.expect(n);
            return Ok(Some(Gather::begin(incoming, n)));
        }
        match (&mut incoming, value) {
            (Self::Hash(hash, _), Value::Compact(_, pack)) => take_pack(hash, pack)?,
            (Self::Zset(zset), Value::Compact(_, pack)) => take_scored(zset, pack)?,
            (Self::Set(set), Value::Compact(_, pack)) => take_members(set, pack)?,
            (Self::List(list, _), Value::Compact(_, pack)) => list.push_node(pack.iter()),
            _ => {}
        }
        Ok(Some(incoming))
    }

    /// So many elements come: those of a large collection are not kept as a small one first.
    fn expect(&mut self, n: usize) {
        match self {
            Self::Hash(hash, _) => hash.announce(n),
            Self::Zset(zset) => zset.announce(n, 0),
            Self::Set(set) => set.expect(n),
            Self::String(_) | Self::List(..) | Self::Stream(_) | Self::Module(_) | Self::Gather(_) => {}
        }
    }

    /// Takes bytes of a long string or of the long value of a field.
    pub(super) fn piece(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        match self {
            Self::String(chunked) => chunked.append(bytes),
            Self::Hash(_, Some((_, value))) => value.extend_from_slice(bytes),
            Self::List(_, Some(element)) => element.extend_from_slice(bytes),
            Self::Hash(_, None)
            | Self::List(_, None)
            | Self::Zset(_)
            | Self::Set(_)
            | Self::Stream(_)
            | Self::Module(_)
            | Self::Gather(_) => {
                return Err(Refused::Broken(STRAY));
            }
        }
        Ok(())
    }

    /// Takes an element.
    pub(super) fn element(&mut self, element: &Element<'_>) -> Result<(), Refused> {
        if let Self::Gather(gather) = self {
            let taken = gather.take(element);
            if taken && !gather.is_complete() {
                return Ok(());
            }
            let Self::Gather(gather) = core::mem::replace(self, Self::String(Chunked::default())) else {
                return Ok(());
            };
            *self = gather.made()?;
            if taken {
                return Ok(());
            }
        }
        match (self, *element) {
            (Self::List(list, long), _) => list_element(list, long, element),
            (Self::Set(set), Element::Member(member)) => add(set, member),
            (Self::Hash(hash, _), Element::Field { field, value, expire_at_ms }) => {
                set(hash, field, value, expire_at_ms)
            }
            (Self::Hash(_, long), Element::LongField { field, .. }) => {
                *long = Some((field.into(), Vec::new()));
                Ok(())
            }
            (Self::Zset(zset), Element::Scored { member, score }) => put(zset, member, score),
            _ => Err(Refused::Broken(STRAY)),
        }
    }

    /// Takes one thing that a module wrote.
    pub(super) fn module(&mut self, value: ModuleValue<'_>) -> Result<(), Refused> {
        let Self::Module(growing) = self else { return Err(Refused::Broken(STRAY)) };
        growing.push(value);
        Ok(())
    }

    /// Takes several elements of a list.
    pub(super) fn node(&mut self, node: &Compact<'_>) -> Result<(), Refused> {
        let Self::List(list, None) = self else { return Err(Refused::Broken(STRAY)) };
        match adopt::node(node) {
            Some(elements) if List::takes_node(elements.len()) => list.push_elements(elements, node.len()),
            _ => list.push_node(node.iter()),
        }
        Ok(())
    }

    /// Takes a part of a stream.
    pub(super) fn stream(&mut self, part: &StreamPart<'_>) -> Result<(), Refused> {
        let Self::Stream(stream) = self else { return Err(Refused::Broken(STRAY)) };
        stream.take(part).map_err(Refused::Broken)
    }

    /// The long value of a field, or a long element, is complete.
    pub(super) fn element_end(&mut self, expire_at_ms: Option<u64>) -> Result<(), Refused> {
        if let Self::List(list, long) = self {
            let Some(element) = long.take() else { return Err(Refused::Broken(STRAY)) };
            // What it did not need of its room is given back.
            list.push_bytes(&Bytes::from(element.into_boxed_slice()));
            return Ok(());
        }
        let Self::Hash(hash, long) = self else { return Err(Refused::Broken(STRAY)) };
        let Some((field, value)) = long.take() else { return Err(Refused::Broken(STRAY)) };
        set(hash, &field, &value, expire_at_ms)
    }

    /// No further part comes: what was gathered is made.
    pub(super) fn complete(self) -> Result<Self, Refused> {
        match self {
            Self::Gather(gather) => gather.made(),
            made => Ok(made),
        }
    }

    /// The value is [complete](Self::complete): its entry, `None` for a collection of nothing.
    pub(super) fn finish(self, key: &[u8], expiry: Option<i64>, limits: &Limits) -> Result<Option<Slot>, Refused> {
        let slot = match self {
            Self::String(value) if value.len() > SMALL_MAX => Slot::long(key, value, expiry, Form::Auto),
            Self::String(value) => Slot::of_string(key, New::Pieces(value.chunks()), expiry, Form::Auto),
            Self::List(list, _) => Slot::of_list(key, list, expiry, limits.list),
            Self::Hash(hash, _) => hash.into_slot(key, expiry),
            Self::Zset(zset) => zset.into_slot(key, expiry),
            Self::Set(set) => set.into_slot(key, expiry),
            Self::Stream(stream) => Slot::of_stream(key, stream.finish().map_err(Refused::Broken)?, expiry),
            Self::Module(growing) => Slot::large(key, entry::Value::Module(growing.finish()), expiry, 0),
            // The end makes it one of the others.
            Self::Gather(_) => return Ok(None),
        };
        Ok(Some(slot).filter(|slot| !slot.is_hollow()))
    }
}

/// The limits of hashes, sorted sets and sets that come as a listpack: it stays one whatever the length of its elements.
fn as_listpack(limits: &Limits) -> (PackLimit, PackLimit, SetLimit) {
    let set = SetLimit { pack: limits.set.pack.of_any_length(), ..limits.set };
    (limits.hash.of_any_length(), limits.zset.of_any_length(), set)
}

/// Takes an element of a list, or the head of a long one.
fn list_element(list: &mut List, long: &mut Option<Vec<u8>>, element: &Element<'_>) -> Result<(), Refused> {
    match (element, &long) {
        (Element::Member(text), None) => list.push(Side::Right, list::Element::of(text)),
        // Its announced length is a hint and no more.
        (Element::LongMember(_), None) => *long = Some(Vec::new()),
        _ => return Err(Refused::Broken(STRAY)),
    }
    Ok(())
}

fn set(hash: &mut HashEdit<'_>, field: &[u8], value: &[u8], expire_at_ms: Option<u64>) -> Result<(), Refused> {
    if !hash.set(field, value) {
        return Err(Refused::Broken(TWICE));
    }
    match expire_at_ms {
        Some(at) if at > FIELD_EXPIRY_READ => return Err(Refused::Broken(TOO_LATE)),
        Some(_) => hash.expire(field, expire_at_ms),
        None => {}
    }
    Ok(())
}

fn put(zset: &mut ZsetEdit<'_>, member: &[u8], score: f64) -> Result<(), Refused> {
    if score.is_nan() {
        return Err(Refused::Broken(NO_SCORE));
    }
    match zset.put(member, score) {
        None => Ok(()),
        Some(_) => Err(Refused::Broken(MEMBER_TWICE)),
    }
}

/// Takes rows of member and score.
fn take_scored(zset: &mut ZsetEdit<'_>, pack: &Compact<'_>) -> Result<(), Refused> {
    let mut scalars = pack.iter();
    while let (Some(member), Some(score)) = (scalars.next(), scalars.next()) {
        put(zset, member.text(&mut [0; 20]), score.score().ok_or(Refused::Broken(NO_SCORE))?)?;
    }
    Ok(())
}

fn add(set: &mut SetEdit<'_>, member: &[u8]) -> Result<(), Refused> {
    if set.add(member) { Ok(()) } else { Err(Refused::Broken(MEMBER_TWICE)) }
}

/// A listpack stays one, even of integers only; anything else is encoded anew.
fn set_shape(pack: &Compact<'_>) -> Shape {
    if pack.layout() == Layout::Listpack { Shape::Pack } else { Shape::Ints }
}

fn take_members(set: &mut SetEdit<'_>, pack: &Compact<'_>) -> Result<(), Refused> {
    let mut scratch = [0; 20];
    pack.iter().try_for_each(|member| add(set, member.text(&mut scratch)))
}

/// Takes rows of field and value, or of those and an expiry, which is 0 for none.
fn take_pack(hash: &mut HashEdit<'_>, pack: &Compact<'_>) -> Result<(), Refused> {
    let (mut a, mut b) = ([0; 20], [0; 20]);
    let mut scalars = pack.iter();
    while let (Some(field), Some(value)) = (scalars.next(), scalars.next()) {
        let expiry = match if pack.row() == 3 { scalars.next() } else { None } {
            None | Some(Scalar::Int(0)) => None,
            Some(Scalar::Int(at)) => Some(u64::try_from(at).map_err(|_| Refused::Broken(TOO_LATE))?),
            Some(Scalar::Text(_)) => return Err(Refused::Broken(TOO_LATE)),
        };
        set(hash, field.text(&mut a), value.text(&mut b), expiry)?;
    }
    Ok(())
}
