//! What machines want is carried out here, and the laws about it are checked.

use super::laws;
use super::net::{At, State};
use super::{HostId, World};
use crate::ids::{ConnId, OpId};
use crate::machine::{Action, Job, Machine, Path};

/// Numbers of kinds of action in the trace.
mod tag {
    pub(super) const CONNECT: u64 = 1;
    pub(super) const CLOSE: u64 = 2;
    pub(super) const INTEREST: u64 = 3;
    pub(super) const OPTIONS: u64 = 4;
    pub(super) const START: u64 = 5;
    pub(super) const CANCEL: u64 = 6;
    pub(super) const UNLISTEN: u64 = 7;
    pub(super) const YIELD: u64 = 8;
    pub(super) const SLEEP: u64 = 9;
    pub(super) const EVENT: u64 = 10;
    pub(super) const EXIT: u64 = 11;
}

impl<M: Machine> World<M> {
    pub(super) fn carry_out(&mut self, h: u32) {
        // No action feeds the machine: what it hears of them, it hears at its place in the turn.
        let actions = core::mem::take(&mut self.actions);
        let mut exit = None;
        for action in actions.iter() {
            if let Action::Exit { code } = action {
                self.trace.mix(tag::EXIT, *code as u64);
                exit = exit.or(Some(*code));
            } else {
                self.carry(h, action);
            }
            if self.violation.is_some() {
                break;
            }
        }
        self.actions = actions;
        if let Some(code) = exit {
            self.exit(h, code);
        }
    }

    fn carry(&mut self, h: u32, action: &Action<M::Event>) {
        match action {
            Action::Interest { conn, read, write } => self.set_interest(h, *conn, *read, *write),
            Action::Event(_) => self.trace.mix(tag::EVENT, 0),
            Action::Yield => {
                self.trace.mix(tag::YIELD, 0);
                if let Some(host) = self.host_mut(h) {
                    host.resume = true;
                }
            }
            Action::Connect { conn, to, from, tls, options } => {
                self.trace.mix(tag::CONNECT, conn.as_u64());
                self.stats.checks += 1;
                let fresh = self.host_mut(h).is_some_and(|host| host.used_conns.take(conn.as_u64()));
                if !fresh || !conn.is_opened() {
                    let text = alloc::format!("Connect as {conn:?}: an odd id that was never used was expected");
                    return self.violate(laws::ID, Some(HostId(h)), text);
                }
                self.connect(h, *conn, to, *from, *tls, options.keepalive_s);
            }
            Action::Close { conn } => {
                self.trace.mix(tag::CLOSE, conn.as_u64());
                if let Some(at) = self.known(h, *conn, "Close") {
                    if let Some(host) = self.host_mut(h) {
                        host.conns.remove(conn);
                    }
                    self.close_end(at);
                    self.say_late(h, *conn);
                }
            }
            Action::Options { conn, options } => {
                self.trace.mix(tag::OPTIONS, conn.as_u64());
                if let Some(at) = self.known(h, *conn, "Options")
                    && let Some(end) = self.conns.end_mut(at)
                {
                    end.keepalive_s = options.keepalive_s;
                }
            }
            Action::Start { op, job } => self.start_job(h, *op, job),
            Action::Cancel { op } => {
                self.trace.mix(tag::CANCEL, op.as_u64());
                self.cancel_job(h, *op);
            }
            Action::Unlisten { op } => {
                self.trace.mix(tag::UNLISTEN, op.as_u64());
                self.unlisten(h, *op);
            }
            Action::Sleep(time) => {
                self.trace.mix(tag::SLEEP, time.as_micros() as u64);
                self.sleep(h, *time);
            }
            Action::Exit { .. } => {}
        }
    }

    /// The connection of an action; a broken law if there is none.
    #[inline]
    fn known(&mut self, h: u32, conn: ConnId, what: &str) -> Option<At> {
        self.stats.checks += 1;
        let at = self.host(h).and_then(|host| host.conns.get(&conn).copied());
        if at.is_none() {
            let used = self.host(h).is_some_and(|host| host.used_conns.contains(conn.as_u64()));
            let why = if used { "closed" } else { "unknown" };
            self.violate(laws::CLOSED, Some(HostId(h)), alloc::format!("{what} names {conn:?}, which is {why}"));
        }
        at
    }

    fn set_interest(&mut self, h: u32, conn: ConnId, read: bool, write: bool) {
        self.trace.mix(tag::INTEREST | u64::from(read) << 8 | u64::from(write) << 9, conn.as_u64());
        let Some(at) = self.known(h, conn, "Interest") else { return };
        let Some(end) = self.conns.end_mut(at).filter(|e| e.state == State::Open) else { return };
        if (end.read, end.write) == (read, write) {
            let text =
                alloc::format!("Interest in {conn:?} is read: {read}, write: {write} already: it says what changes");
            return self.violate(laws::INTEREST, Some(HostId(h)), text);
        }
        let more_read = read && !end.read;
        (end.read, end.write) = (read, write);
        if more_read {
            self.queue_news(at);
        }
        if write {
            self.queue_write(at);
        }
    }

    fn start_job(&mut self, h: u32, op: OpId, job: &Job) {
        self.trace.mix(tag::START, op.as_u64());
        self.hash_job(job);
        self.stats.checks += 1;
        if !self.host_mut(h).is_some_and(|host| host.used_ops.take(op.as_u64())) {
            let text = alloc::format!("Start names {op:?}, which was used before");
            return self.violate(laws::ID, Some(HostId(h)), text);
        }
        self.run_job(h, op, job.clone());
    }

    fn hash_job(&mut self, job: &Job) {
        let mut path = |p: &Path| self.trace.bytes(p.as_bytes());
        match job {
            Job::Append { file, at, bytes, sync } => {
                path(file);
                bytes.iter().for_each(|b| self.trace.bytes(b));
                self.trace.mix(*at, u64::from(*sync));
            }
            Job::Replace { file, bytes } => {
                path(file);
                self.trace.bytes(bytes);
            }
            Job::Commit { file, to } => {
                path(file);
                path(to);
            }
            Job::Read { file, .. } | Job::Remove { file } | Job::Stat { file } => path(file),
            Job::FindProgram { program } => path(program),
            Job::Resolve { host } => self.trace.bytes(host.as_bytes()),
            _ => {}
        }
    }
}
