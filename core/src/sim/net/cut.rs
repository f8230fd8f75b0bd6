//! How connections end: by a machine, by a reset, without a word.

use core::time::Duration;

use super::conn::{At, Cargo, State};
use crate::machine::{Closed, Input, Machine};
use crate::sim::World;
use crate::sim::agenda::Coming;
use crate::sim::world::Last;

impl<M: Machine> World<M> {
    /// The system closes this end: in good order, or by a reset if the process left bytes unread.
    pub(in crate::sim) fn close_end(&mut self, at: At) {
        let Some(conn) = self.conns.get_mut(at) else { return };
        let peer_there = conn.ends[at.other().side()].state != State::Missing;
        let end = &mut conn.ends[at.side()];
        if end.state != State::Open {
            return;
        }
        end.state = State::Closed;
        let rude = end.pipe.arrived > 0;
        end.pipe.discard();
        let silent = end.broken.is_some();
        self.tell_lost(at);
        if peer_there && !silent {
            self.send(at, if rude { Cargo::Reset } else { Cargo::Fin });
        }
        self.conns.sweep(at);
    }

    /// This end is gone without a word: its computer lost power.
    pub(in crate::sim) fn vanish(&mut self, at: At) {
        let Some(end) = self.conns.end_mut(at) else { return };
        end.state = State::Dead;
        end.pipe.discard();
        self.tell_lost(at);
        self.silence(at.other());
        self.conns.sweep(at);
    }

    /// This end hears nothing any more; keep-alive probes may find that out.
    pub(in crate::sim) fn silence(&mut self, at: At) {
        if let Some(end) = self.conns.end(at)
            && end.state == State::Open
            && end.keepalive_s > 0
        {
            let patience = Duration::from_secs(2 * u64::from(end.keepalive_s));
            self.agenda.push(self.now + patience, Coming::Keepalive(at));
        }
    }

    /// Probes of this end were sent.
    pub(in crate::sim) fn keepalive(&mut self, at: At) {
        let Some(conn) = self.conns.get(at) else { return };
        let peer = &conn.ends[at.other().side()];
        let answered = self.hosts.get(peer.host as usize).is_some_and(|x| x.powered) && !conn.hole;
        if conn.hole || peer.state != State::Open {
            self.break_end(at, if answered { Closed::Reset } else { Closed::TimedOut });
        }
    }

    /// A reset arrives: what was read from the wire before may be lost with it.
    pub(in crate::sim) fn reset_end(&mut self, at: At) {
        let forgets = self.choices.chance(500);
        if let Some(end) = self.conns.end_mut(at) {
            end.pipe.segments.clear();
            if forgets {
                let lost = core::mem::take(&mut end.pipe.arrived);
                end.pipe.head += lost;
            }
        }
        self.break_end(at, Closed::Reset);
    }

    /// This end is broken; its machine hears so once it comes to it.
    pub(in crate::sim) fn break_end(&mut self, at: At, reason: Closed) {
        let Some(end) = self.conns.end_mut(at) else { return };
        if end.state != State::Open {
            return;
        }
        end.broken.get_or_insert(reason);
        if !end.told && at.side() == super::conn::OPENER {
            return self.give_up_connect(at, reason);
        }
        self.queue_news(at);
    }

    /// Tells the machine that a connection is gone, and maybe something late about it.
    pub(in crate::sim) fn lost(&mut self, h: u32, at: At, reason: Closed) {
        let Some(end) = self.conns.end_mut(at) else { return };
        let conn = end.id;
        end.broken = Some(reason);
        end.state = State::Closed;
        if let Some(host) = self.hosts.get_mut(h as usize) {
            host.conns.remove(&conn);
        }
        self.tell_lost(at);
        self.conns.sweep(at);
        self.feed(h, Input::Closed { conn, reason }, Last::Closed { conn, reason });
        self.say_late(h, conn);
    }

    /// Late inputs for a connection that is closed are to be ignored.
    pub(in crate::sim) fn say_late(&mut self, h: u32, conn: crate::ids::ConnId) {
        if self.choices.chance(self.net.late) {
            let what = self.choices.below(3) as u8;
            self.late = Some((h, conn, what));
        }
    }

    /// A host that was without power answers again: with resets, for it knows no connection.
    pub(in crate::sim) fn power_is_back(&mut self, h: u32) {
        for first in self.conns.all() {
            for at in [first, first.other()] {
                if self.conns.end(at).is_some_and(|e| e.host == h && e.state == State::Dead) {
                    self.release(at);
                }
            }
        }
    }
}
