//! How bytes move: out of a machine, over the way, and their acknowledgement back.

use super::conn::{At, Cargo, Segment, State};
use crate::ids::ConnId;
use crate::machine::{Input, Machine};
use crate::sim::agenda::Coming;
use crate::sim::world::Last;
use crate::sim::{HostId, World, laws};
use crate::time::Instant;

/// What one connection may send per turn, bytes.
const WRITE_MAX: usize = 1 << 20;
/// One transmit in so many is made twice, to see that the first moved nothing.
const TWICE: u64 = 8;

impl<M: Machine> World<M> {
    /// One write of a connection, as far as there is room; whether the machine heard of it.
    pub(in crate::sim) fn write(&mut self, h: u32, at: At) -> bool {
        let Some(conn) = self.conns.get_mut(at) else { return false };
        let room = self.net.window.max(1).saturating_sub(conn.ends[at.other().side()].pipe.unacked);
        let end = &mut conn.ends[at.side()];
        end.in_writes = false;
        if end.state != State::Open || !end.write || end.broken.is_some() || room == 0 || end.host != h {
            return false; // An acknowledgement brings it back.
        }
        let id = end.id;
        let mut budget = room.min(WRITE_MAX);
        let chop = self.choices.chance(self.net.chop);
        if chop {
            budget = budget.min(1 + self.choices.below(budget as u64) as usize);
        }
        let total = self.show(h, at, id, budget);
        if total == 0 {
            return false; // A broken law.
        }
        let len = if chop && total > 1 { total - self.choices.below(total as u64) as usize } else { total };
        self.move_bytes(at, len);
        self.feed(h, Input::Sent { conn: id, len }, Last::Sent { conn: id, len });
        self.queue_write(at);
        true
    }

    /// Asks the machine for bytes, under the laws; 0 if one is broken.
    fn show(&mut self, h: u32, at: At, id: ConnId, budget: usize) -> usize {
        self.chunks.clear();
        let Some(machine) = self.hosts.get_mut(h as usize).and_then(|x| x.machine.as_mut()) else { return 0 };
        machine.transmit(id, budget, &mut self.chunks);
        let total = self.chunks.bytes();
        self.stats.checks += 1;
        if total == 0 || total > budget {
            let text = alloc::format!("{id:?} wants to write, and of {budget} bytes it shows {total}");
            self.violate(laws::TRANSMIT, Some(HostId(h)), text);
            return 0;
        }
        if self.stats.checks.is_multiple_of(TWICE) {
            let mut again = core::mem::take(&mut self.spare_chunks);
            if let Some(machine) = self.hosts.get_mut(h as usize).and_then(|x| x.machine.as_mut()) {
                machine.transmit(id, budget, &mut again);
            }
            let same = self.chunks.iter().flat_map(|c| c.iter()).eq(again.iter().flat_map(|c| c.iter()));
            again.clear();
            self.spare_chunks = again;
            if !same {
                let text = alloc::format!("{id:?} shows other bytes when it is asked twice: transmit moves nothing");
                self.violate(laws::CURSOR, Some(HostId(h)), text);
                return 0;
            }
        }
        let goes_on = self.conns.end(at).is_none_or(|end| {
            let shown = self.chunks.iter().flat_map(|c| c.iter());
            end.shown.iter().zip(shown).all(|(old, new)| old == new)
        });
        if !goes_on {
            let text = alloc::format!("{id:?} does not go on where Sent left it: the cursor moves by what was sent");
            self.violate(laws::CURSOR, Some(HostId(h)), text);
            return 0;
        }
        total
    }

    /// Puts the first `len` bytes that were shown on their way, and remembers the others.
    fn move_bytes(&mut self, at: At, len: usize) {
        let Some(conn) = self.conns.get_mut(at) else { return };
        let to = at.other().side();
        let pipe = &mut conn.ends[to].pipe;
        let mut left = len;
        for chunk in self.chunks.iter() {
            let n = left.min(chunk.len());
            pipe.buf.extend_from_slice(&chunk[..n]);
            left -= n;
        }
        pipe.unacked += len;
        let total = self.chunks.bytes();
        let shown = &mut conn.ends[at.side()].shown;
        shown.clear();
        if len < total {
            let rest = self.chunks.iter().flat_map(|c| c.iter()).skip(len);
            shown.extend(rest.copied());
        }
        self.chunks.clear(); // The handles are given back before the machine hears that their bytes are gone.
        self.tell_sent(at, len);
        self.send(at, Cargo::Bytes(len));
    }

    /// Puts something on its way from this end to the other.
    pub(in crate::sim) fn send(&mut self, at: At, cargo: Cargo) {
        let Some(conn) = self.conns.get_mut(at) else { return };
        let way = (conn.ends[at.side()].host, conn.ends[at.other().side()].host);
        let len = if let Cargo::Bytes(n) = cargo { n } else { 0 };
        let arrives = self.links.arrival(way, len, self.now, &self.net, &mut self.choices);
        let pipe = &mut conn.ends[at.other().side()].pipe;
        let arrives = arrives.max(pipe.last_at);
        pipe.last_at = arrives;
        pipe.segments.push_back(Segment { at: arrives, cargo });
        if !pipe.scheduled && pipe.held.is_none() {
            pipe.scheduled = true;
            self.agenda.push(arrives, Coming::Arrive(at.other()));
        }
    }

    /// What is on its way to this end is there, if nothing is between.
    pub(in crate::sim) fn arrive(&mut self, at: At) {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(at) else { return };
        let from = conn.ends[at.other().side()].host;
        let hole = conn.hole;
        let end = &mut conn.ends[at.side()];
        end.pipe.scheduled = false;
        let cut = hole || self.links.is_cut(from, end.host, now);
        let off = end.state == State::Dead && !self.hosts.get(end.host as usize).is_some_and(|x| x.powered);
        if cut || off || self.links.is_held(from, end.host, now) {
            return self.hold(at, cut);
        }
        let mut bytes = 0;
        while let Some(segment) = end.pipe.segments.front().filter(|s| s.at <= now).copied() {
            end.pipe.segments.pop_front();
            match segment.cargo {
                Cargo::Bytes(n) => bytes += n,
                Cargo::Fin => end.pipe.fin = true,
                Cargo::Reset => {
                    return self.reset_end(at);
                }
            }
        }
        let next = end.pipe.segments.front().map(|s| s.at);
        end.pipe.scheduled = next.is_some();
        let gone = end.state != State::Open;
        if !gone {
            end.pipe.arrived += bytes;
        }
        if let Some(next) = next {
            self.agenda.push(next, Coming::Arrive(at));
        }
        if gone {
            if bytes > 0 {
                self.tell_lost(at);
                self.send(at, Cargo::Reset); // Nobody is there for these bytes any more.
            }
        } else {
            self.queue_news(at);
        }
    }

    /// What was to arrive waits for an outage to end. A reset is not sent twice.
    fn hold(&mut self, at: At, cut: bool) {
        let give_up = self.now + self.net.give_up;
        let Some(end) = self.conns.end_mut(at) else { return };
        if cut {
            end.pipe.segments.retain(|s| s.cargo != Cargo::Reset);
        }
        if !end.pipe.segments.is_empty() && end.pipe.held.is_none() {
            end.pipe.held = Some(self.now);
            self.agenda.push(give_up, Coming::GiveUp(at));
        }
    }

    /// An outage on the way to this end is over: what was lost is sent again.
    pub(in crate::sim) fn release(&mut self, at: At) {
        let (lo, hi) = self.net.retransmit_us;
        let again = self.now + core::time::Duration::from_micros(self.choices.between(lo, hi));
        let Some(conn) = self.conns.get_mut(at) else { return };
        if conn.hole {
            return;
        }
        let pipe = &mut conn.ends[at.side()].pipe;
        if pipe.held.take().is_some() {
            for segment in &mut pipe.segments {
                segment.at = segment.at.max(again);
            }
            pipe.last_at = pipe.last_at.max(again);
            pipe.scheduled = true;
            self.agenda.push(again, Coming::Arrive(at));
        }
        self.acknowledge(at, 0);
    }

    /// A way that was slow is not slow any more, for what is on it too.
    pub(in crate::sim) fn hurry(&mut self, at: At) {
        let latest = self.now + core::time::Duration::from_micros(self.net.retransmit_us.1);
        let Some(end) = self.conns.end_mut(at) else { return };
        let pipe = &mut end.pipe;
        if pipe.last_at > latest && pipe.held.is_none() {
            pipe.segments.iter_mut().for_each(|s| s.at = s.at.min(latest));
            pipe.last_at = latest;
            // The one that is planned for later finds nothing left to do.
            self.agenda.push(latest, Coming::Arrive(at));
        }
    }

    /// The machine of this end took `n` bytes: room for its peer, if the acknowledgement passes.
    pub(in crate::sim) fn acknowledge(&mut self, at: At, n: usize) {
        let (now, window) = (self.now, self.net.window.max(1));
        let Some(conn) = self.conns.get_mut(at) else { return };
        let sender = at.other();
        let way = (conn.ends[at.side()].host, conn.ends[sender.side()].host);
        let pipe = &mut conn.ends[at.side()].pipe;
        pipe.owed += n;
        if conn.hole || self.links.is_cut(way.0, way.1, now) {
            return;
        }
        let full = pipe.unacked >= window;
        pipe.unacked = pipe.unacked.saturating_sub(core::mem::take(&mut pipe.owed));
        if full && pipe.unacked < window {
            let arrives = self.way(way.0, way.1);
            self.agenda.push(arrives, Coming::Room(sender));
        }
    }

    /// Bytes that nobody acknowledged for too long end the connection for their sender.
    pub(in crate::sim) fn give_up(&mut self, at: At) {
        let patience = self.net.give_up;
        let held: Option<Instant> = self.conns.end(at).and_then(|e| e.pipe.held);
        if held.is_some_and(|since| since + patience <= self.now) {
            self.break_end(at.other(), crate::machine::Closed::TimedOut);
        }
    }
}
