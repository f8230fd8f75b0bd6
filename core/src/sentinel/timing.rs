//! The times that a sentinel works by, changeable by `SENTINEL DEBUG`.

use core::time::Duration;

/// All of them; [`Default`] is Redis's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timing {
    /// How often INFO is asked for; once a second where its answer may decide something.
    pub info_period: Duration,
    /// How often PING is sent, at most: an eighth of `down-after-milliseconds` where that is shorter.
    pub ping_period: Duration,
    /// How often the others are asked about a master that is down. An answer counts five times as long.
    pub ask_period: Duration,
    /// How often hellos are sent.
    pub publish_period: Duration,
    /// `down-after-milliseconds` of a master that says nothing else.
    pub default_down_after: Duration,
    /// `failover-timeout` of a master that says nothing else.
    pub default_failover_timeout: Duration,
    /// A deadline missed by so much means that time was lost.
    pub tilt_trigger: Duration,
    /// How long nothing is decided then.
    pub tilt_period: Duration,
    /// How long a replica that was told may take to begin to follow its new master.
    pub reconf_timeout: Duration,
    /// A silent connection younger than this is not made anew.
    pub link_reconnect: Duration,
    /// How long an election may take; the failover timeout where that is shorter.
    pub election_timeout: Duration,
    /// How long a script may run.
    pub script_max_runtime: Duration,
    /// The wait before a failed script is tried again; it doubles.
    pub script_retry_delay: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self {
            info_period: ms(10_000),
            ping_period: ms(1_000),
            ask_period: ms(1_000),
            publish_period: ms(2_000),
            default_down_after: ms(30_000),
            default_failover_timeout: ms(180_000),
            tilt_trigger: ms(2_000),
            tilt_period: ms(30_000),
            reconf_timeout: ms(10_000),
            link_reconnect: ms(15_000),
            election_timeout: ms(10_000),
            script_max_runtime: ms(60_000),
            script_retry_delay: ms(30_000),
        }
    }
}

impl Timing {
    /// How long the answer of another sentinel about a master counts.
    pub fn answer_valid(&self) -> Duration {
        self.ask_period * 5
    }
}

/// One of the times, as `SENTINEL DEBUG` calls it.
pub(super) struct Knob {
    pub(super) name: &'static str,
    pub(super) of: fn(&mut Timing) -> &mut Duration,
}

/// All of them, in Redis's order.
pub(super) static KNOBS: [Knob; 13] = [
    Knob { name: "INFO-PERIOD", of: |t| &mut t.info_period },
    Knob { name: "PING-PERIOD", of: |t| &mut t.ping_period },
    Knob { name: "ASK-PERIOD", of: |t| &mut t.ask_period },
    Knob { name: "PUBLISH-PERIOD", of: |t| &mut t.publish_period },
    Knob { name: "DEFAULT-DOWN-AFTER", of: |t| &mut t.default_down_after },
    Knob { name: "DEFAULT-FAILOVER-TIMEOUT", of: |t| &mut t.default_failover_timeout },
    Knob { name: "TILT-TRIGGER", of: |t| &mut t.tilt_trigger },
    Knob { name: "TILT-PERIOD", of: |t| &mut t.tilt_period },
    Knob { name: "SLAVE-RECONF-TIMEOUT", of: |t| &mut t.reconf_timeout },
    Knob { name: "MIN-LINK-RECONNECT-PERIOD", of: |t| &mut t.link_reconnect },
    Knob { name: "ELECTION-TIMEOUT", of: |t| &mut t.election_timeout },
    Knob { name: "SCRIPT-MAX-RUNTIME", of: |t| &mut t.script_max_runtime },
    Knob { name: "SCRIPT-RETRY-DELAY", of: |t| &mut t.script_retry_delay },
];
