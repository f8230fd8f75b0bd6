//! Programs of the user that are told of warnings and of new addresses: a queue, so many at a time, tried again.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::event::{Event, What};
use super::instance::{Address, GroupId};
use super::{Cx, Key, Sentinel};
use crate::ids::OpId;
use crate::machine::{Action, Job, LogLine, Outcome};
use crate::time::Instant;

/// Scripts that wait or run; further ones push out the oldest that waits.
pub const MAX_QUEUE: usize = 256;
/// Scripts that run at a time.
pub const MAX_RUNNING: usize = 16;
/// How often one is tried.
pub const MAX_TRIES: u32 = 10;

/// Who reconfigures: the first argument behind the master's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reconfigured {
    /// We led the failover.
    Leader,
    /// Another did.
    Observer,
}

/// One script that waits or runs.
#[derive(Debug)]
pub struct ScriptJob {
    /// The program and its arguments.
    pub argv: Vec<Box<str>>,
    /// How often it was tried.
    pub tries: u32,
    /// When it may run; when it began to, if it runs.
    pub at: Instant,
    /// The process, once it runs.
    pub pid: Option<u32>,
    /// Set while it runs.
    pub op: Option<OpId>,
}

/// All scripts, in the order that they were wanted.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    pub(super) queue: VecDeque<ScriptJob>,
}

impl Scripts {
    pub(super) fn running(&self) -> usize {
        self.queue.iter().filter(|s| s.op.is_some()).count()
    }
}

impl Sentinel {
    /// Tells the notification script of an event, if it is a warning and there is a script.
    pub(super) fn notify_script(&mut self, group: Option<GroupId>, event: &Event, cx: &mut Cx<'_>) {
        if event.level() < crate::machine::Level::Warning {
            return;
        }
        let Some(path) = group.and_then(|id| self.groups.get(&id)).map(|g| g.set.notification_script.clone()) else {
            return;
        };
        let Some(name) = event.what.name().filter(|_| !path.is_empty()) else { return };
        self.schedule(alloc::vec![path.into(), name.into(), event.payload().into()], cx);
    }

    /// Tells the client reconfiguration script of a new address.
    pub(super) fn client_script(
        &mut self,
        id: GroupId,
        role: Reconfigured,
        from: &Address,
        to: &Address,
        cx: &mut Cx<'_>,
    ) {
        let Some(group) = self.groups.get(&id).filter(|g| !g.set.client_reconfig_script.is_empty()) else { return };
        let names = self.config.global.announce_hostnames;
        let role = if role == Reconfigured::Leader { "leader" } else { "observer" };
        let argv = alloc::vec![
            group.set.client_reconfig_script.as_str().into(),
            group.name().into(),
            role.into(),
            "start".into(),
            from.shown(names),
            from.port.to_string().into(),
            to.shown(names),
            to.port.to_string().into(),
        ];
        self.schedule(argv, cx);
    }

    fn schedule(&mut self, argv: Vec<Box<str>>, cx: &mut Cx<'_>) {
        let queue = &mut self.scripts.queue;
        if queue.len() >= MAX_QUEUE {
            // The oldest that waits gives way; those that run do not.
            match queue.iter().position(|s| s.op.is_none()) {
                Some(oldest) => drop(queue.remove(oldest)),
                None => return,
            }
        }
        queue.push_back(ScriptJob { argv, tries: 0, at: cx.now.mono, pid: None, op: None });
        self.run_scripts(cx);
    }

    /// Starts what is due, as long as there is room.
    pub(super) fn run_scripts(&mut self, cx: &mut Cx<'_>) {
        let (now, timeout) = (cx.now.mono, self.timing.script_max_runtime);
        let mut room = MAX_RUNNING.saturating_sub(self.scripts.running());
        for script in &mut self.scripts.queue {
            if room == 0 {
                break;
            }
            if script.op.is_some() || script.at > now {
                continue;
            }
            room -= 1;
            let op = self.ids.op();
            script.op = Some(op);
            script.at = now;
            script.tries += 1;
            let program = alloc::sync::Arc::from(script.argv.first().map_or("", |p| &**p));
            let args: Vec<String> = script.argv.iter().skip(1).map(|a| String::from(&**a)).collect();
            cx.out.push(Action::Start { op, job: Job::Script { program, args, timeout } });
        }
        let next = self.scripts.queue.iter().filter(|s| s.op.is_none()).map(|s| s.at).min();
        match next.filter(|_| room > 0) {
            Some(at) => self.timers.set(Key::Scripts, at.max(now + Duration::from_micros(1))),
            None => self.timers.clear(Key::Scripts),
        }
    }

    /// A script's process runs.
    pub(super) fn script_began(&mut self, op: OpId, pid: u32, cx: &mut Cx<'_>) {
        if let Some(script) = self.scripts.queue.iter_mut().find(|s| s.op == Some(op)) {
            script.pid = Some(pid);
            self.tell_alone(What::ScriptChild { pid }, cx);
        }
    }

    /// A script ended; anything else is handed back.
    pub(super) fn script_done(&mut self, op: OpId, result: Outcome, cx: &mut Cx<'_>) -> Option<Outcome> {
        let Some(place) = self.scripts.queue.iter().position(|s| s.op == Some(op)) else { return Some(result) };
        let (code, signal) = match result {
            Outcome::Exited { code, signal } => (code.unwrap_or(0), signal.unwrap_or(0)),
            // It could not even be started: as a program that ends with 2, which is not tried again.
            _ => (2, 0),
        };
        let now = cx.now.mono;
        let delay = self.timing.script_retry_delay;
        let script = self.scripts.queue.get_mut(place)?;
        let (pid, path) = (script.pid.unwrap_or(0), script.argv.first().cloned().unwrap_or_default());
        let late = signal != 0 && now.since(script.at) >= self.timing.script_max_runtime;
        let again = (signal != 0 || code == 1) && script.tries < MAX_TRIES;
        if again {
            script.op = None;
            script.pid = None;
            script.at = now + delay * 2_u32.saturating_pow(script.tries.saturating_sub(1));
        } else {
            self.scripts.queue.remove(place);
        }
        self.tell_alone(What::ScriptEnded { pid, code, signal }, cx);
        if late {
            self.tell_alone(What::ScriptTimeout { path: path.clone(), pid }, cx);
        }
        if !again && (signal != 0 || code != 0) {
            self.tell_alone(What::ScriptError { path, signal, code }, cx);
        }
        self.run_scripts(cx);
        None
    }
}
