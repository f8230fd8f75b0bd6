//! What a server's INFO says that a sentinel acts on.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use crate::ids::RunId;
use crate::replication::ReplId;

/// Replicas that are taken from one INFO, at most; a real master lists no more than `maxclients`, and far fewer.
pub const MAX_REPLICAS: usize = 1024;

/// A role that a server reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// `role:master`.
    Master,
    /// `role:slave`.
    Replica,
}

impl Role {
    /// As Redis writes it in instance maps and events.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Replica => "slave",
        }
    }
}

/// One INFO, read. What is missing or makes no sense is `None`: a lie costs its author, nobody else.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Info {
    /// `run_id`.
    pub run_id: Option<RunId>,
    /// `role`.
    pub role: Option<Role>,
    /// Replicas that a master lists, host and port.
    pub replicas: Vec<(Box<str>, u16)>,
    /// `master_host`, `master_port` of a replica.
    pub master: Option<(Box<str>, u16)>,
    /// `master_link_status:up`.
    pub link_up: bool,
    /// `master_link_down_since_seconds`.
    pub link_down: Option<Duration>,
    /// `slave_priority` or `replica_priority`.
    pub priority: Option<u32>,
    /// `slave_repl_offset` or `replica_repl_offset`.
    pub replica_offset: Option<u64>,
    /// `replica_announced`; Redis before 6.2 has no such line, and announces.
    pub announced: Option<bool>,
    /// `master_replid`.
    pub replid: Option<ReplId>,
    /// `master_repl_offset`.
    pub offset: Option<u64>,
    /// It says what a FAILOVER does (`master_failover_state`), so it knows that command: Redis 6.2, Valkey.
    pub knows_failover: bool,
    /// `master_failover_state:no-failover` is not what it says.
    pub failover_under_way: bool,
}

impl Info {
    /// Reads a whole INFO. Lines may be in any order; the last of two counts.
    pub fn read(text: &[u8]) -> Self {
        let mut info = Self::default();
        for line in text.split(|&b| b == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let Some(colon) = line.iter().position(|&b| b == b':') else { continue };
            let (Ok(key), Ok(value)) = (str::from_utf8(&line[..colon]), str::from_utf8(&line[colon + 1..])) else {
                continue;
            };
            info.line(key, value);
        }
        info
    }

    fn line(&mut self, key: &str, value: &str) {
        match key {
            "run_id" => self.run_id = RunId::parse(value.as_bytes()).ok(),
            "role" => {
                self.role = match value {
                    "master" => Some(Role::Master),
                    "slave" => Some(Role::Replica),
                    _ => None,
                }
            }
            "master_host" => {
                let port = self.master.as_ref().map_or(0, |m| m.1);
                self.master = is_host(value).then(|| (value.into(), port));
            }
            "master_port" => {
                if let (Some(master), Ok(port)) = (&mut self.master, value.parse()) {
                    master.1 = port;
                }
            }
            "master_link_status" => self.link_up = value.eq_ignore_ascii_case("up"),
            "master_link_down_since_seconds" => self.link_down = value.parse().ok().map(Duration::from_secs),
            "slave_priority" | "replica_priority" => self.priority = value.parse().ok(),
            "slave_repl_offset" | "replica_repl_offset" => self.replica_offset = value.parse().ok(),
            "replica_announced" => self.announced = Some(value != "0"),
            "master_replid" => self.replid = ReplId::parse(value.as_bytes()).ok(),
            "master_repl_offset" => self.offset = value.parse().ok(),
            "master_failover_state" => {
                self.knows_failover = true;
                self.failover_under_way = value != "no-failover";
            }
            _ => {
                let number = key.strip_prefix("slave").or_else(|| key.strip_prefix("replica")).unwrap_or_default();
                if !number.is_empty()
                    && number.bytes().all(|b| b.is_ascii_digit())
                    && self.replicas.len() < MAX_REPLICAS
                {
                    self.replicas.extend(replica(value));
                }
            }
        }
    }
}

/// `ip=…,port=…,state=…`, or the form before Redis 2.8: `ip,port,state`.
fn replica(value: &str) -> Option<(Box<str>, u16)> {
    let field = |name: &str| value.split(',').find_map(|f| f.strip_prefix(name));
    let (host, port) = match (field("ip="), field("port=")) {
        (Some(host), Some(port)) => (host, port),
        _ => {
            let mut words = value.split(',');
            (words.next()?, words.next()?)
        }
    };
    let port = port.parse().ok().filter(|&p| p > 0)?;
    is_host(host).then(|| (host.into(), port))
}

/// Whether a text may be kept as the name or address of a host: what a resolver takes, and nothing that could reach a
/// configuration file as more than a word.
pub(super) fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'\\' | b'#' | b','))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_with_replicas_of_both_forms() {
        let info = Info::read(
            b"# Server\r\nrun_id:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n# Replication\r\nrole:master\r\n\
              slave0:ip=10.0.0.1,port=6380,state=online,offset=14,lag=0\r\nslave1:10.0.0.2,6381,online\r\n\
              slave2:ip=,port=1,state=online\r\nslave3:ip=x,port=0\r\nslavex:ip=1.1.1.1,port=1\r\nslave4:junk\r\n\
              master_failover_state:no-failover\r\nmaster_replid:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\nmaster_repl_offset:14\r\n",
        );
        assert_eq!(info.role, Some(Role::Master));
        assert_eq!(info.replicas, [("10.0.0.1".into(), 6380), ("10.0.0.2".into(), 6381)]);
        assert_eq!((info.offset, info.knows_failover, info.failover_under_way), (Some(14), true, false));
        assert!(info.run_id.is_some() && info.replid.is_some());
    }

    #[test]
    fn a_replica_with_lies() {
        let info = Info::read(
            b"role:slave\nmaster_host:bad host\nmaster_port:6379\nmaster_link_status:down\nmaster_link_down_since_seconds:-1\n\
              slave_priority:4294967296\nslave_repl_offset:99999999999999999999999\nreplica_announced:0\nrun_id:short",
        );
        assert_eq!(info.role, Some(Role::Replica));
        assert_eq!((info.master, info.link_down, info.priority, info.replica_offset), (None, None, None, None));
        assert_eq!((info.announced, info.run_id), (Some(false), None));
    }
}
