//! Publish and subscribe.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::super::{Cx, Node};
use crate::client::{Kind, Session};
use crate::dataset::Dataset;
use crate::resp::{Args, Reply};

impl<D: Dataset> Node<D> {
    pub(in super::super) fn cmd_subscribe(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        self.subscribe(s, Kind::Channel, args);
    }

    pub(in super::super) fn cmd_psubscribe(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        self.subscribe(s, Kind::Pattern, args);
    }

    pub(in super::super) fn cmd_unsubscribe(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        self.unsubscribe(s, Kind::Channel, args);
    }

    pub(in super::super) fn cmd_punsubscribe(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        self.unsubscribe(s, Kind::Pattern, args);
    }

    fn subscribe(&mut self, s: &mut Session, kind: Kind, args: Args<'_>) {
        for name in args.from(1).iter() {
            self.pubsub.subscribe(s.conn, kind, name);
            let (set, word) = of(s, kind, "subscribe", "psubscribe");
            set.insert(name.into());
            let count = s.subscriptions();
            answer(&mut s.reply(), word, Some(name), count);
        }
    }

    fn unsubscribe(&mut self, s: &mut Session, kind: Kind, args: Args<'_>) {
        let names: Vec<Box<[u8]>> = if args.len() > 1 {
            args.from(1).iter().map(Into::into).collect()
        } else {
            of(s, kind, "", "").0.iter().cloned().collect()
        };
        let (_, word) = of(s, kind, "unsubscribe", "punsubscribe");
        if names.is_empty() {
            let count = s.subscriptions();
            return answer(&mut s.reply(), word, None, count);
        }
        for name in names {
            self.pubsub.unsubscribe(s.conn, kind, &name);
            of(s, kind, "", "").0.remove(&name);
            let count = s.subscriptions();
            answer(&mut s.reply(), word, Some(&name), count);
        }
    }

    /// Ends all subscriptions without a word (RESET).
    pub(in super::super) fn unsubscribe_all(&mut self, s: &mut Session) {
        for c in core::mem::take(&mut s.channels) {
            self.pubsub.unsubscribe(s.conn, Kind::Channel, &c);
        }
        for p in core::mem::take(&mut s.patterns) {
            self.pubsub.unsubscribe(s.conn, Kind::Pattern, &p);
        }
    }

    pub(in super::super) fn cmd_publish(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let count = self.publish(Some(s), args.at(1), args.at(2));
        // A publisher that listens itself gets the message before the count, as from Redis.
        let at = None;
        self.propagate_own(s, at, args, cx);
        s.reply().int(count as i64);
    }

    /// Delivers a message; how many got it.
    pub(in super::super) fn publish(&mut self, mut own: Option<&mut Session>, channel: &[u8], message: &[u8]) -> usize {
        if self.pubsub.is_empty() {
            return 0;
        }
        let receivers = self.pubsub.receivers(channel);
        for (conn, pattern) in &receivers {
            let s = match own.as_deref_mut() {
                Some(s) if s.conn == *conn => s,
                _ => {
                    let Some(s) = self.sessions.get_mut(*conn) else { continue };
                    self.stirred.insert(*conn);
                    s
                }
            };
            let mut r = s.reply();
            match pattern {
                None => {
                    r.push(3);
                    r.bulk(b"message");
                }
                Some(p) => {
                    r.push(4);
                    r.bulk(b"pmessage");
                    r.bulk(p);
                }
            }
            r.bulk(channel);
            r.bulk(message);
        }
        receivers.len()
    }

    pub(in super::super) fn pubsub_channels(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        if args.len() > 3 {
            return s.reply().error("ERR wrong number of arguments for 'pubsub|channels' command");
        }
        let names: Vec<&[u8]> = self.pubsub.channels(args.get(2)).collect();
        let mut r = s.reply();
        r.array(names.len());
        for name in names {
            r.bulk(name);
        }
    }

    pub(in super::super) fn pubsub_numsub(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        let names = args.from(2);
        let mut r = s.reply();
        r.array(names.len() * 2);
        for name in names.iter() {
            r.bulk(name);
            r.int(self.pubsub.subscribers(name) as i64);
        }
    }

    pub(in super::super) fn pubsub_numpat(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        let n = self.pubsub.pattern_count();
        s.reply().int(n as i64);
    }

    pub(in super::super) fn pubsub_help(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        super::help(
            &mut s.reply(),
            "PUBSUB",
            &[
                "CHANNELS [<pattern>]",
                "    Channels that somebody listens to, those that match the pattern.",
                "NUMPAT",
                "    How many patterns somebody listens by.",
                "NUMSUB [<channel> ...]",
                "    How many listen to each channel.",
            ],
        );
    }
}

fn of<'s>(
    s: &'s mut Session,
    kind: Kind,
    channel: &'static str,
    pattern: &'static str,
) -> (&'s mut alloc::collections::BTreeSet<Box<[u8]>>, &'static str) {
    match kind {
        Kind::Channel => (&mut s.channels, channel),
        Kind::Pattern => (&mut s.patterns, pattern),
    }
}

fn answer(r: &mut Reply<'_>, word: &str, name: Option<&[u8]>, count: usize) {
    r.push(3);
    r.bulk(word.as_bytes());
    match name {
        Some(name) => r.bulk(name),
        None => r.null(),
    }
    r.int(count as i64);
}
