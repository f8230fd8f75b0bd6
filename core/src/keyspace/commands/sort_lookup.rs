//! What SORT looks up for an element: keys, and fields of hashes, whose names are made of it.

use bytes::Bytes;

use super::super::Keyspace;
use super::super::list::{Element, Held};
use super::super::score;
use super::super::string::Str;
use crate::dataset::{Context, Origin};
use crate::rdb::Scalar;
use crate::resp::Reply;

/// A pattern of `BY` or `GET`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pattern<'a> {
    /// `#`: the element itself.
    Itself,
    /// `before*behind` or `before*behind->field`: the first `*` stands for the element.
    Key { before: &'a [u8], behind: &'a [u8], field: Option<&'a [u8]> },
    /// Without a `*` it names no key.
    Nothing,
}

/// What a pattern led to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'k> {
    /// The element itself, or the value of a field.
    Element(Element<'k>),
    /// The string of a key.
    Text(Str<'k>),
}

impl<'a> Pattern<'a> {
    /// The pattern that an argument spells.
    pub(super) fn parse(text: &'a [u8]) -> Self {
        if text == b"#" {
            return Self::Itself;
        }
        let mut halves = text.splitn(2, |&byte| byte == b'*');
        let (Some(before), Some(rest)) = (halves.next(), halves.next()) else { return Self::Nothing };
        // An arrow at the end is a part of the key's name.
        let arrow = rest.windows(2).position(|pair| pair == b"->").filter(|at| at + 2 < rest.len());
        let (behind, field) = match arrow {
            Some(at) => (&rest[..at], Some(&rest[at + 2..])),
            None => (rest, None),
        };
        Self::Key { before, behind, field }
    }

    /// What it leads to for an element. A key of another type is none.
    pub(super) fn find<'k>(
        &self,
        ks: &'k mut Keyspace,
        element: &'k Held,
        cx: &mut Context<'_, '_>,
    ) -> Option<Found<'k>> {
        let (before, behind, field) = match *self {
            Self::Itself => return Some(Found::Element(element.element())),
            Self::Nothing => return None,
            Self::Key { before, behind, field } => (before, behind, field),
        };
        let name = [before, element.element().text(&mut [0; 20]), behind].concat();
        let key = ks.key(cx.db, &name);
        // For the master that we follow no field has expired.
        let (hash_key, upstream, now) = (ks.hash_key, cx.origin == Origin::Upstream, cx.now.unix_ms);
        let slot = ks.read(&key, cx)?;
        let Some(field) = field else { return slot.string().map(Found::Text) };
        let hash = slot.hash().map(|hash| if upstream { hash } else { hash.at(now) })?;
        hash.get(hash_key, field).map(|value| Found::Element(Element::Short(value)))
    }
}

impl Found<'_> {
    /// Answers it as a bulk string, a long one shared.
    pub(super) fn reply(self, reply: &mut Reply<'_>) {
        match self {
            Self::Element(element) => element.reply(reply),
            Self::Text(text) => text.reply(reply),
        }
    }

    /// It on its own.
    pub(super) fn hold(self) -> Held {
        match self {
            Self::Element(element) => element.hold(),
            Self::Text(Str::Flat(text)) => Element::of(text).hold(),
            Self::Text(Str::Long(chunked)) => match chunked.chunks() {
                [only] => Held::Bytes(only.clone()),
                chunks => Held::Bytes(Bytes::from(chunks.concat())),
            },
        }
    }

    /// The number that it spells; `None` if it spells none.
    pub(super) fn number(self) -> Option<f64> {
        match self {
            Self::Element(Element::Short(Scalar::Int(n))) => Some(n as f64),
            Self::Element(element) => score::weight(element.text(&mut [0; 20])),
            Self::Text(text) => score::weight(&text.flat()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_taken_apart() {
        let key = |before: &'static str, behind: &'static str, field: Option<&'static str>| Pattern::Key {
            before: before.as_bytes(),
            behind: behind.as_bytes(),
            field: field.map(str::as_bytes),
        };
        for (text, want) in [
            ("#", Pattern::Itself),
            ("nosort", Pattern::Nothing),
            ("a->b", Pattern::Nothing),
            ("", Pattern::Nothing),
            ("w_*", key("w_", "", None)),
            ("*", key("", "", None)),
            ("#*", key("#", "", None)),
            ("w_*_x", key("w_", "_x", None)),
            ("w_*_*", key("w_", "_*", None)),
            ("h_*->f", key("h_", "", Some("f"))),
            ("h_*_x->f", key("h_", "_x", Some("f"))),
            ("h_*->f->g", key("h_", "", Some("f->g"))),
            ("h_*->", key("h_", "->", None)),
            ("h->_*", key("h->_", "", None)),
        ] {
            assert_eq!(Pattern::parse(text.as_bytes()), want, "{text}");
        }
    }
}
