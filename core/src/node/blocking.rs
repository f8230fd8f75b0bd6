//! Clients that wait for keys: `BLPOP` and its kind. Such a command is kept as it came, and executed again when one of its keys
//! has changed and holds what it waits for. The first to wait is the first to be served.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use super::commands::write_acknowledged;
use super::serve::Executed;
use super::{Cx, Node, Run};
use crate::client::{Blocked, CloseWhen, Connections as _, Dispatch as _, Session, Timer};
use crate::dataset::{Dataset, Wait, WaitFor};
use crate::ids::ConnId;
use crate::resp::{Args, Command};

/// A key with its database.
type Key = (u32, Box<[u8]>);

/// One client that waits.
#[derive(Debug)]
struct Waiter {
    /// Its place among all: it keeps it when it has to wait on.
    turn: u64,
    what: WaitFor,
    keys: Vec<Box<[u8]>>,
    /// What to execute again.
    command: Command,
}

/// Those who wait for one key.
#[derive(Debug, Default)]
struct Queue {
    /// By what they wait for and the order in which they began to.
    clients: BTreeMap<(u8, u64), ConnId>,
    /// It is among the keys that are to be looked at.
    changed: bool,
}

/// All clients that wait for keys.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    by_client: BTreeMap<ConnId, Waiter>,
    by_key: BTreeMap<Key, Queue>,
    /// Keys that changed, in their order, not yet looked at.
    changed: VecDeque<Key>,
    turns: u64,
}

/// The kinds of waiting, each a queue of its own: what serves one is no use to another.
const KINDS: [WaitFor; 4] = [WaitFor::List, WaitFor::Zset, WaitFor::Stream, WaitFor::Group];

impl Waiters {
    /// Keys that clients wait for, and of these those whose clients want to know too when they are gone.
    pub(super) fn keys(&self) -> (usize, usize) {
        let gone = |q: &&Queue| q.clients.keys().any(|(kind, _)| *kind == WaitFor::Group as u8);
        (self.by_key.len(), self.by_key.values().filter(gone).count())
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.by_client.is_empty()
    }

    /// A key has changed: those who wait for it are looked at when the command is over.
    pub(super) fn touched(&mut self, key: &Key) {
        if let Some(queue) = self.by_key.get_mut(key)
            && !core::mem::replace(&mut queue.changed, true)
        {
            self.changed.push_back(key.clone());
        }
    }

    /// Whole databases have changed.
    pub(super) fn touched_all(&mut self, dbs: impl Fn(u32) -> bool) {
        let Self { by_key, changed, .. } = self;
        for (key, queue) in by_key.iter_mut().filter(|((db, _), _)| dbs(*db)) {
            if !core::mem::replace(&mut queue.changed, true) {
                changed.push_back(key.clone());
            }
        }
    }

    /// The next key to look at.
    fn next_changed(&mut self) -> Option<Key> {
        let key = self.changed.pop_front()?;
        if let Some(queue) = self.by_key.get_mut(&key) {
            queue.changed = false;
        }
        Some(key)
    }

    fn add(&mut self, conn: ConnId, db: u32, waiter: Waiter) {
        for key in &waiter.keys {
            let queue = self.by_key.entry((db, key.clone())).or_default();
            queue.clients.insert((waiter.what as u8, waiter.turn), conn);
        }
        self.by_client.insert(conn, waiter);
    }

    fn remove(&mut self, conn: ConnId, db: u32) -> Option<Waiter> {
        let waiter = self.by_client.remove(&conn)?;
        for key in &waiter.keys {
            let key = (db, key.clone());
            if let Some(queue) = self.by_key.get_mut(&key) {
                queue.clients.remove(&(waiter.what as u8, waiter.turn));
                if queue.clients.is_empty() {
                    self.by_key.remove(&key);
                }
            }
        }
        Some(waiter)
    }

    /// The first who waits for this of the key, behind a turn.
    fn next(&self, key: &Key, what: WaitFor, behind: u64) -> Option<(u64, ConnId)> {
        let queue = self.by_key.get(key)?;
        let (&(_, turn), &conn) = queue.clients.range((what as u8, behind + 1)..=(what as u8, u64::MAX)).next()?;
        Some((turn, conn))
    }
}

impl<D: Dataset> Node<D> {
    /// Whether anybody wants to know which keys change.
    pub(super) fn is_watched(&self) -> bool {
        !self.watchers.is_empty() || !self.waiters.is_empty()
    }

    /// A client's command found nothing: it waits.
    pub(super) fn begin_waiting(&mut self, s: &mut Session, args: Args<'_>, wait: Wait, cx: &mut Cx<'_>) {
        self.waiters.turns += 1;
        let turn = self.waiters.turns;
        if wait.timeout_ms > 0 {
            let at = cx.now.mono + Duration::from_millis(wait.timeout_ms);
            self.timers.set(Timer::Wait(s.conn).into(), at);
        }
        self.wait_at(s, turn, wait, || Command::from_args(args));
    }

    fn wait_at(&mut self, s: &mut Session, turn: u64, wait: Wait, command: impl FnOnce() -> Command) {
        let command = wait.command.unwrap_or_else(command);
        s.blocked = Some(Blocked::Keys);
        self.clients.waiting.insert(s.conn);
        self.waiters.add(s.conn, s.db, Waiter { turn, what: wait.what, keys: wait.keys, command });
    }

    /// A client does not wait any more.
    pub(super) fn stop_waiting(&mut self, s: &Session) {
        self.waiters.remove(s.conn, s.db);
    }

    /// Serves those who wait for keys that changed. Called behind every command; what the served ones do may serve others.
    pub(super) fn serve_waiters(&mut self, cx: &mut Cx<'_>) {
        while let Some(key) = self.waiters.next_changed() {
            for what in KINDS {
                let mut behind = 0;
                while let Some((turn, conn)) = self.waiters.next(&key, what, behind)
                    && self.data.serves(key.0, &key.1, what)
                {
                    behind = turn;
                    self.try_again(conn, cx);
                }
            }
        }
    }

    fn try_again(&mut self, conn: ConnId, cx: &mut Cx<'_>) {
        let Some(mut s) = self.clients.sessions.take(conn) else { return };
        // Who says no more and is only owed what came before takes nothing with it.
        if s.close == CloseWhen::Never
            && let Some(Waiter { turn, command, .. }) = self.waiters.remove(conn, s.db)
        {
            s.blocked = None;
            let mark = s.outbox.end();
            match self.find_known(command.args()) {
                Ok(found) => {
                    if let Run::Data(number) = found.run
                        && let Executed::Waits(wait) = self.execute(&mut s, number, command.args(), cx)
                    {
                        self.wait_at(&mut s, turn, *wait, || command);
                        return self.clients.sessions.put(s);
                    }
                }
                // Not reached: it was found before, and the table does not change.
                Err(text) => s.reply().error(&text),
            }
            if s.outbox.byte_at(mark) == Some(b'-') {
                self.clients.stats.count_reply_error(&mut s.outbox, mark);
            }
            s.silence(mark);
            self.unblock(&mut s);
            self.clients.stirred.insert(conn);
        }
        self.clients.sessions.put(s);
    }

    /// Answers a client that waits for keys, or for replicas, that its time is up, or with this error.
    pub(super) fn end_wait(&mut self, conn: ConnId, error: Option<&str>, cx: &mut Cx<'_>) {
        let Some(mut s) = self.clients.sessions.take(conn) else { return };
        match s.blocked {
            Some(Blocked::Wait { aof, offset, .. }) => {
                let acked = self.acknowledged(offset, aof);
                s.late(|r| match error {
                    Some(text) => r.error(text),
                    None => write_acknowledged(r, acked, aof),
                });
                self.unblock(&mut s);
            }
            Some(Blocked::Keys) => {
                self.stop_waiting(&s);
                s.late(|r| match error {
                    Some(text) => r.error(text),
                    None => r.null_array(),
                });
                self.unblock(&mut s);
            }
            _ => {}
        }
        self.finish(s, cx);
    }

    /// A change of role ends all waiting, and the connections: what they wait for may never come here.
    pub(super) fn end_waits(&mut self, cx: &mut Cx<'_>) {
        let waiting: BTreeSet<ConnId> = self.clients.waiting.clone();
        for conn in waiting {
            let waits = |s: &&mut Session| matches!(s.blocked, Some(Blocked::Wait { .. } | Blocked::Keys));
            if let Some(s) = self.clients.sessions.get_mut(conn).filter(waits) {
                s.close(CloseWhen::Drained);
                self.end_wait(conn, Some(ROLE_CHANGED), cx);
            }
        }
    }
}

const ROLE_CHANGED: &str =
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";
