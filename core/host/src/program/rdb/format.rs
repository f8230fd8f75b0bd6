//! What the forms of output have in common.

use primacy_core::rdb::{Compact, Element, Item, Kind, Scalar, Value};

use super::out::Out;

/// A form of output. Items come as the reader hands them out, but for keys that nobody asked for.
pub(super) trait Format {
    /// Takes one item.
    fn item(&mut self, item: &Item<'_>, out: &mut Out<'_>);

    /// Follows the item of a key: number and name of the type in the snapshot.
    fn stored_as(&mut self, number: u8, name: &'static str) {
        let _ = (number, name);
    }

    /// A key came that nobody asked for.
    fn passed_over(&mut self) {}

    /// Follows the last item of a key.
    fn ended(&mut self, key: Ended) {
        let _ = key;
    }

    /// Follows the end of a sound snapshot, of which `empty` keys were left out because they have no element, as servers
    /// do. What could not be told is returned, a line each.
    fn finish(&mut self, empty: u64, out: &mut Out<'_>) -> Vec<String> {
        let _ = (empty, out);
        Vec::new()
    }
}

/// What is known of a key at its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ended {
    /// Bytes that it takes in the snapshot, its expiry included.
    pub(super) bytes: u64,
    /// How many elements it has: of a stream its entries, of a string and a module's value 0.
    pub(super) elements: u64,
}

/// The types that `TYPE` knows; a module's value is told as `module`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Type {
    String,
    List,
    Set,
    Zset,
    Hash,
    Stream,
    Array,
    Module,
}

impl Type {
    pub(super) const ALL: [Self; 8] =
        [Self::String, Self::List, Self::Set, Self::Zset, Self::Hash, Self::Stream, Self::Array, Self::Module];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::Zset => "zset",
            Self::Hash => "hash",
            Self::Stream => "stream",
            Self::Array => "array",
            Self::Module => "module",
        }
    }

    /// The type of a value; `None` for one that a later reader may know.
    pub(super) fn of(value: &Value<'_>) -> Option<Self> {
        Some(match value {
            Value::String(_) | Value::LongString(_) => Self::String,
            Value::Compact(kind, _) | Value::Elements(kind, _) => kind.into(),
            Value::Stream => Self::Stream,
            Value::Array { .. } => Self::Array,
            Value::Module(_) => Self::Module,
            _ => return None,
        })
    }
}

impl From<&Kind> for Type {
    fn from(kind: &Kind) -> Self {
        match kind {
            Kind::List => Self::List,
            Kind::Set => Self::Set,
            Kind::Zset => Self::Zset,
            Kind::Hash => Self::Hash,
        }
    }
}

/// When a field of a compact hash expires: 0 is never.
fn expiry(scalar: Option<Scalar<'_>>) -> Option<u64> {
    match scalar {
        Some(Scalar::Int(n)) => u64::try_from(n).ok().filter(|&n| n != 0),
        _ => None,
    }
}

/// Gives every row of a whole collection to `row`, as an [`Element`].
pub(super) fn each_element(kind: Kind, compact: Compact<'_>, mut row: impl FnMut(&Element<'_>)) {
    let mut scalars = compact.iter();
    let (mut a, mut b) = ([0; 20], [0; 20]);
    while let Some(first) = scalars.next() {
        let second = (compact.row() > 1).then(|| scalars.next()).flatten();
        let third = (compact.row() > 2).then(|| scalars.next()).flatten();
        let first = first.text(&mut a);
        row(&match (kind, second) {
            // The reader lets no NaN pass.
            (Kind::Zset, Some(score)) => Element::Scored { member: first, score: score.score().unwrap_or_default() },
            (Kind::Hash, Some(value)) => {
                Element::Field { field: first, value: value.text(&mut b), expire_at_ms: expiry(third) }
            }
            _ => Element::Member(first),
        });
    }
}
