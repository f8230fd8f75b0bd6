//! What the program says of itself.

pub(crate) const MAIN: &str = "\
Redis high availability: a server, its replicas, and a group to watch.

Usage:
  primacy server [FILE | -] [--DIRECTIVE VALUE ...]   run a server, as redis-server does
  primacy replay FILE [--print] ...                   run a recording again, and check that it does the same
  primacy demo [--keep] [--replicas N] [--seconds S]  run a master and replicas, and watch them
  primacy server --help                               directives and examples
  primacy --version

Under a file name that ends in -server the program is `primacy server` itself:
  ln -s primacy redis-server && ./redis-server --port 6380

Logs go to standard output or `logfile`; `loglevel` says how much, and RUST_LOG (trace, debug, info, warn)
outranks it.
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
