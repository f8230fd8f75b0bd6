//! Replication ids over changes of role, and the stream that comes from upstream.

use crate::machine::Turn;
use crate::replication::{Log, ReplId};

use super::event::{Dropped, Event};
use super::{Emit, Key, Role, Source, Timer};

impl Source {
    /// The node's role changed, or its link came or went.
    pub fn set_role<K: Key, E: Emit>(&mut self, role: Role, cx: &mut Turn<'_, K, E>) {
        self.role = role;
        cx.timers.clear(Timer::Ping.into());
        cx.timers.clear(Timer::BacklogTtl.into());
        self.arm_ping(cx);
        self.arm_backlog_ttl(cx);
    }

    /// The role it was told.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Keeps the log from now on, before any replica came, under the id as it is: for a node that follows a master,
    /// and for one that was restarted.
    pub fn keep_log(&mut self) {
        self.active = true;
    }

    /// After a restart from a snapshot of history `id` up to `offset`: a master takes a new id `new` and answers for
    /// the former one up to that offset.
    pub fn restored<K: Key, E: Emit>(&mut self, id: ReplId, offset: u64, new: ReplId, cx: &mut Turn<'_, K, E>) {
        self.drop_replicas(Dropped::NewData, cx);
        self.void_snapshot();
        self.begin_log(offset);
        self.id = new;
        self.id2 = Some((id, offset + 1));
        self.active = true;
        self.selected = None;
        self.arm_backlog_ttl(cx);
    }

    /// `REPLICAOF NO ONE`: what was not executed of the former master's stream is cut, the history goes on under
    /// `new`, and replicas are let go to learn it (they go on where they were).
    pub fn promote<K: Key, E: Emit>(&mut self, new: ReplId, cx: &mut Turn<'_, K, E>) {
        self.log.cut();
        self.shift_id(new, cx);
        self.selected = None;
        self.drop_replicas(Dropped::NewId, cx);
        self.set_role(Role::Master, cx);
    }

    /// Our master goes on under `new` (`+CONTINUE <new>`): so do we, and replicas are let go to learn it.
    pub fn follow_id<K: Key, E: Emit>(&mut self, new: ReplId, cx: &mut Turn<'_, K, E>) {
        if new == self.id {
            return;
        }
        self.shift_id(new, cx);
        self.drop_replicas(Dropped::NewId, cx);
    }

    fn shift_id<K: Key, E: Emit>(&mut self, new: ReplId, cx: &mut Turn<'_, K, E>) {
        let (old, valid_to) = (self.id, self.log.visible() + 1);
        self.id2 = Some((old, valid_to));
        self.id = new;
        cx.out.event(crate::replication::Event::from(Event::IdShifted { old, valid_to, new }));
    }

    /// The data are now those of history `id` at `offset` (a full resync was loaded): the log begins anew, and
    /// replicas, whose data are others, are let go.
    pub fn restart_at<K: Key, E: Emit>(&mut self, id: ReplId, offset: u64, cx: &mut Turn<'_, K, E>) {
        self.drop_replicas(Dropped::NewData, cx);
        self.void_snapshot();
        self.id = id;
        self.id2 = None;
        self.begin_log(offset);
        self.active = true;
        self.selected = None;
    }

    /// The log begins anew at `offset`, over other data.
    pub(super) fn begin_log(&mut self, offset: u64) {
        self.log = Log::starting_at(offset);
        self.settled = offset;
        self.marks.clear();
        self.generation += 1;
    }

    /// The data are no longer those of the history (`DEBUG CHANGE-REPL-ID`): `new` names what comes.
    pub fn change_id<K: Key, E: Emit>(&mut self, new: ReplId, cx: &mut Turn<'_, K, E>) {
        self.id = new;
        self.id2 = None;
        cx.out.event(crate::replication::Event::from(Event::IdChanged { new }));
    }

    /// Appends bytes of our master's stream as they came; replicas see them after [`Source::show`].
    #[inline]
    pub fn upstream(&mut self, bytes: &[u8]) {
        self.log.append_upstream(bytes);
    }

    /// Everything up to `offset` was executed: replicas may see it.
    #[inline]
    pub fn show(&mut self, offset: u64) {
        self.log.show(offset);
    }

    /// Our master's link is lost: what was not executed comes again.
    pub fn cut_upstream(&mut self) {
        self.log.cut();
    }
}
