//! What the program says of itself.

pub(crate) const MAIN: &str = "\
Redis high availability: a server, its replicas, the sentinels that watch them, and a group to look at.

Usage:
  primacy server [FILE | -] [--DIRECTIVE VALUE ...]   run a server, as redis-server does
  primacy sentinel FILE [--DIRECTIVE VALUE ...]       watch masters and fail over, as redis-sentinel does
  primacy replay FILE [--print] ...                   run a recording again, and check that it does the same
  primacy rdb FILE [--format jsonl | resp] [--check]  look into a dump: sum it up, print it, verify it
  primacy demo [--fault kill] [--rounds N] [--keep]   watch a failover, with real processes
  primacy sim [--seed N] [--runs N | --for 60s] ...   run whole groups in a simulated world, with faults
  primacy server --help, ... sentinel --help, ... rdb --help  directives and examples
  primacy --version

Under a file name that ends in -server or -sentinel the program is that command itself:
  ln -s primacy redis-server && ./redis-server --port 6380
  ln -s primacy redis-sentinel && ./redis-sentinel sentinel.conf

Logs go to standard output or `logfile`; `loglevel` says how much, and RUST_LOG (trace, debug, info, warn)
outranks it.
";

pub(crate) const DEMO: &str = "\
A failover, from its fault to its end, with real processes on free loopback ports: a master, two replicas, three
sentinels, and a client that writes all the time and has each write acknowledged by a replica (WAIT 1). The master fails,
the timeline is told in ms, the old master comes back, and at last every acknowledged write is looked for.

Usage:
  primacy demo [--fault FAULT] [--rounds N] [--keep] [--down-after MS]

  --fault kill          kill -9 (what happens without this argument)
          freeze        SIGSTOP: it stands still with its connections open
          partition     nothing reaches it and nothing comes from it
          coordinated   no fault: a sentinel is asked for a failover in which the master hands over
  --rounds N            so many in a row, 1 to 1000 (1)
  --keep                leave the group running, and say how to connect to it and how to stop it
  --down-after MS       down-after-milliseconds, 100 to 60000 (1000)
  --server-program FILE, --sentinel-program FILE
                        other programs, such as redis-server and redis-sentinel, to compare

The exit code is 0 if nothing acknowledged was lost, 1 if not, 130 after Ctrl-C.
";

#[cfg(feature = "sim")]
pub(crate) const SIM: &str = "\
Run whole groups in a simulated world: a master, its replicas and a chain, with clients and an operator, under crashes,
partitions, broken disks, clocks that jump, and promotions. Then everything is healed and the group has to come into
sync. After every step the invariants are checked, and at the end every answer of every client has to be explained.
One seed decides all of it: the same seed is the same run, on every machine. The scenarios from `sentinels` on put
sentinels over masters and replicas, and hit the master, or whoever leads its failover.

Usage:
  primacy sim [--seed N] [--runs N | --for TIME] [--scenario NAME] [--nodes N] [--hash]
  primacy sim --seed N [--scenario NAME] [--nodes N] [--faults LIST] [--trace FILE] [--html FILE]

  --seed N         the first seed (1)
  --runs N         so many seeds (100); with 1 the run is told in full
  --for TIME       seeds for so long: 60s, 5m, 2h
  --scenario NAME  what may go wrong (all); they are listed below
  --nodes N        2 to 16 nodes (4), where the scenario leaves that open
  --faults LIST    of the run's list of faults only these, such as 3,17; '' for none
  --trace FILE     write one line for each step of the run
  --html FILE      write the run as one page for a browser: who sent what, roles, faults
  --hash           print the trace hash of each seed

Examples:
  primacy sim --runs 2000
  primacy sim --for 10m --seed 100000 --scenario promotions
  primacy sim --runs 500 --scenario sentinels
  primacy sim --seed 42 --runs 1
  primacy sim --seed 42 --faults 3,17 --trace run.txt --html run.html

A failing run is shrunk to a short list of faults, and printed as the command that repeats it. The exit code is 0 if
nothing was violated, 1 if something was (or if a long campaign never saw one of its situations), 2 for wrong arguments.
";
