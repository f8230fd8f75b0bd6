//! What a world writes into a [`Story`] while it goes on, if it was asked to.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::net::At;
use super::story::{BandKind, LaneId, LaneKind, Mark, MarkKind, Story};
use super::world::Last;
use super::{Came, Fault, HostId, Violation, World};
use crate::machine::{Action, Level, LogLine, Machine};

/// A story under way.
pub(super) struct Telling<E> {
    pub(super) story: Story,
    /// One for each host, in their order.
    lanes: Vec<LaneId>,
    kind: Box<dyn Fn(HostId) -> LaneKind>,
    line: fn(&E) -> (Level, String),
}

impl<E> Telling<E> {
    fn lane(&self, h: u32) -> Option<LaneId> {
        self.lanes.get(h as usize).copied()
    }

    fn mark(&mut self, mark: Mark, h: Option<u32>) {
        let mark = match h.and_then(|h| self.lane(h)) {
            Some(lane) => mark.on(lane),
            None => mark,
        };
        self.story.mark(mark);
    }
}

impl<M: Machine> World<M> {
    /// From now on what happens is told to `story`: a lane for each host (`kind` says what it is), what is sent and what
    /// becomes of it, faults, log lines, violations, and when a process is down or paused. Roles, links and notes are for
    /// whoever knows the machines: [`World::story_mut`].
    pub fn tell(&mut self, story: Story, kind: impl Fn(HostId) -> LaneKind + 'static)
    where
        M::Event: LogLine,
    {
        let line = |event: &M::Event| (event.level(), event.to_string());
        self.telling = Some(Telling { story, lanes: Vec::new(), kind: Box::new(kind), line });
        for h in 0..self.hosts.len() as u32 {
            self.tell_host(h);
        }
    }

    /// The story so far, which is told no further.
    pub fn story(&mut self) -> Option<Story> {
        let mut story = self.telling.take()?.story;
        story.finish(self.now);
        Some(story)
    }

    /// The story under way, to add to.
    pub fn story_mut(&mut self) -> Option<&mut Story> {
        self.telling.as_mut().map(|t| &mut t.story)
    }

    /// The lane of a host in the story under way.
    pub fn lane(&self, h: HostId) -> Option<LaneId> {
        self.telling.as_ref().and_then(|t| t.lane(h.0))
    }

    /// There is another host.
    pub(super) fn tell_host(&mut self, h: u32) {
        let Some(t) = &mut self.telling else { return };
        let Some(host) = self.hosts.get(h as usize) else { return };
        let lane = t.story.lane(host.name.clone(), (t.kind)(HostId(h)));
        t.lanes.push(lane);
        if host.machine.is_none() {
            t.story.band(lane, BandKind::Process, "down", self.now);
        }
    }

    /// What a process is from now on; `None`: it runs.
    pub(super) fn tell_process(&mut self, h: u32, what: Option<&str>) {
        let now = self.now;
        if let Some(t) = &mut self.telling
            && let Some(lane) = t.lane(h)
        {
            match what {
                Some(what) => t.story.band(lane, BandKind::Process, what, now),
                None => t.story.end_band(lane, BandKind::Process, now),
            }
        }
    }

    /// The last `len` bytes of the pipe to the other end were sent from this one.
    pub(super) fn tell_sent(&mut self, at: At, len: usize) {
        let now = self.now;
        let Some(t) = &mut self.telling else { return };
        let Some(conn) = self.conns.get_mut(at) else { return };
        let from = t.lane(conn.ends[at.side()].host);
        let end = &mut conn.ends[at.other().side()];
        let bytes = &end.pipe.buf[end.pipe.buf.len().saturating_sub(len)..];
        if let (Some(from), Some(to)) = (from, t.lane(end.host)) {
            let message = t.story.sent(from, to, at.serial(), now, bytes);
            end.pipe.told.push_back((message, len));
        }
    }

    /// The machine of this end took the next `n` bytes.
    pub(super) fn tell_read(&mut self, at: At, mut n: usize) {
        let now = self.now;
        let Some(t) = &mut self.telling else { return };
        let Some(end) = self.conns.end_mut(at) else { return };
        while let Some((message, left)) = end.pipe.told.front_mut().filter(|_| n > 0) {
            let part = n.min(*left);
            n -= part;
            *left -= part;
            if *left == 0 {
                t.story.arrived(*message, now);
                end.pipe.told.pop_front();
            }
        }
    }

    /// Nobody will read what is on its way to this end.
    pub(super) fn tell_lost(&mut self, at: At) {
        let now = self.now;
        let Some(t) = &mut self.telling else { return };
        let Some(end) = self.conns.end_mut(at) else { return };
        end.pipe.told.drain(..).for_each(|(message, _)| t.story.lost(message, now));
    }

    pub(super) fn tell_fault(&mut self, fault: &Fault) {
        let now = self.now;
        let Some(t) = &mut self.telling else { return };
        let mut mark = Mark::new(now, MarkKind::Fault, fault.to_string());
        if let Some(other) = fault.other().and_then(|h| t.lane(h.0)) {
            mark = mark.and(other);
        }
        if let Some(lasts) = fault.lasts() {
            mark = mark.until(now + lasts);
        }
        t.mark(mark, fault.host().map(|h| h.0));
    }

    pub(super) fn tell_violation(&mut self, violation: &Violation) {
        if let Some(t) = &mut self.telling {
            let text = alloc::format!("{}: {}", violation.name, violation.text);
            t.mark(Mark::new(violation.at, MarkKind::Violation, text), violation.host.map(|h| h.0));
        }
    }

    /// The log lines of the last input, and what it was itself if no arrow shows it.
    pub(super) fn tell_input(&mut self, h: u32) {
        let now = self.now;
        let Some(t) = &mut self.telling else { return };
        let text: Option<String> = match &self.last {
            Last::Call => Some("a call of its host".into()),
            Last::Shutdown { signal } => Some(alloc::format!("asked to end by {signal:?}")),
            Last::Done { op, came: Came::Failed(kind) } => Some(alloc::format!("{op:?} failed: {kind:?}")),
            Last::Closed { conn, reason } => Some(alloc::format!("{conn:?} ended: {reason}")),
            _ => None,
        };
        if let Some(text) = text {
            t.mark(Mark::new(now, MarkKind::Input, text), Some(h));
        }
        for action in self.actions.iter() {
            if let Action::Event(event) = action {
                let (level, text) = (t.line)(event);
                t.mark(Mark::new(now, MarkKind::Log, text).level(level), Some(h));
            }
        }
    }
}
