//! What a server program says of itself; PROGRAM stands for its name.

pub(super) const SERVER: &str = "\
Run a server: a master, or a replica of a Redis, Valkey or Primacy master.

Usage:
  PROGRAM server [FILE | -] [--record FILE] [--DIRECTIVE VALUE ...]

  FILE   a redis.conf; `-` reads it from standard input
  --DIRECTIVE VALUE ...
         any directive of redis.conf; it outranks the file's
  --record FILE [--record-max SIZE]
         write everything that the server is told to FILE, for `primacy replay`: every byte that came in, with its
         time. Passwords and data are in it, in the clear: only its owner may read it (mode 0600), keep it so. At SIZE
         (1gb), or when the disk does not keep up, the recording ends with a line in the log, and the server goes on.
         A FILE that is there already becomes FILE.1

Examples:
  PROGRAM server                                             port 6379 on the loopback addresses
  PROGRAM server /etc/redis/redis.conf
  PROGRAM server --port 6380 --replicaof \"127.0.0.1 6379\"
  PROGRAM server redis.conf --port 7000 --loglevel debug
  echo 'port 7000' | PROGRAM server - --save \"\"

Directives that are needed most (`redis-cli CONFIG GET '*'` shows all, with their values):
  port, bind, unixsocket       where to listen
  replicaof, masterauth        whom to follow, and with which password
  requirepass, protected-mode  who may connect
  tls-port, tls-replication, tls-cert-file, tls-key-file, tls-ca-cert-file
                               encrypted connections, in a build with the feature `tls`
  metrics-port, metrics-bind   where Prometheus and probes ask, over HTTP and without a password (docs/metrics.md)
  dir, dbfilename, save        where and when snapshots are written
  logfile, loglevel, pidfile, daemonize

SIGTERM and SIGINT end it in order: waiting replicas are served, a snapshot is written where `save` asks for one.
A second one ends it at once.
";

pub(super) const SENTINEL: &str = "\
Run a sentinel: it watches masters, agrees with other sentinels on who is down, and makes a replica the master.
redis-sentinel, valkey-sentinel and Primacy's may watch the same masters.

Usage:
  PROGRAM sentinel FILE [--record FILE] [--DIRECTIVE VALUE ...]
  PROGRAM server FILE --sentinel                   the same, as redis-server starts it

  FILE   a sentinel.conf. It is rewritten with what the sentinel learns, in the form that redis-sentinel reads too
  --DIRECTIVE VALUE ...
         any directive of sentinel.conf; it outranks the file's
  --record FILE [--record-max SIZE]
         write everything that the sentinel is told to FILE, for `primacy replay`; passwords are in it, in the clear

Examples:
  PROGRAM sentinel /etc/redis/sentinel.conf
  PROGRAM sentinel sentinel.conf --port 26380 --loglevel debug
  PROGRAM sentinel sentinel.conf --sentinel state-file /var/lib/primacy/sentinel.state
  redis-cli -p 26379 SENTINEL MASTERS

A file to begin with, for one of three sentinels:
  port 26379
  sentinel monitor mymaster 10.0.0.1 6379 2        the master's address, and how many have to see it down
  sentinel down-after-milliseconds mymaster 5000
  sentinel failover-timeout mymaster 60000

Directives of its own, beside redis-sentinel's:
  sentinel state-file PATH   where epochs and votes are kept, for a FILE that cannot be written; beside FILE otherwise

SIGTERM and SIGINT end it in order.
";

/// The answer to `--version`.
pub(super) fn version(program: &str) -> String {
    format!("{program} {}\n", env!("CARGO_PKG_VERSION"))
}
