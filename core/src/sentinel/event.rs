//! What happens in a sentinel: typed, with the channel, the payload and the log line that Redis's own have.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use super::info::Role;
use crate::client;
use crate::config::LogLevel;
use crate::ids::RunId;
use crate::kind::kind_of;
use crate::machine::{Endpoint, Level, LogLine, Signal};

/// Whom an event is about: `<type> <name> <ip> <port>[ @ <master> <ip> <port>]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subject {
    /// `master`, `slave` or `sentinel`.
    pub kind: &'static str,
    /// Its name: a master's own, a replica's `ip:port`, a sentinel's id.
    pub name: Box<str>,
    /// Its address.
    pub host: Box<str>,
    /// Its port.
    pub port: u16,
    /// Its master's name, address and port, for all but a master.
    pub of: Option<(Box<str>, Box<str>, u16)>,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.kind, self.name, self.host, self.port)?;
        match &self.of {
            Some((name, host, port)) => write!(f, " @ {name} {host} {port}"),
            None => Ok(()),
        }
    }
}

/// Why an instance counts as down.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DownReason {
    /// The connection stands, and a PING was not answered for so long.
    Silent,
    /// There is no connection.
    Unreachable,
    /// PING is answered, but not with anything that counts: this.
    Refuses(Box<str>),
    /// A master reports that it is a replica.
    WrongRole,
    /// A master was started anew (`master-reboot-down-after-period`).
    Rebooted,
    /// A person or another program said so (`SENTINEL FAILOVER`).
    Forced,
}

impl DownReason {
    /// In one word, for metrics.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Unreachable => "unreachable",
            Self::Refuses(_) => "refuses",
            Self::WrongRole => "wrong-role",
            Self::Rebooted => "rebooted",
            Self::Forced => "forced",
        }
    }
}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str("no answer to PING"),
            Self::Unreachable => f.write_str("no connection"),
            Self::Refuses(answer) => write!(f, "PING is answered with \"{answer}\""),
            Self::WrongRole => f.write_str("it reports that it is a replica"),
            Self::Rebooted => f.write_str("it was started anew"),
            Self::Forced => f.write_str("a failover was asked for"),
        }
    }
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Whom it is about, if it is about an instance.
    pub subject: Option<Subject>,
    /// What happened.
    pub what: What,
}

macro_rules! plain {
    ($($(#[$doc:meta])* $name:ident $channel:literal $level:ident;)*) => {
        /// Events whose whole payload is their subject.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Plain {
            $($(#[$doc])* $name,)*
        }

        impl Plain {
            const fn channel(self) -> &'static str {
                match self { $(Self::$name => $channel,)* }
            }
            const fn level(self) -> Level {
                match self { $(Self::$name => Level::$level,)* }
            }
        }
    };
}

plain! {
    /// A master is no longer watched.
    Unmonitored "-monitor" Warning;
    /// A master was reset.
    Reset "+reset-master" Warning;
    /// An instance answers again.
    Up "-sdown" Warning;
    /// A master is no longer down for enough sentinels.
    NotODown "-odown" Warning;
    /// A master was started anew.
    Reboot "+reboot" Warning;
    /// A replica was found.
    ReplicaFound "+slave" Notice;
    /// A sentinel was found.
    SentinelFound "+sentinel" Notice;
    /// A sentinel's old address belongs to another now.
    InvalidAddr "+sentinel-invalid-addr" Warning;
    /// A sentinel told a newer configuration.
    ConfigFrom "+config-update-from" Warning;
    /// A failover begins: votes are asked for.
    TryFailover "+try-failover" Warning;
    /// We lead it.
    Elected "+elected-leader" Warning;
    /// A replica is being chosen.
    SelectReplica "+failover-state-select-slave" Warning;
    /// This replica was chosen.
    Selected "+selected-slave" Warning;
    /// It is told to be a master.
    SendPromote "+failover-state-send-slaveof-noone" Notice;
    /// Its answer is awaited.
    WaitPromotion "+failover-state-wait-promotion" Notice;
    /// It is a master.
    Promoted "+promoted-slave" Warning;
    /// The others are told to follow it.
    ReconfReplicas "+failover-state-reconf-slaves" Warning;
    /// A replica was told.
    ReconfSent "+slave-reconf-sent" Notice;
    /// It knows its new master.
    ReconfInProgress "+slave-reconf-inprog" Notice;
    /// It has its data.
    ReconfDone "+slave-reconf-done" Notice;
    /// A replica was told as the failover ended without it.
    ReconfSentAnyhow "+slave-reconf-sent-be" Notice;
    /// A replica was told and did not begin: it is told again.
    ReconfTimeout "-slave-reconf-sent-timeout" Notice;
    /// All was done.
    FailoverEnd "+failover-end" Warning;
    /// Time is over; what was not reached is left.
    FailoverEndTimeout "+failover-end-for-timeout" Warning;
    /// We were not elected.
    AbortNotElected "-failover-abort-not-elected" Warning;
    /// No replica can be promoted.
    AbortNoReplica "-failover-abort-no-good-slave" Warning;
    /// The chosen replica did not become a master in time.
    AbortReplicaTimeout "-failover-abort-slave-timeout" Warning;
    /// A coordinated failover did not come about in time.
    AbortMasterTimeout "-failover-abort-master-timeout" Warning;
    /// A master that came back is told to follow.
    ConvertToReplica "+convert-to-slave" Notice;
    /// A replica that follows another is told to follow the master.
    FixReplica "+fix-slave-config" Notice;
    /// A command connection is made anew because it is silent.
    CommandReconnect "-cmd-link-reconnection" Debug;
    /// A pub/sub connection is made anew because it is silent.
    PubSubReconnect "-pubsub-link-reconnection" Debug;
    /// A BUSY instance is told to end its script.
    ScriptKill "+script-kill-sent" Debug;
}

/// The kinds of [`Event`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum What {
    /// Its subject says all.
    Plain(Plain),
    /// A master is watched.
    Monitor {
        /// With this quorum.
        quorum: u32,
    },
    /// An instance is subjectively down.
    Down(DownReason),
    /// A master is objectively down.
    ODown {
        /// Sentinels that say so.
        have: u32,
        /// How many are needed.
        need: u32,
    },
    /// The current epoch rose.
    NewEpoch(u64),
    /// We gave our vote.
    Vote {
        /// To whom.
        leader: RunId,
        /// In which epoch.
        epoch: u64,
    },
    /// A master has a new address: clients act on this.
    Switch {
        /// The master's name.
        name: Box<str>,
        /// Where it was.
        from: (Box<str>, u16),
        /// Where it is.
        to: (Box<str>, u16),
    },
    /// A server reports another role.
    RoleChange {
        /// Which.
        role: Role,
        /// Whether it is the one that it should have.
        expected: bool,
    },
    /// A sentinel moved.
    AddressSwitch {
        /// Where it is.
        host: Box<str>,
        /// Its port.
        port: u16,
        /// Its id.
        run_id: RunId,
    },
    /// A sentinel moved under other masters too.
    AddressUpdate(u32),
    /// `SENTINEL SET` changed an option; secrets are hidden already.
    Set {
        /// Which, and its value.
        option: Box<str>,
    },
    /// Time was lost: nothing is decided for a while.
    Tilt,
    /// Decisions are made again.
    TiltOver,
    /// A script ran too long and was ended.
    ScriptTimeout {
        /// Its path.
        path: Box<str>,
        /// Its process.
        pid: u32,
    },
    /// A script failed.
    ScriptError {
        /// Its path.
        path: Box<str>,
        /// The signal that ended it, or 0.
        signal: i32,
        /// Its exit code.
        code: i32,
    },
    /// A script was started.
    ScriptChild {
        /// Its process.
        pid: u32,
    },
    /// A script ended.
    ScriptEnded {
        /// Its process.
        pid: u32,
        /// Its exit code.
        code: i32,
        /// The signal that ended it, or 0.
        signal: i32,
    },
    /// A hello of our own id came from elsewhere, or another thing that an operator should know; the words say it.
    Note {
        /// How grave.
        level: Level,
        /// What is to be said.
        text: Box<str>,
    },
    /// Something among its clients.
    Client(client::Event),
    /// A listener stands.
    Listening(Endpoint),
    /// A listener could not be had.
    NotListening {
        /// Where.
        at: Endpoint,
        /// Why, and what to do.
        why: Box<str>,
        /// It was marked optional (`-` in `bind`).
        skipped: bool,
    },
    /// `loglevel` was changed: the host's log is to obey it.
    LogLevel(LogLevel),
    /// The process was asked to end.
    Ending(Signal),
}

impl Event {
    /// The channel that it is published on: its name. `None` for what is logged only.
    pub fn channel(&self) -> Option<&'static str> {
        if self.level() == Level::Debug {
            return None;
        }
        self.what.name()
    }

    /// The payload that subscribers get: the subject and the rest, as Redis has it.
    pub fn payload(&self) -> String {
        match (&self.subject, self.what.rest()) {
            (Some(subject), rest) if rest.is_empty() => alloc::format!("{subject}"),
            (Some(subject), rest) => alloc::format!("{subject} {rest}"),
            (None, rest) => rest,
        }
    }
}

impl What {
    /// The event's name (`+sdown`); `None` for what has none in Redis.
    pub fn name(&self) -> Option<&'static str> {
        Some(match self {
            Self::Plain(p) => p.channel(),
            Self::Monitor { .. } => "+monitor",
            Self::Down(_) => "+sdown",
            Self::ODown { .. } => "+odown",
            Self::NewEpoch(_) => "+new-epoch",
            Self::Vote { .. } => "+vote-for-leader",
            Self::Switch { .. } => "+switch-master",
            Self::RoleChange { expected: true, .. } => "+role-change",
            Self::RoleChange { expected: false, .. } => "-role-change",
            Self::AddressSwitch { .. } => "+sentinel-address-switch",
            Self::AddressUpdate(_) => "+sentinel-address-update",
            Self::Set { .. } => "+set",
            Self::Tilt => "+tilt",
            Self::TiltOver => "-tilt",
            Self::ScriptTimeout { .. } => "-script-timeout",
            Self::ScriptError { .. } => "-script-error",
            Self::ScriptChild { .. } => "+script-child",
            Self::ScriptEnded { .. } => "-script-child",
            Self::Note { .. }
            | Self::Client(_)
            | Self::Listening(_)
            | Self::NotListening { .. }
            | Self::LogLevel(_)
            | Self::Ending(_) => return None,
        })
    }

    /// What follows the subject in the payload.
    fn rest(&self) -> String {
        match self {
            Self::Plain(_) | Self::Down(_) => String::new(),
            Self::Monitor { quorum } => alloc::format!("quorum {quorum}"),
            Self::ODown { have, need } => alloc::format!("#quorum {have}/{need}"),
            Self::NewEpoch(epoch) => alloc::format!("{epoch}"),
            Self::Vote { leader, epoch } => alloc::format!("{leader} {epoch}"),
            Self::Switch { name, from, to } => alloc::format!("{name} {} {} {} {}", from.0, from.1, to.0, to.1),
            Self::RoleChange { role, .. } => alloc::format!("new reported role is {}", role.word()),
            Self::AddressSwitch { host, port, run_id } => alloc::format!("ip {host} port {port} for {run_id}"),
            Self::AddressUpdate(n) => alloc::format!("{n} additional matching instances"),
            Self::Set { option } => option.as_ref().into(),
            Self::Tilt => "#tilt mode entered".into(),
            Self::TiltOver => "#tilt mode exited".into(),
            Self::ScriptTimeout { path, pid } => alloc::format!("{path} {pid}"),
            Self::ScriptError { path, signal, code } => alloc::format!("{path} {signal} {code}"),
            Self::ScriptChild { pid } => alloc::format!("{pid}"),
            Self::ScriptEnded { pid, code, signal } => alloc::format!("{pid} {code} {signal}"),
            Self::Note { text, .. } => text.as_ref().into(),
            Self::Client(event) => alloc::format!("{event}"),
            Self::Listening(at) => alloc::format!("Ready to accept connections at {at}"),
            Self::NotListening { at, why, .. } => {
                let port = at.tcp().map_or(0, |a| a.port());
                alloc::format!("Failed listening on port {port}: could not create server socket {at}: {why}")
            }
            Self::LogLevel(level) => alloc::format!("The log level is {} from now on", level.word()),
            Self::Ending(signal) => alloc::format!("{signal:?} received: the sentinel ends."),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.what.name() {
            write!(f, "{name} ")?;
        }
        f.write_str(&self.payload())?;
        // The payload is what programs parse; why is for people.
        match &self.what {
            What::Down(why) => write!(f, " ({why})"),
            _ => Ok(()),
        }
    }
}

impl LogLine for Event {
    fn level(&self) -> Level {
        match &self.what {
            What::Plain(p) => p.level(),
            What::RoleChange { .. } => Level::Verbose,
            What::ScriptChild { .. } | What::ScriptEnded { .. } => Level::Debug,
            What::Note { level, .. } => *level,
            What::Client(event) => event.level(),
            What::Listening(_) | What::LogLevel(_) => Level::Notice,
            What::NotListening { skipped: true, .. } => Level::Verbose,
            _ => Level::Warning,
        }
    }

    fn role(&self) -> char {
        'X'
    }

    /// The name that Redis publishes it by, if it does.
    fn kind(&self) -> String {
        match (self.channel(), &self.what) {
            (Some(channel), _) => channel.into(),
            (None, What::Client(e)) => kind_of(e),
            (None, what) => kind_of(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_those_of_redis() {
        let of = Some(("mymaster".into(), "10.0.0.1".into(), 6379));
        let subject = Subject { kind: "slave", name: "10.0.0.2:6380".into(), host: "10.0.0.2".into(), port: 6380, of };
        let down = Event { subject: Some(subject.clone()), what: What::Down(DownReason::Silent) };
        assert_eq!(
            (down.channel(), down.payload()),
            (Some("+sdown"), "slave 10.0.0.2:6380 10.0.0.2 6380 @ mymaster 10.0.0.1 6379".into())
        );
        assert_eq!(
            alloc::format!("{down}"),
            "+sdown slave 10.0.0.2:6380 10.0.0.2 6380 @ mymaster 10.0.0.1 6379 (no answer to PING)"
        );
        let role = Event { subject: Some(subject), what: What::RoleChange { role: Role::Master, expected: false } };
        assert_eq!(role.channel(), Some("-role-change"));
        assert!(role.payload().ends_with("@ mymaster 10.0.0.1 6379 new reported role is master"));
        let child = Event { subject: None, what: What::ScriptChild { pid: 3 } };
        assert_eq!(child.channel(), None);
        let switch = What::Switch { name: "m".into(), from: ("a".into(), 1), to: ("b".into(), 2) };
        assert_eq!(Event { subject: None, what: switch }.payload(), "m a 1 b 2");
    }
}
