//! SORT: the elements of a list, a set or a sorted set in some order, or what keys made of them hold.

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::ops::Range;

use super::super::Keyspace;
use super::super::entry::Slot;
use super::super::list::{Element, Held, List, Side};
use super::super::score;
use super::super::set::SetRef;
use super::super::store::Access;
use super::super::zset::limit;
use super::sort_lookup::{Found, Pattern};
use super::{NOT_AN_INTEGER, SYNTAX, WRONG_TYPE};
use crate::dataset::{Classes, Context};
use crate::resp::{Args, parse_i64};

/// What is asked for.
#[derive(Debug)]
struct Query<'a> {
    /// `BY`: what is compared instead of the elements.
    by: Option<Pattern<'a>>,
    /// `BY` something without a `*`: the elements stay as they are.
    unsorted: bool,
    /// `ALPHA`: as bytes, not as numbers.
    alpha: bool,
    down: bool,
    offset: i64,
    count: i64,
    get: Vec<Pattern<'a>>,
    store: Option<&'a [u8]>,
}

impl<'a> Query<'a> {
    /// Reads the options; `stores`: whether `STORE` is one. An error's text if they are none.
    fn parse(args: Args<'a>, stores: bool) -> Result<Self, &'static str> {
        let mut query = Self {
            by: None,
            unsorted: false,
            alpha: false,
            down: false,
            offset: 0,
            count: -1,
            get: Vec::new(),
            store: None,
        };
        let mut i = 2;
        while i < args.len() {
            let behind = args.len() - i - 1;
            if args.is(i, "ASC") {
                query.down = false;
            } else if args.is(i, "DESC") {
                query.down = true;
            } else if args.is(i, "ALPHA") {
                query.alpha = true;
            } else if args.is(i, "LIMIT") && behind >= 2 {
                query.offset = parse_i64(args.at(i + 1)).ok_or(NOT_AN_INTEGER)?.max(0);
                query.count = parse_i64(args.at(i + 2)).ok_or(NOT_AN_INTEGER)?;
                i += 2;
            } else if stores && args.is(i, "STORE") && behind >= 1 {
                query.store = Some(args.at(i + 1));
                i += 1;
            } else if args.is(i, "BY") && behind >= 1 {
                let pattern = Pattern::parse(args.at(i + 1));
                query.unsorted |= !matches!(pattern, Pattern::Key { .. });
                query.by = Some(pattern);
                i += 1;
            } else if args.is(i, "GET") && behind >= 1 {
                query.get.push(Pattern::parse(args.at(i + 1)));
                i += 1;
            } else {
                return Err(SYNTAX);
            }
            i += 1;
        }
        Ok(query)
    }

    /// Which of `len` elements in their final order are wanted.
    fn window(&self, len: usize) -> Range<usize> {
        limit(0..len, self.offset, self.count, false)
    }
}

/// The elements to be ordered, or those that are wanted if no order is to be made; `None` for another type.
fn gather(slot: &Slot, query: &Query<'_>) -> Option<Vec<Held>> {
    let held = |scalar| Element::Short(scalar).hold();
    if let Some(list) = slot.list() {
        if !query.unsorted {
            return Some(list.iter(Side::Left).map(Element::hold).collect());
        }
        let window = query.window(list.len());
        let elements = if query.down {
            list.iter(Side::Right).skip(window.start).take(window.len()).map(Element::hold).collect()
        } else {
            list.iter_from(window.start).take(window.len()).map(Element::hold).collect()
        };
        return Some(elements);
    }
    if let Some(zset) = slot.zset() {
        let all = 0..zset.len();
        let (ranks, down) =
            if query.unsorted { (limit(all, query.offset, query.count, query.down), query.down) } else { (all, false) };
        return Some(zset.walk(ranks, down).map(|(member, _)| held(member)).collect());
    }
    let set: SetRef<'_> = slot.set()?;
    let members = set.members().map(|member| held(member.name));
    if !query.unsorted {
        return Some(members.collect());
    }
    let window = query.window(set.len());
    Some(members.skip(window.start).take(window.len()).collect())
}

/// How two elements are ordered as bytes.
fn as_text(a: &Held, b: &Held) -> Ordering {
    a.element().text(&mut [0; 20]).cmp(b.element().text(&mut [0; 20]))
}

/// Sorts rows, downwards if `down`; those that are equal stay as they are.
fn sort_rows<T>(rows: &mut [(T, Held)], down: bool, order: impl Fn(&(T, Held), &(T, Held)) -> Ordering) {
    rows.sort_by(|a, b| if down { order(b, a) } else { order(a, b) });
}

/// Orders elements; `None`: one of them, or what is compared in its place, is no number. `ties`: whether they have no
/// order of their own, so that their bytes decide where Redis leaves it open.
fn sorted(
    ks: &mut Keyspace,
    elements: Vec<Held>,
    query: &Query<'_>,
    ties: bool,
    cx: &mut Context<'_, '_>,
) -> Option<Vec<Held>> {
    if !query.alpha {
        let mut rows = Vec::with_capacity(elements.len());
        for element in elements {
            let number = match query.by {
                None => Found::Element(element.element()).number(),
                // What is not there counts as zero.
                Some(by) => by.find(ks, &element, cx).map_or(Some(0.0), Found::number),
            };
            rows.push((number?, element));
        }
        sort_rows(&mut rows, query.down, |(a, x), (b, y)| score::compare(*a, *b).then_with(|| as_text(x, y)));
        return Some(rows.into_iter().map(|(_, element)| element).collect());
    }
    let Some(by) = query.by else {
        let mut elements = elements;
        elements.sort_by(|a, b| if query.down { as_text(b, a) } else { as_text(a, b) });
        return Some(elements);
    };
    let mut rows = Vec::with_capacity(elements.len());
    for element in elements {
        rows.push((by.find(ks, &element, cx).map(Found::hold), element));
    }
    sort_rows(&mut rows, query.down, |(a, x), (b, y)| {
        let order = match (a, b) {
            (Some(a), Some(b)) => as_text(a, b),
            // What is not there comes first.
            _ => a.is_some().cmp(&b.is_some()),
        };
        if ties { order.then_with(|| as_text(x, y)) } else { order }
    });
    Some(rows.into_iter().map(|(_, element)| element).collect())
}

fn execute(ks: &mut Keyspace, args: Args<'_>, stores: bool, cx: &mut Context<'_, '_>) {
    let mut query = match Query::parse(args, stores) {
        Ok(query) => query,
        Err(text) => return cx.reply.error(text),
    };
    let key = ks.key(cx.db, args.at(1));
    let (mut elements, mut ties) = (Vec::new(), false);
    if let Some(slot) = ks.read(&key, cx) {
        ties = slot.set().is_some();
        if ties && query.unsorted && query.store.is_some() {
            // The order of a set is each server's own: what is stored must not depend on it.
            (query.unsorted, query.alpha, query.by) = (false, true, None);
        }
        match gather(slot, &query) {
            Some(found) => elements = found,
            None => return cx.reply.error(WRONG_TYPE),
        }
    }
    if !query.unsorted {
        let Some(ordered) = sorted(ks, elements, &query, ties, cx) else {
            return cx.reply.error("ERR One or more scores can't be converted into double");
        };
        let window = query.window(ordered.len());
        elements = ordered.into_iter().skip(window.start).take(window.len()).collect();
    }
    match query.store {
        Some(name) => store(ks, name, &elements, &query.get, cx),
        None => answer(ks, &elements, &query.get, cx),
    }
}

fn answer(ks: &mut Keyspace, elements: &[Held], get: &[Pattern<'_>], cx: &mut Context<'_, '_>) {
    cx.reply.array(elements.len().saturating_mul(get.len().max(1)));
    for element in elements {
        if get.is_empty() {
            element.element().reply(cx.reply);
        }
        for pattern in get {
            match pattern.find(ks, element, cx) {
                Some(found) => found.reply(cx.reply),
                None => cx.reply.null(),
            }
        }
    }
}

/// Gives a key a list instead of whatever it holds, or deletes it if the list is empty; answers how many elements there
/// are. What is not there is an empty element.
fn store(ks: &mut Keyspace, name: &[u8], elements: &[Held], get: &[Pattern<'_>], cx: &mut Context<'_, '_>) {
    let mut list = List::default();
    for element in elements {
        if get.is_empty() {
            list.push(Side::Right, element.element());
        }
        for pattern in get {
            match pattern.find(ks, element, cx).map(Found::hold) {
                Some(held) => list.push(Side::Right, held.element()),
                None => list.push(Side::Right, Element::of(b"")),
            }
        }
    }
    let n = list.len();
    let key = ks.key(cx.db, name);
    let place = ks.find(&key, cx, Access::Write);
    if n > 0 {
        ks.replace(&key, place, Slot::of_list(name, list, None, ks.limits.list), cx);
        cx.effects.notify(Classes::LIST, "sortstore", key.db, key.bytes);
    } else if let Some(place) = place {
        ks.remove(&key, place, cx);
        cx.effects.notify(Classes::GENERIC, "del", key.db, key.bytes);
    }
    if n > 0 || place.is_some() {
        cx.effects.itself();
        cx.effects.dirty += (n as u64).saturating_sub(1);
    }
    cx.reply.int(n as i64);
}

pub(super) fn sort(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    execute(ks, args, true, cx);
}

pub(super) fn sort_ro(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    execute(ks, args, false, cx);
}
