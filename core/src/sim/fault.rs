//! What goes wrong: values that a world applies, a campaign draws, and a shrinker leaves out.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use super::HostId;

/// One thing that goes wrong. Those that last end by themselves, or by [`Fault::Heal`]; two of a kind at once last as long
/// as the longer one.
///
/// Its `Display` is one short line.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The power fails: what was not synced may be lost or torn, peers hear nothing. It boots again after `down_for`.
    Crash {
        /// Which host.
        host: HostId,
        /// Until it boots again.
        down_for: Duration,
    },
    /// The process is killed: files stay as they are, the system closes its connections.
    Kill {
        /// Which host.
        host: HostId,
        /// Until it starts again.
        down_for: Duration,
    },
    /// The process is asked to end (SIGTERM), and starts again so long after it did.
    Stop {
        /// Which host.
        host: HostId,
        /// From its end to its new start.
        down_for: Duration,
    },
    /// The process stands still (SIGSTOP): bytes, answers and deadlines wait for it.
    Pause {
        /// Which host.
        host: HostId,
        /// How long.
        lasts: Duration,
    },
    /// No packet passes. Connections that stand keep their bytes until it ends; new ones are tried again and again.
    Partition {
        /// One host: with `one_way` the one whose packets are lost.
        a: HostId,
        /// The other.
        b: HostId,
        /// Packets from `b` to `a` pass.
        one_way: bool,
        /// How long.
        lasts: Duration,
    },
    /// Bytes on the connections between two hosts stand still; new connections can be made.
    Stall {
        /// One host.
        a: HostId,
        /// The other.
        b: HostId,
        /// How long.
        lasts: Duration,
    },
    /// Every connection between two hosts is reset: both ends hear of it, what was on its way is lost.
    Reset {
        /// One host.
        a: HostId,
        /// The other.
        b: HostId,
    },
    /// Every connection between two hosts ends at `a` alone. `b` learns it when it sends.
    HalfOpen {
        /// Whose ends are gone.
        a: HostId,
        /// Who does not know.
        b: HostId,
    },
    /// Every connection that stands between two hosts swallows its bytes from now on, and neither end is told.
    BlackHole {
        /// One host.
        a: HostId,
        /// The other.
        b: HostId,
    },
    /// Latency grows and bandwidth shrinks by a factor, both ways.
    SlowLink {
        /// One host.
        a: HostId,
        /// The other.
        b: HostId,
        /// How much, at least 1.
        factor: u32,
        /// How long.
        lasts: Duration,
    },
    /// A host takes in its bytes by drops, so that its peers' buffers fill up.
    SlowReader {
        /// Which host.
        host: HostId,
        /// How long.
        lasts: Duration,
    },
    /// Connections to a host are refused.
    RefuseConnects {
        /// Which host.
        host: HostId,
        /// How long.
        lasts: Duration,
    },
    /// Connections to a host are not answered, so that they time out.
    DropConnects {
        /// Which host.
        host: HostId,
        /// How long.
        lasts: Duration,
    },
    /// A host's disk is slow, full or broken.
    Disk {
        /// Which host.
        host: HostId,
        /// How.
        trouble: DiskTrouble,
        /// How long.
        lasts: Duration,
    },
    /// The wall clock of a host is set forward or back.
    WallJump {
        /// Which host.
        host: HostId,
        /// By so many ms.
        by_ms: i64,
    },
    /// The monotonic clock of a host runs fast or slow from now on (0: true again).
    Drift {
        /// Which host.
        host: HostId,
        /// Parts in a million; within ±500,000.
        ppm: i32,
    },
    /// The wall clock of a host runs fast or slow from now on (0: true again).
    WallDrift {
        /// Which host.
        host: HostId,
        /// Parts in a million; within ±500,000.
        ppm: i32,
    },
    /// A name is looked up slowly, in vain, or leads elsewhere.
    Name {
        /// Which name.
        name: Arc<str>,
        /// How.
        trouble: NameTrouble,
        /// How long.
        lasts: Duration,
    },
    /// Everything that lasts ends: hosts that are down boot, clocks run true.
    Heal,
}

/// What is wrong with a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DiskTrouble {
    /// Everything takes so many times as long.
    Slow(u32),
    /// Writes fail for want of space.
    Full,
    /// Reads and writes fail with an I/O error.
    Broken,
}

/// What is wrong with a name.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NameTrouble {
    /// Answers take so many times as long.
    Slow(u32),
    /// It cannot be resolved.
    Fails,
    /// It has these addresses.
    Leads(Vec<IpAddr>),
}

impl Fault {
    /// Every kind by its name, in the order of the enum.
    pub const KINDS: [&'static str; 19] = [
        "crash",
        "kill",
        "stop",
        "pause",
        "partition",
        "stall",
        "reset",
        "half-open",
        "black-hole",
        "slow-link",
        "slow-reader",
        "refuse-connects",
        "drop-connects",
        "disk",
        "wall-jump",
        "drift",
        "wall-drift",
        "name",
        "heal",
    ];

    /// Its kind's place in [`Fault::KINDS`].
    pub fn kind_index(&self) -> usize {
        match self {
            Self::Crash { .. } => 0,
            Self::Kill { .. } => 1,
            Self::Stop { .. } => 2,
            Self::Pause { .. } => 3,
            Self::Partition { .. } => 4,
            Self::Stall { .. } => 5,
            Self::Reset { .. } => 6,
            Self::HalfOpen { .. } => 7,
            Self::BlackHole { .. } => 8,
            Self::SlowLink { .. } => 9,
            Self::SlowReader { .. } => 10,
            Self::RefuseConnects { .. } => 11,
            Self::DropConnects { .. } => 12,
            Self::Disk { .. } => 13,
            Self::WallJump { .. } => 14,
            Self::Drift { .. } => 15,
            Self::WallDrift { .. } => 16,
            Self::Name { .. } => 17,
            Self::Heal => 18,
        }
    }

    /// Its kind's name.
    pub fn kind(&self) -> &'static str {
        Self::KINDS[self.kind_index()]
    }

    /// How long it lasts, or keeps a host down; `None` if it happens in a moment or has no end of its own.
    pub fn lasts(&self) -> Option<Duration> {
        match self {
            Self::Crash { down_for: lasts, .. }
            | Self::Kill { down_for: lasts, .. }
            | Self::Stop { down_for: lasts, .. }
            | Self::Pause { lasts, .. }
            | Self::Partition { lasts, .. }
            | Self::Stall { lasts, .. }
            | Self::SlowLink { lasts, .. }
            | Self::SlowReader { lasts, .. }
            | Self::RefuseConnects { lasts, .. }
            | Self::DropConnects { lasts, .. }
            | Self::Disk { lasts, .. }
            | Self::Name { lasts, .. } => Some(*lasts),
            _ => None,
        }
    }

    /// The host it is about; of two, the first.
    pub fn host(&self) -> Option<HostId> {
        match self {
            Self::Crash { host, .. }
            | Self::Kill { host, .. }
            | Self::Stop { host, .. }
            | Self::Pause { host, .. }
            | Self::SlowReader { host, .. }
            | Self::RefuseConnects { host, .. }
            | Self::DropConnects { host, .. }
            | Self::Disk { host, .. }
            | Self::WallJump { host, .. }
            | Self::Drift { host, .. }
            | Self::WallDrift { host, .. } => Some(*host),
            Self::Partition { a, .. }
            | Self::Stall { a, .. }
            | Self::Reset { a, .. }
            | Self::HalfOpen { a, .. }
            | Self::BlackHole { a, .. }
            | Self::SlowLink { a, .. } => Some(*a),
            Self::Name { .. } | Self::Heal => None,
        }
    }

    /// The second of the two hosts that it is about.
    pub fn other(&self) -> Option<HostId> {
        match self {
            Self::Partition { b, .. }
            | Self::Stall { b, .. }
            | Self::Reset { b, .. }
            | Self::HalfOpen { b, .. }
            | Self::BlackHole { b, .. }
            | Self::SlowLink { b, .. } => Some(*b),
            _ => None,
        }
    }

    /// What there is to say behind kind and hosts.
    fn detail(&self) -> String {
        match self {
            Self::Partition { one_way: true, .. } => " one-way".into(),
            Self::SlowLink { factor, .. } => alloc::format!(" {factor}x"),
            Self::Disk { trouble: DiskTrouble::Slow(factor), .. } => alloc::format!(" slow {factor}x"),
            Self::Disk { trouble: DiskTrouble::Full, .. } => " full".into(),
            Self::Disk { trouble: DiskTrouble::Broken, .. } => " broken".into(),
            Self::WallJump { by_ms, .. } => alloc::format!(" by {by_ms}ms"),
            Self::Drift { ppm, .. } | Self::WallDrift { ppm, .. } => alloc::format!(" {ppm}ppm"),
            Self::Name { name, trouble: NameTrouble::Slow(factor), .. } => alloc::format!(" {name} slow {factor}x"),
            Self::Name { name, trouble: NameTrouble::Fails, .. } => alloc::format!(" {name} fails"),
            Self::Name { name, trouble: NameTrouble::Leads(to), .. } => {
                let list: Vec<String> = to.iter().map(|ip| alloc::format!("{ip}")).collect();
                alloc::format!(" {name} leads to {}", list.join(","))
            }
            _ => String::new(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        for host in [self.host(), self.other()].into_iter().flatten() {
            write!(f, " {host}")?;
        }
        f.write_str(&self.detail())?;
        match self.lasts() {
            Some(lasts) => write!(f, " for {}ms", lasts.as_millis()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_fault_is_one_short_line() {
        let (a, b, lasts) = (HostId(0), HostId(2), Duration::from_millis(1500));
        let lines = [
            (Fault::Crash { host: b, down_for: lasts }, "crash h2 for 1500ms"),
            (Fault::Partition { a, b, one_way: true, lasts }, "partition h0 h2 one-way for 1500ms"),
            (Fault::Partition { a, b, one_way: false, lasts }, "partition h0 h2 for 1500ms"),
            (Fault::Reset { a, b }, "reset h0 h2"),
            (Fault::Disk { host: a, trouble: DiskTrouble::Slow(9), lasts }, "disk h0 slow 9x for 1500ms"),
            (Fault::WallJump { host: a, by_ms: -5 }, "wall-jump h0 by -5ms"),
            (
                Fault::Name {
                    name: "m".into(),
                    trouble: NameTrouble::Leads([IpAddr::from([10, 0, 0, 1])].into()),
                    lasts,
                },
                "name m leads to 10.0.0.1 for 1500ms",
            ),
            (Fault::Heal, "heal"),
        ];
        for (fault, line) in lines {
            assert_eq!(fault.to_string(), line);
        }
    }
}
