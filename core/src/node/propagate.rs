//! From what a command did to what replicas are told: effects to the replication log, in units that apply as one.

use alloc::vec::Vec;

use super::{Cx, Node};
use crate::client::Session;
use crate::dataset::{Dataset, Effect};
use crate::resp::{Args, Command};

impl<D: Dataset> Node<D> {
    /// Takes what the command of `s` did: counts it, tells watchers, and sends it to the log or into the transaction
    /// that runs.
    pub(super) fn propagate(&mut self, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_>) {
        self.count_dirty(cx);
        self.tell_watchers(Some(s));
        if self.effects.is_empty() {
            return;
        }
        // A writable replica's own writes are not part of its master's stream.
        if !self.is_master() {
            self.effects.clear();
            return;
        }
        if let Some(unit) = &mut self.unit {
            for effect in self.effects.take() {
                unit.push(match effect {
                    Effect::Itself => (Some(s.db), Command::from_args(args)),
                    Effect::Command(db, command) => (Some(db), command),
                });
            }
            return;
        }
        if !self.source.is_active() {
            self.effects.clear();
        } else if let [Effect::Itself] = self.effects.list() {
            self.source.append_args(Some(s.db), args);
            self.effects.clear();
        } else {
            let effects = self.effects.take();
            let db = s.db;
            let whole = effects.len() > 1;
            if whole {
                self.source.append_command(None, &Command::new(&["MULTI"]));
            }
            for effect in effects {
                match effect {
                    Effect::Itself => self.source.append_args(Some(db), args),
                    Effect::Command(db, command) => self.source.append_command(Some(db), &command),
                }
            }
            if whole {
                self.source.append_command(None, &Command::new(&["EXEC"]));
            }
        }
        s.last_write = self.source.offset();
    }

    /// The same for work that no client asked for (active expiry): each effect stands alone.
    pub(super) fn propagate_each(&mut self, cx: &mut Cx<'_>) {
        self.publish_events();
        self.count_dirty(cx);
        self.tell_watchers(None);
        for effect in self.effects.take() {
            if let Effect::Command(db, command) = effect
                && self.is_master()
                && self.source.is_active()
            {
                self.source.append_command(Some(db), &command);
            }
        }
    }

    /// A command of the node's own that changed data or is to reach replicas.
    pub(super) fn propagate_own(&mut self, s: &mut Session, db: Option<u32>, args: Args<'_>, cx: &mut Cx<'_>) {
        self.count_dirty(cx);
        if !self.is_master() {
            return;
        }
        if let Some(unit) = &mut self.unit {
            unit.push((db, Command::from_args(args)));
        } else if self.source.is_active() {
            self.source.append_args(db, args);
            s.last_write = self.source.offset();
        }
    }

    /// The end of a transaction: more than one step is wrapped, so that replicas apply all or nothing.
    pub(super) fn propagate_unit(&mut self, s: &mut Session, unit: &[(Option<u32>, Command)]) {
        if !unit.is_empty() && self.source.is_active() {
            self.append_unit(unit);
            s.last_write = self.source.offset();
        }
    }

    /// A transaction that changes the role: what it did so far is history before the role changes.
    pub(super) fn propagate_early(&mut self) {
        if let Some(unit) = self.unit.as_mut().map(core::mem::take)
            && !unit.is_empty()
            && self.source.is_active()
        {
            self.append_unit(&unit);
        }
    }

    fn append_unit(&mut self, unit: &[(Option<u32>, Command)]) {
        let whole = unit.len() > 1;
        if whole {
            self.source.append_command(None, &Command::new(&["MULTI"]));
        }
        for (db, command) in unit {
            self.source.append_command(*db, command);
        }
        if whole {
            self.source.append_command(None, &Command::new(&["EXEC"]));
        }
    }

    /// Begins to collect the steps of a transaction.
    pub(super) fn begin_unit(&mut self) {
        self.unit = Some(Vec::new());
    }

    pub(super) fn count_dirty(&mut self, cx: &mut Cx<'_>) {
        let n = core::mem::take(&mut self.effects.dirty);
        if n > 0 {
            self.changed(n, cx);
        }
    }
}
