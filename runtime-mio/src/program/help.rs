//! What the program says of itself.

pub(crate) const MAIN: &str = "\
Redis high availability: a server, its replicas, and a group to watch.

Usage:
  primacy server [FILE | -] [--DIRECTIVE VALUE ...]   run a server, as redis-server does
  primacy demo [--keep] [--replicas N] [--seconds S]  run a master and replicas, and watch them
  primacy server --help                               directives and examples
  primacy --version

Under a file name that ends in -server the program is `primacy server` itself:
  ln -s primacy redis-server && ./redis-server --port 6380

Logs go to standard output or `logfile`; `loglevel` says how much, and RUST_LOG (trace, debug, info, warn)
outranks it.
";

pub(crate) const SERVER: &str = "\
Run a server: a master, or a replica of a Redis, Valkey or Primacy master.

Usage:
  primacy server [FILE | -] [--DIRECTIVE VALUE ...]

  FILE   a redis.conf; `-` reads it from standard input
  --DIRECTIVE VALUE ...
         any directive of redis.conf; it outranks the file's

Examples:
  primacy server                                             port 6379 on the loopback addresses
  primacy server /etc/redis/redis.conf
  primacy server --port 6380 --replicaof \"127.0.0.1 6379\"
  primacy server redis.conf --port 7000 --loglevel debug
  echo 'port 7000' | primacy server - --save \"\"

Directives that are needed most (`redis-cli CONFIG GET '*'` shows all, with their values):
  port, bind, unixsocket       where to listen
  replicaof, masterauth        whom to follow, and with which password
  requirepass, protected-mode  who may connect
  dir, dbfilename, save        where and when snapshots are written
  logfile, loglevel, pidfile, daemonize

SIGTERM and SIGINT end it in order: waiting replicas are served, a snapshot is written where `save` asks for one.
A second one ends it at once.
";

pub(crate) const DEMO: &str = "\
Run a whole group of real processes on free loopback ports: one master and its replicas. Keys are written to the master,
the links are cut once on the way, and every node's state is shown. At the end all offsets have to be equal.

Usage:
  primacy demo [--keep] [--replicas N] [--seconds S] [--rate N]

  --keep         leave the group running, and say how to connect to it and how to stop it
  --replicas N   1 to 16 replicas (2)
  --seconds S    write for so long, 1 to 86400 (10)
  --rate N       writes per second, 1 to 100000 (2000)
  --server-program FILE
                 run another server program, such as redis-server, to compare

The exit code is 0 if all replicas have all writes, 1 if not, 130 after Ctrl-C.
";

/// The answer to `--version`.
pub(crate) fn version() -> String {
    format!("primacy {}\n", env!("CARGO_PKG_VERSION"))
}
