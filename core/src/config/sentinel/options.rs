//! The two tables of `sentinel` directives: those of the sentinel itself and those of a master.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::check::{host, is_host_name, port, whole};
use super::{
    DEFAULT_DOWN_AFTER_MS, DEFAULT_FAILOVER_TIMEOUT_MS, DEFAULT_PARALLEL_SYNCS, KnownSentinel, MasterSettings,
    SentinelSettings,
};
use crate::ids::RunId;

/// What Redis says to a directive that it does not know, or that has too few words or too many.
pub(super) const UNRECOGNIZED: &str = "Unrecognized sentinel configuration statement.";

/// A directive that says something of the sentinel itself: `sentinel NAME VALUE`.
pub(super) struct GlobalOption {
    pub(super) name: &'static str,
    /// Whether `SENTINEL CONFIG SET` may change it.
    pub(super) mutable: bool,
    /// Whether it is written even where it has its default.
    pub(super) always: bool,
    pub(super) take: fn(&mut SentinelSettings, &str) -> Result<(), String>,
    /// Its value, if it has one.
    pub(super) show: fn(&SentinelSettings) -> Option<String>,
}

/// Who may use a directive of a master.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A file, and `SENTINEL SET`.
    Both,
    /// Only a file: it is what the sentinel knows.
    File,
    /// Only `SENTINEL SET`: in a file `monitor` says it.
    Set,
}

/// The values of one line.
pub(super) struct Shown {
    pub(super) values: Vec<String>,
    /// Whether it says more than the default.
    pub(super) needed: bool,
}

/// A directive of one master: `sentinel NAME MASTER VALUE…`.
pub(super) struct MasterOption {
    /// Its name, and older and newer ones.
    pub(super) names: &'static [&'static str],
    pub(super) by: By,
    /// Fewest and most values.
    pub(super) values: (usize, usize),
    /// Whether nobody may read its value in a log or an event.
    pub(super) secret: bool,
    /// Whether the value is a program, and what is said if it cannot be run.
    pub(super) script: Option<&'static str>,
    /// Takes the values of a line; `resolve` as `resolve-hostnames`.
    pub(super) take: fn(&mut MasterSettings, values: &[&str], resolve: bool) -> Result<(), String>,
    /// One or more lines.
    pub(super) show: fn(&MasterSettings) -> Vec<Shown>,
}

/// The directive of the sentinel itself that is spelled so.
pub(super) fn global(name: &str) -> Option<&'static GlobalOption> {
    GLOBAL.iter().find(|o| o.name.eq_ignore_ascii_case(name))
}

/// The directive of a master that is spelled so.
pub(super) fn of_master(name: &str) -> Option<&'static MasterOption> {
    OF_MASTER.iter().find(|o| o.names.iter().any(|n| n.eq_ignore_ascii_case(name)))
}

/// Every name that may stand behind `sentinel` in a file.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let masters = OF_MASTER.iter().filter(|o| o.by != By::Set).flat_map(|o| o.names.iter().copied());
    GLOBAL.iter().map(|o| o.name).chain(["monitor"]).chain(masters)
}

macro_rules! global {
    ($name:literal, $field:ident, $take:expr) => {
        GlobalOption { name: $name, mutable: false, always: false, take: $take, show: |s| Some(s.$field.to_string()) }
    };
}
macro_rules! yes_no {
    ($name:literal, $field:ident, $refusal:literal) => {
        GlobalOption {
            name: $name,
            mutable: false,
            always: false,
            take: |s, v| {
                s.$field = match v {
                    v if v.eq_ignore_ascii_case("yes") => true,
                    v if v.eq_ignore_ascii_case("no") => false,
                    _ => return Err($refusal.into()),
                };
                Ok(())
            },
            show: |s| Some(if s.$field { "yes" } else { "no" }.into()),
        }
    };
}

impl GlobalOption {
    const fn mutable(self) -> Self {
        Self { mutable: true, ..self }
    }

    const fn always(self) -> Self {
        Self { always: true, ..self }
    }
}

/// In the order of `SENTINEL CONFIG GET`.
pub(super) static GLOBAL: &[GlobalOption] = &[
    GlobalOption {
        name: "myid",
        mutable: false,
        always: true,
        take: |s, v| {
            let id = v.parse::<RunId>().map_err(|e| format!("Malformed Sentinel id in myid option. ({e})"))?;
            s.myid = Some(id);
            Ok(())
        },
        show: |s| s.myid.map(|id| id.to_string()),
    },
    yes_no!("resolve-hostnames", resolve_hostnames, "Please specify yes or no for the resolve-hostnames option.")
        .mutable(),
    yes_no!("announce-hostnames", announce_hostnames, "Please specify yes or no for the announce-hostnames option.")
        .mutable(),
    global!("announce-ip", announce_ip, |s, v| {
        // It stands between commas in a hello message.
        if !v.is_empty() && v.parse::<core::net::IpAddr>().is_err() && !is_host_name(v) {
            return Err("expected an IP address or a host name".into());
        }
        s.announce_ip = v.into();
        Ok(())
    })
    .mutable(),
    global!("announce-port", announce_port, |s, v| {
        s.announce_port = whole(v, 0u16).ok_or("expected a port, or 0 for the sentinel's own")?;
        Ok(())
    })
    .mutable(),
    global!("sentinel-user", sentinel_user, |s, v| {
        s.sentinel_user = v.into();
        Ok(())
    })
    .mutable(),
    global!("sentinel-pass", sentinel_pass, |s, v| {
        s.sentinel_pass = v.into();
        Ok(())
    })
    .mutable(),
    yes_no!(
        "deny-scripts-reconfig",
        deny_scripts_reconfig,
        "Please specify yes or no for the deny-scripts-reconfig options."
    ),
    global!("state-file", state_file, |s, v| {
        s.state_file = v.into();
        Ok(())
    }),
    global!("current-epoch", current_epoch, |s, v| {
        s.current_epoch = epoch(v)?.max(s.current_epoch);
        Ok(())
    })
    .always(),
];

macro_rules! number {
    ($names:expr, $field:ident, $default:expr, $min:literal, $refusal:literal, $what:literal) => {
        MasterOption {
            names: $names,
            by: By::Both,
            values: (1, 1),
            secret: false,
            script: None,
            take: |m, values, _| {
                let [v] = values else { return Err(UNRECOGNIZED.into()) };
                m.$field = whole(v, $min).ok_or_else(|| format!("{} Expected {}.", $refusal, $what))?;
                Ok(())
            },
            show: |m| one(m.$field.to_string(), m.$field != $default),
        }
    };
}
macro_rules! text {
    ($name:literal, $field:ident) => {
        MasterOption {
            names: &[$name],
            by: By::Both,
            values: (1, 1),
            secret: false,
            script: None,
            take: |m, values, _| {
                let [v] = values else { return Err(UNRECOGNIZED.into()) };
                m.$field = (*v).into();
                Ok(())
            },
            show: |m| one(m.$field.clone(), !m.$field.is_empty()),
        }
    };
}
macro_rules! epoch {
    ($name:literal, $field:ident) => {
        MasterOption {
            names: &[$name],
            by: By::File,
            values: (1, 1),
            secret: false,
            script: None,
            take: |m, values, _| {
                let [v] = values else { return Err(UNRECOGNIZED.into()) };
                m.$field = epoch(v)?.max(m.$field);
                Ok(())
            },
            show: |m| one(m.$field.to_string(), true),
        }
    };
}

/// In the order in which they are written.
pub(super) static OF_MASTER: &[MasterOption] = &[
    MasterOption {
        names: &["quorum"],
        by: By::Set,
        values: (1, 1),
        secret: false,
        script: None,
        take: |m, values, _| {
            let [v] = values else { return Err(UNRECOGNIZED.into()) };
            m.quorum = whole(v, 1).ok_or("Quorum must be 1 or greater.")?;
            Ok(())
        },
        show: |_| Vec::new(),
    },
    number!(
        &["down-after-milliseconds"],
        down_after_ms,
        DEFAULT_DOWN_AFTER_MS,
        1,
        "negative or zero time parameter.",
        "a whole number of milliseconds from 1 on"
    ),
    number!(
        &["failover-timeout"],
        failover_timeout_ms,
        DEFAULT_FAILOVER_TIMEOUT_MS,
        1,
        "negative or zero time parameter.",
        "a whole number of milliseconds from 1 on"
    ),
    number!(
        &["parallel-syncs"],
        parallel_syncs,
        DEFAULT_PARALLEL_SYNCS,
        1,
        "invalid number of replicas.",
        "a whole number from 1 on"
    ),
    MasterOption {
        script: Some("Notification script seems non existing or non executable."),
        ..text!("notification-script", notification_script)
    },
    MasterOption {
        script: Some("Client reconfiguration script seems non existing or non executable."),
        ..text!("client-reconfig-script", client_reconfig_script)
    },
    text!("auth-user", auth_user),
    MasterOption { secret: true, ..text!("auth-pass", auth_pass) },
    number!(
        &["master-reboot-down-after-period", "primary-reboot-down-after-period"],
        reboot_down_after_ms,
        0,
        0,
        "negative time parameter.",
        "a whole number of milliseconds, 0 for never"
    ),
    MasterOption {
        names: &["rename-command"],
        by: By::Both,
        values: (2, 2),
        secret: false,
        script: None,
        take: take_renamed,
        show: |m| m.renamed.iter().map(|(old, new)| line([old.clone(), new.clone()])).collect(),
    },
    epoch!("config-epoch", config_epoch),
    epoch!("leader-epoch", leader_epoch),
    MasterOption {
        names: &["known-replica", "known-slave"],
        by: By::File,
        values: (2, 2),
        secret: false,
        script: None,
        take: take_replica,
        show: |m| m.replicas.iter().map(|(host, port)| line([host.clone(), port.to_string()])).collect(),
    },
    MasterOption {
        names: &["known-sentinel"],
        by: By::File,
        values: (2, 3),
        secret: false,
        script: None,
        take: take_sentinel,
        show: |m| {
            let words = |s: &KnownSentinel| {
                let id = s.run_id.map(|id| id.to_string());
                line([s.host.clone(), s.port.to_string()].into_iter().chain(id))
            };
            m.sentinels.iter().map(words).collect()
        },
    },
];

fn one(value: String, needed: bool) -> Vec<Shown> {
    [Shown { values: [value].into(), needed }].into()
}

fn line(values: impl IntoIterator<Item = String>) -> Shown {
    Shown { values: values.into_iter().collect(), needed: true }
}

fn epoch(text: &str) -> Result<u64, String> {
    whole(text, 0).ok_or_else(|| "expected an epoch, a whole number from 0 on".into())
}

fn take_renamed(m: &mut MasterSettings, values: &[&str], _: bool) -> Result<(), String> {
    let [old, new] = values else { return Err(UNRECOGNIZED.into()) };
    if old.is_empty() {
        return Err("expected the name of a command".into());
    }
    match m.renamed.insert(old.to_ascii_uppercase(), (*new).into()) {
        Some(was) if was != **new => Err("Same command renamed multiple times with rename-command.".into()),
        _ => Ok(()),
    }
}

fn take_replica(m: &mut MasterSettings, values: &[&str], resolve: bool) -> Result<(), String> {
    let [at, number] = values else { return Err(UNRECOGNIZED.into()) };
    let address = (host(at, resolve)?, port(number)?);
    if m.replicas.contains(&address) {
        return Err("Duplicate hostname and port for replica.".into());
    }
    m.replicas.push(address);
    Ok(())
}

fn take_sentinel(m: &mut MasterSettings, values: &[&str], resolve: bool) -> Result<(), String> {
    let (at, number, id) = match values {
        [at, number] => (at, number, None),
        [at, number, id] => (at, number, Some(id.parse::<RunId>().map_err(|e| e.to_string())?)),
        _ => return Err(UNRECOGNIZED.into()),
    };
    let known = KnownSentinel { host: host(at, resolve)?, port: port(number)?, run_id: id };
    let same = |k: &KnownSentinel| *k == known || id.is_some() && k.run_id == id;
    if m.sentinels.iter().any(same) {
        return Err("Duplicate runid for sentinel.".into());
    }
    m.sentinels.push(known);
    Ok(())
}
