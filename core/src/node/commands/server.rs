//! Commands about the server as a whole.

use super::super::save::{Why, Wish};
use super::super::shutdown::Options;
use super::super::snapshot::Target;
use super::super::{Cx, Node};
use crate::client::{Blocked, Session};
use crate::dataset::Dataset;
use crate::resp::Args;

impl<D: Dataset> Node<D> {
    pub(in super::super) fn cmd_time(&mut self, s: &mut Session, _: Args<'_>, cx: &mut Cx<'_>) {
        let us = cx.now.unix_ms % 1000 * 1000 + cx.now.mono.as_micros() % 1000;
        let seconds = cx.now.unix_s();
        let mut r = s.reply();
        r.array(2);
        r.bulk_int(seconds as i64);
        r.bulk_int(us as i64);
    }

    pub(in super::super) fn cmd_lastsave(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        s.reply().int(self.save.last_save_s as i64);
    }

    /// The client waits for the file; all others go on.
    pub(in super::super) fn cmd_save(&mut self, s: &mut Session, _: Args<'_>, cx: &mut Cx<'_>) {
        match self.request_save(Why::Save(s.conn), cx) {
            Wish::Began => s.blocked = Some(Blocked::Saving),
            Wish::Busy => s.reply().error("ERR Background save already in progress"),
        }
    }

    pub(in super::super) fn cmd_bgsave(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let schedule = args.len() == 2 && args.is(1, "SCHEDULE");
        if args.len() > 1 && !schedule {
            return s.reply().error(super::SYNTAX);
        }
        // One for replicas may be waited for; one to the file is what is asked for already.
        let other = self.snapshot.as_ref().is_some_and(|snap| !matches!(snap.target, Target::File { .. }));
        if self.snapshot.is_some() && !(schedule && other) {
            return s.reply().error("ERR Background save already in progress");
        }
        if self.unit.is_some() {
            // The transaction is not history yet: a snapshot of this moment would be ahead of its own offset.
            self.save.scheduled = true;
            return s.reply().simple("Background saving scheduled");
        }
        match self.request_save(Why::Asked, cx) {
            Wish::Began => s.reply().simple("Background saving started"),
            Wish::Busy if schedule => {
                self.save.scheduled = true;
                s.reply().simple("Background saving scheduled");
            }
            Wish::Busy => s.reply().error(
                "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a \
                 BGSAVE whenever possible.",
            ),
        }
    }

    pub(in super::super) fn cmd_shutdown(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let mut options = Options { client: Some(s.conn), ..Options::default() };
        let mut abort = false;
        for i in 1..args.len() {
            match () {
                () if args.is(i, "NOSAVE") => options.save = Some(false),
                () if args.is(i, "SAVE") => options.save = Some(true),
                () if args.is(i, "NOW") => options.now = true,
                () if args.is(i, "FORCE") => options.force = true,
                () if args.is(i, "ABORT") => abort = true,
                () => return s.reply().error(super::SYNTAX),
            }
        }
        if abort && args.len() != 2 {
            return s.reply().error(super::SYNTAX);
        }
        if abort {
            return if self.abort_shutdown(cx) {
                s.reply().ok();
            } else {
                s.reply().error("ERR No shutdown in progress.");
            };
        }
        s.blocked = Some(Blocked::Shutdown);
        self.begin_shutdown(options, cx);
    }
}
