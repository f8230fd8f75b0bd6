//! MULTI, EXEC, DISCARD, WATCH.

use super::super::{Cx, Node};
use crate::acl::Context;
use crate::client::{Dispatch as _, Session, Transaction};
use crate::dataset::Dataset;
use crate::resp::Args;

impl<D: Dataset> Node<D> {
    pub(in super::super) fn cmd_multi(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        if s.multi.is_some() {
            return s.reply().error("ERR MULTI calls can not be nested");
        }
        s.multi = Some(Transaction::default());
        s.reply().ok();
    }

    pub(in super::super) fn cmd_discard(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        if s.multi.take().is_none() {
            return s.reply().error("ERR DISCARD without MULTI");
        }
        self.unwatch(s);
        s.reply().ok();
    }

    pub(in super::super) fn cmd_watch(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        if s.multi.is_some() {
            return s.reply().error("ERR WATCH inside MULTI is not allowed");
        }
        for key in args.from(1).iter() {
            self.watch_key(s, key);
        }
        s.reply().ok();
    }

    pub(in super::super) fn cmd_unwatch(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        self.unwatch(s);
        s.reply().ok();
    }

    pub(in super::super) fn cmd_exec(&mut self, s: &mut Session, _: Args<'_>, cx: &mut Cx<'_>) {
        let Some(multi) = s.multi.take() else { return s.reply().error("ERR EXEC without MULTI") };
        let changed = s.dirty;
        self.unwatch(s);
        if multi.broken {
            return s.reply().error("EXECABORT Transaction discarded because of previous errors.");
        }
        if changed {
            return s.reply().null_array();
        }
        s.reply().array(multi.queue.len());
        self.begin_unit();
        for (_, command) in &multi.queue {
            // It was found when it was queued, and the table does not change.
            match self.find_known(command.args()) {
                Ok(found) => match self.clients.denied(s, found.index, command.args()) {
                    None => self.call(s, &found, command.args(), cx),
                    Some(denied) => {
                        let most = self.config.settings.acllog_max_len as usize;
                        if let Some((what, object)) = denied.what() {
                            self.clients.note_denial_in(s, Context::Multi, what, object, None, cx.now, most);
                        }
                        self.refuse(s, Some(found.index), &denied.error_in_exec());
                    }
                },
                Err(text) => s.reply().error(&text),
            }
        }
        let unit = self.unit.take().unwrap_or_default();
        self.propagate_unit(s, &unit);
    }
}
