//! Subscribe and unsubscribe.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::super::server::{Cx, Server};
use super::super::{Kind, Session};
use crate::resp::{Args, Reply};

pub(super) fn subscribe<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, _: &mut Cx<'_, S::Event>) {
    begin(server, s, Kind::Channel, args);
}

pub(super) fn psubscribe<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, _: &mut Cx<'_, S::Event>) {
    begin(server, s, Kind::Pattern, args);
}

pub(super) fn unsubscribe<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, _: &mut Cx<'_, S::Event>) {
    end(server, s, Kind::Channel, args);
}

pub(super) fn punsubscribe<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, _: &mut Cx<'_, S::Event>) {
    end(server, s, Kind::Pattern, args);
}

fn begin<S: Server>(server: &mut S, s: &mut Session, kind: Kind, args: Args<'_>) {
    for name in args.from(1).iter() {
        server.clients_mut().pubsub.subscribe(s.conn, kind, name);
        let (set, word) = of(s, kind, "subscribe", "psubscribe");
        set.insert(name.into());
        answer(s, word, Some(name));
    }
}

fn end<S: Server>(server: &mut S, s: &mut Session, kind: Kind, args: Args<'_>) {
    let (set, word) = of(s, kind, "unsubscribe", "punsubscribe");
    let names: Vec<Box<[u8]>> =
        if args.len() > 1 { args.from(1).iter().map(Into::into).collect() } else { set.iter().cloned().collect() };
    if names.is_empty() {
        return answer(s, word, None);
    }
    for name in names {
        server.clients_mut().pubsub.unsubscribe(s.conn, kind, &name);
        of(s, kind, "", "").0.remove(&name);
        answer(s, word, Some(&name));
    }
}

fn of<'s>(
    s: &'s mut Session,
    kind: Kind,
    channel: &'static str,
    pattern: &'static str,
) -> (&'s mut BTreeSet<Box<[u8]>>, &'static str) {
    match kind {
        Kind::Channel => (&mut s.channels, channel),
        Kind::Pattern => (&mut s.patterns, pattern),
    }
}

fn answer(s: &mut Session, word: &str, name: Option<&[u8]>) {
    let count = s.subscriptions();
    let mut r: Reply<'_> = s.reply();
    r.push(3);
    r.bulk(word.as_bytes());
    match name {
        Some(name) => r.bulk(name),
        None => r.null(),
    }
    r.int(count as i64);
}
