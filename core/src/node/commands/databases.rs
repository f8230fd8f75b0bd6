//! Commands about whole databases.

use super::super::{Cx, Node};
use crate::client::Session;
use crate::dataset::Dataset;
use crate::resp::{Args, parse_i64};

impl<D: Dataset> Node<D> {
    pub(in super::super) fn cmd_dbsize(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        let keys = self.data.stats(s.db).keys;
        s.reply().int(keys as i64);
    }

    pub(in super::super) fn cmd_flushall(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        self.flush(s, args, None, cx);
    }

    pub(in super::super) fn cmd_flushdb(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let db = s.db;
        self.flush(s, args, Some(db), cx);
    }

    fn flush(&mut self, s: &mut Session, args: Args<'_>, db: Option<u32>, cx: &mut Cx<'_>) {
        if args.len() > 2 || (args.len() == 2 && !args.is(1, "ASYNC") && !args.is(1, "SYNC")) {
            return s.reply().error(super::SYNTAX);
        }
        self.flush_data(Some(s), db, cx);
        // Redis propagates a flush even of an empty dataset.
        self.effects.dirty += 1;
        let at = Some(s.db);
        self.propagate_own(s, at, args, cx);
        s.reply().ok();
    }

    /// Empties one database or all; the keys are freed later, in slices.
    pub(in super::super) fn flush_data(&mut self, own: Option<&mut Session>, db: Option<u32>, cx: &mut Cx<'_>) {
        self.tell_watchers_of(own, |d| db.is_none_or(|only| only == d));
        self.effects.dirty += self.data.flush(db);
        self.idle_work = true;
        self.want_resume(cx);
    }

    pub(in super::super) fn cmd_swapdb(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        let number = |i| parse_i64(args.at(i)).filter(|n| i32::try_from(*n).is_ok());
        let Some(a) = number(1) else { return s.reply().error("ERR invalid first DB index") };
        let Some(b) = number(2) else { return s.reply().error("ERR invalid second DB index") };
        let limit = i64::from(self.data.databases());
        if !(0..limit).contains(&a) || !(0..limit).contains(&b) {
            return s.reply().error("ERR DB index is out of range");
        }
        let (a, b) = (a as u32, b as u32);
        self.tell_watchers_of(Some(&mut *s), |d| d == a || d == b);
        self.data.swap(a, b);
        self.tell_watchers_of(Some(s), |d| d == a || d == b);
        self.effects.dirty += 1;
        let at = Some(s.db);
        self.propagate_own(s, at, args, cx);
        s.reply().ok();
    }
}
