//! Commands about the connection itself that a sentinel does not serve.

use super::super::{Cx, Node};
use crate::acl::UserId;
use crate::client::{CloseWhen, ReplyMode, Session};
use crate::dataset::Dataset;
use crate::resp::{Args, Proto, parse_i64};

impl<D: Dataset> Node<D> {
    pub(in super::super) fn cmd_echo(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        s.reply().bulk(args.at(1));
    }

    pub(in super::super) fn cmd_quit(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        s.reply().ok();
        s.close(CloseWhen::Drained);
    }

    pub(in super::super) fn cmd_select(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        let Some(db) = parse_i64(args.at(1)) else { return s.reply().error(super::NOT_AN_INTEGER) };
        if i32::try_from(db).is_err() {
            return s.reply().error("ERR value is out of range, value must between -2147483648 and 2147483647");
        }
        match u32::try_from(db) {
            Ok(db) if db < self.data.databases() => {
                s.db = db;
                s.reply().ok();
            }
            _ => s.reply().error("ERR DB index is out of range"),
        }
    }

    pub(in super::super) fn cmd_reset(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        s.multi = None;
        self.unwatch(s);
        self.clients.unsubscribe_all(s);
        self.monitors.remove(&s.conn);
        s.monitor = false;
        s.proto = Proto::Resp2;
        s.db = 0;
        s.name.clear();
        s.reply = ReplyMode::On;
        s.no_evict = false;
        s.no_touch = false;
        s.user = UserId::DEFAULT;
        s.authenticated = self.clients.users.is_open();
        s.reply().simple("RESET");
    }
}
