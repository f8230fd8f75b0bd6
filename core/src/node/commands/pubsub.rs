//! PUBLISH and PUBSUB.

use alloc::vec::Vec;

use super::super::{Cx, Node};
use crate::client::Session;
use crate::dataset::Dataset;
use crate::resp::Args;

impl<D: Dataset> Node<D> {
    pub(in super::super) fn cmd_publish(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let count = self.clients.publish(Some(s), args.at(1), args.at(2));
        // A publisher that listens itself gets the message before the count, as from Redis.
        self.propagate_own(s, None, args, cx);
        s.reply().int(count as i64);
    }

    pub(in super::super) fn pubsub_channels(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        if args.len() > 3 {
            return s.reply().error("ERR wrong number of arguments for 'pubsub|channels' command");
        }
        let names: Vec<&[u8]> = self.clients.pubsub.channels(args.get(2)).collect();
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
            r.int(self.clients.pubsub.subscribers(name) as i64);
        }
    }

    pub(in super::super) fn pubsub_numpat(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        let n = self.clients.pubsub.pattern_count();
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
