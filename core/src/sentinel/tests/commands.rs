//! What clients and other sentinels ask, and the bytes that they are answered.
//!
//! Texts and shapes are those of redis-sentinel 7.0, and of Valkey 9.1's sentinel where that one knows more.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;
use std::format;

use super::rig::{MASTER, Rig, rig, run_id};
use crate::config::sentinel::{MasterSettings, SentinelConfig};
use crate::ids::{ConnId, OpId};
use crate::machine::{
    Action, Actions, Chunks, Endpoint, Input, Job, JobError, JobErrorKind, Machine, NoMeter, Outcome,
};
use crate::resp::Command;
use crate::sentinel::{About, Event, Files, Sentinel, What};
use crate::time::{Instant, Now};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Clients of one sentinel, which is fed by hand.
trait Clients {
    fn machine(&mut self) -> (&mut Sentinel, Instant);
    fn act(&mut self, _: Vec<Action<Event>>) {}

    fn feed(&mut self, input: Input<'_, crate::sentinel::Call>) {
        let mut out = Actions::new();
        let (sentinel, now) = self.machine();
        sentinel.handle(Now::new(now, 1_700_000_000_000 + now.as_micros() / 1000), input, &mut out);
        self.act(out.drain().collect());
    }

    fn client(&mut self, n: u64) -> ConnId {
        let (conn, listener) = (ConnId::accepted(n), OpId::from_u64(1));
        let local = Endpoint::Tcp("127.0.0.1:26379".parse().unwrap());
        let peer = Endpoint::Tcp(format!("127.0.0.1:{}", 50_000 + n).parse().unwrap());
        self.feed(Input::Accepted { conn, listener, local, peer, tls: false });
        conn
    }

    /// What a client is owed, taken.
    fn take(&mut self, conn: ConnId) -> String {
        let mut chunks = Chunks::new();
        self.machine().0.transmit(conn, usize::MAX, &mut chunks);
        if chunks.bytes() > 0 {
            self.feed(Input::Sent { conn, len: chunks.bytes() });
        }
        String::from_utf8(chunks.concat()).unwrap()
    }

    /// Says a command, its words with spaces between, and takes what is owed then.
    fn ask(&mut self, conn: ConnId, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        self.feed(Input::Received { conn, bytes: Command::new(&words).frame() });
        self.take(conn)
    }
}

impl Clients for Rig {
    fn machine(&mut self) -> (&mut Sentinel, Instant) {
        (&mut self.sentinel, self.now)
    }
}

/// A sentinel with files, on a disk that takes its time.
struct Slow {
    sentinel: Sentinel,
    now: Instant,
    jobs: Vec<(OpId, Job)>,
    notes: Vec<String>,
}

impl Slow {
    fn new() -> Self {
        let mut config = SentinelConfig::new();
        config.masters.push(MasterSettings::new("mymaster", "127.0.0.1", MASTER, 2));
        config.global.myid = Some(run_id(1));
        config.global.deny_scripts_reconfig = false;
        let files = Files { config: Some("sentinel.conf".into()), state: Some("sentinel.state".into()) };
        let sentinel = Sentinel::new(config, files, [7; 32], Box::new(NoMeter), About::default());
        let mut slow = Self { sentinel, now: Instant::from_micros(1), jobs: Vec::new(), notes: Vec::new() };
        slow.feed(Input::Tick);
        slow.finish_all();
        slow.now += ms(5000);
        slow.feed(Input::Tick);
        slow.finish_all();
        slow
    }

    /// Ends the first job that waits, well or not.
    fn finish(&mut self, well: bool) {
        let (op, job) = self.jobs.remove(0);
        let missing = JobError { kind: JobErrorKind::NotFound, message: "no such file".into() };
        let full = JobError { kind: JobErrorKind::NoSpace, message: "no space left".into() };
        let result = match job {
            Job::Read { .. } => Outcome::Failed(missing),
            Job::FindProgram { .. } => Outcome::Stat(well.then_some(9)),
            _ if well => Outcome::Written,
            _ => Outcome::Failed(full),
        };
        self.feed(Input::Done { op, result });
    }

    fn finish_all(&mut self) {
        while !self.jobs.is_empty() {
            self.finish(true);
        }
    }
}

impl Clients for Slow {
    fn machine(&mut self) -> (&mut Sentinel, Instant) {
        (&mut self.sentinel, self.now)
    }

    fn act(&mut self, actions: Vec<Action<Event>>) {
        for action in actions {
            match action {
                Action::Start { op, job: Job::Listen { at, .. } } => {
                    self.feed(Input::Done { op, result: Outcome::Listening(at) });
                }
                Action::Start { op, job: Job::Usage } => {
                    self.feed(Input::Done { op, result: Outcome::Cancelled });
                }
                Action::Start { op, job } => self.jobs.push((op, job)),
                Action::Event(Event { what: What::Note { text, .. }, .. }) => self.notes.push(text.into()),
                _ => {}
            }
        }
    }
}

/// The names and values of a flat reply of bulk strings.
fn pairs(reply: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = reply.split("\r\n").collect();
    let words: Vec<&str> = lines.iter().filter(|l| !l.starts_with(['*', '$', '%'])).copied().collect();
    words.chunks_exact(2).map(|w| (w[0].to_string(), w[1].to_string())).collect()
}

fn names(reply: &str) -> String {
    pairs(reply).into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(" ")
}

fn value(reply: &str, name: &str) -> String {
    pairs(reply).into_iter().find(|(n, _)| n == name).map_or_else(String::new, |(_, v)| v)
}

const SERVER: &str = "name ip port runid flags link-pending-commands link-refcount last-ping-sent last-ok-ping-reply \
                      last-ping-reply down-after-milliseconds info-refresh role-reported role-reported-time";

#[test]
fn instances_are_maps_in_redis_order() {
    let mut r = rig(&[6380], 1, 2, 1000);
    r.pass(ms(3000));
    let c = r.client(1);
    let master = r.ask(c, "SENTINEL MASTER mymaster");
    assert!(master.starts_with("*40\r\n$4\r\nname\r\n$8\r\nmymaster\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n"), "{master}");
    let rest = "config-epoch num-slaves num-other-sentinels quorum failover-timeout parallel-syncs";
    assert_eq!(names(&master), format!("{SERVER} {rest}"));
    assert_eq!((value(&master, "flags"), value(&master, "num-slaves")), ("master".into(), "1".into()));
    assert_eq!(r.ask(c, "SENTINEL masters"), format!("*1\r\n{}", r.ask(c, "sentinel PRIMARY mymaster")));
    let replicas = r.ask(c, "SENTINEL REPLICAS mymaster");
    assert_eq!(replicas, r.ask(c, "SENTINEL SLAVES mymaster"));
    let rest = "master-link-down-time master-link-status master-host master-port slave-priority slave-repl-offset \
                replica-announced";
    assert_eq!(names(&replicas), format!("{SERVER} {rest}"));
    assert!(replicas.starts_with("*1\r\n*42\r\n$4\r\nname\r\n$14\r\n127.0.0.1:6380\r\n"), "{replicas}");
    assert_eq!((value(&replicas, "flags"), value(&replicas, "master-port")), ("slave".into(), "6379".into()));
    let peers = r.ask(c, "SENTINEL SENTINELS mymaster");
    let common = SERVER.split(" info-refresh").next().unwrap();
    assert_eq!(names(&peers), format!("{common} last-hello-message voted-leader voted-leader-epoch"));
    assert_eq!((value(&peers, "name"), value(&peers, "voted-leader")), (run_id(26380).to_string(), "?".into()));
    r.ask(c, "HELLO 3");
    assert!(r.ask(c, "SENTINEL MASTER mymaster").starts_with("%20\r\n"));
    assert!(r.ask(c, "SENTINEL REPLICAS mymaster").starts_with("*1\r\n%21\r\n"));
    assert_eq!(r.ask(c, "SENTINEL GET-MASTER-ADDR-BY-NAME nosuch"), "_\r\n");
}

#[test]
fn a_master_that_is_down_shows_since_when() {
    let mut r = rig(&[], 0, 1, 1000);
    r.pass(ms(3000));
    r.kill(MASTER);
    r.pass(ms(2000));
    let c = r.client(1);
    let master = r.ask(c, "SENTINEL MASTER mymaster");
    assert_eq!(value(&master, "flags"), "s_down,o_down,master,disconnected");
    assert!(names(&master).contains("last-ping-reply s-down-time o-down-time down-after-milliseconds"));
    let since: u64 = value(&master, "s-down-time").parse().unwrap();
    assert!((1000..=1200).contains(&since), "{since}");
    assert!(r.ask(c, "INFO sentinel").contains(",status=odown,address=127.0.0.1:6379,slaves=0,sentinels=1\r\n"));
    assert_eq!(r.ask(c, "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 6379 0 *"), "*3\r\n:1\r\n$1\r\n*\r\n:0\r\n");
    assert!(r.ask(c, "SENTINEL FAILOVER mymaster").starts_with('-'));
}

/// Commands that change nothing or only what a later line asks for, with their answers by a real sentinel.
const ANSWERS: &[(&str, &str)] = &[
    ("PING", "+PONG\r\n"),
    ("PING a b", "-ERR wrong number of arguments for 'ping' command\r\n"),
    ("ECHO x", "-ERR unknown command 'ECHO', with args beginning with: 'x' \r\n"),
    ("QUIT", "-ERR unknown command 'QUIT', with args beginning with: \r\n"),
    ("CONFIG GET port", "-ERR unknown command 'CONFIG', with args beginning with: 'GET' 'port' \r\n"),
    ("ROLE", "*2\r\n$8\r\nsentinel\r\n*1\r\n$8\r\nmymaster\r\n"),
    ("SENTINEL", "-ERR wrong number of arguments for 'sentinel' command\r\n"),
    ("SENTINEL nosuch", "-ERR unknown subcommand 'nosuch'. Try SENTINEL HELP.\r\n"),
    ("SENTINEL MASTERS x", "-ERR wrong number of arguments for 'sentinel|masters' command\r\n"),
    ("SENTINEL MASTER nosuch", "-ERR No such master with that name\r\n"),
    ("SENTINEL GET-MASTER-ADDR-BY-NAME mymaster", "*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n"),
    ("SENTINEL GET-PRIMARY-ADDR-BY-NAME mymaster", "*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n"),
    ("SENTINEL GET-MASTER-ADDR-BY-NAME nosuch", "*-1\r\n"),
    ("SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 6379 0 *", "*3\r\n:0\r\n$1\r\n*\r\n:0\r\n"),
    ("SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 7 0 *", "*3\r\n:0\r\n$1\r\n*\r\n:0\r\n"),
    ("SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 99999 -1 *", "*3\r\n:0\r\n$1\r\n*\r\n:0\r\n"),
    ("SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 x 0 *", "-ERR value is not an integer or out of range\r\n"),
    ("SENTINEL CKQUORUM nosuch", "-ERR No such master with that name\r\n"),
    ("SENTINEL MONITOR mymaster 127.0.0.1 7101 2", "-ERR Duplicate master name.\r\n"),
    ("SENTINEL MONITOR other nohost.invalid 7101 2", "-ERR Invalid IP address or hostname specified\r\n"),
    ("SENTINEL MONITOR other 127.0.0.1 7101 0", "-ERR Quorum must be 1 or greater.\r\n"),
    ("SENTINEL MONITOR other 127.0.0.1 7101 x", "-ERR Invalid quorum\r\n"),
    ("SENTINEL MONITOR other 127.0.0.1 70000 1", "-ERR Invalid port number.\r\n"),
    ("SENTINEL MONITOR other 127.0.0.1 7105 1", "+OK\r\n"),
    ("SENTINEL SENTINELS other", "*0\r\n"),
    ("SENTINEL CKQUORUM other", "+OK 1 usable Sentinels. Quorum and failover authorization can be reached\r\n"),
    ("SENTINEL SET other quorum", "-ERR wrong number of arguments for 'sentinel|set' command\r\n"),
    ("SENTINEL SET other quorum 0", "-ERR Invalid argument '0' for SENTINEL SET 'quorum'\r\n"),
    ("SENTINEL SET other quorum 2", "+OK\r\n"),
    ("SENTINEL SET nosuch quorum 2", "-ERR No such master with that name\r\n"),
    (
        "SENTINEL CKQUORUM other",
        "-NOQUORUM 1 usable Sentinels. Not enough available Sentinels to reach the specified quorum for this master\r\n",
    ),
    ("SENTINEL FAILOVER other", "-NOGOODSLAVE No suitable replica to promote\r\n"),
    ("SENTINEL FAILOVER other COORDINATED", "-NOGOODPRIMARY Primary does not support FAILOVER command\r\n"),
    ("SENTINEL FAILOVER other SOON", "-ERR syntax error\r\n"),
    ("SENTINEL RESET *x*", ":0\r\n"),
    ("SENTINEL RESET oth*", ":1\r\n"),
    ("SENTINEL REMOVE other", "+OK\r\n"),
    ("SENTINEL REMOVE other", "-ERR No such master with that name\r\n"),
    ("SENTINEL FLUSHCONFIG", "+OK\r\n"),
    ("SENTINEL CONFIG", "-ERR wrong number of arguments for 'sentinel|config' command\r\n"),
    ("SENTINEL CONFIG GET nosuch", "*0\r\n"),
    ("SENTINEL CONFIG GET announce-p*", "*2\r\n$13\r\nannounce-port\r\n$1\r\n0\r\n"),
    ("SENTINEL CONFIG SET announce-port 7", "+OK\r\n"),
    ("SENTINEL CONFIG GET announce-port", "*2\r\n$13\r\nannounce-port\r\n$1\r\n7\r\n"),
    ("SENTINEL CONFIG SET nosuch x", "-ERR Invalid argument 'nosuch' to SENTINEL CONFIG SET\r\n"),
    ("SENTINEL CONFIG SET announce-port x", "-ERR Invalid value 'x' to SENTINEL CONFIG SET 'announce-port'\r\n"),
    (
        "SENTINEL CONFIG SET announce-port",
        "-ERR Only SENTINEL CONFIG GET <param> [<param> <param> ...] / SET <param> <value> [<param> <value> ...] are \
         supported.\r\n",
    ),
    ("SENTINEL PENDING-SCRIPTS", "*0\r\n"),
    ("SENTINEL INFO-CACHE nosuch", "*0\r\n"),
    ("SENTINEL SIMULATE-FAILURE help", "*2\r\n$20\r\ncrash-after-election\r\n$21\r\ncrash-after-promotion\r\n"),
    ("SENTINEL SIMULATE-FAILURE nosuch", "-ERR Unknown failure simulation specified\r\n"),
    ("SENTINEL DEBUG nosuch 1", "-ERR Unknown option or number of arguments for SENTINEL DEBUG 'nosuch'\r\n"),
    ("SENTINEL DEBUG info-period", "-ERR Unknown option or number of arguments for SENTINEL DEBUG 'info-period'\r\n"),
    ("SENTINEL DEBUG info-period 0", "-ERR Invalid argument '0' for SENTINEL DEBUG 'info-period'\r\n"),
    ("SENTINEL DEBUG info-period 10000", "+OK\r\n"),
    ("PUBLISH foo bar", "-ERR Only HELLO messages are accepted by Sentinel instances.\r\n"),
    ("PUBLISH __sentinel__:hello junk", ":1\r\n"),
    ("COMMAND COUNT", ":15\r\n"),
    ("ACL WHOAMI", "$7\r\ndefault\r\n"),
    ("ACL LIST", "*1\r\n$34\r\nuser default on nopass ~* &* +@all\r\n"),
    ("ACL NOSUCH", "-ERR unknown subcommand 'NOSUCH'. Try ACL HELP.\r\n"),
    ("INFO nosuch", "$0\r\n\r\n"),
    ("SHUTDOWN ABORT", "-ERR No shutdown in progress.\r\n"),
    ("SUBSCRIBE +sdown", "*3\r\n$9\r\nsubscribe\r\n$6\r\n+sdown\r\n:1\r\n"),
    ("PING", "*2\r\n$4\r\npong\r\n$0\r\n\r\n"),
];

#[test]
fn answers_are_those_of_a_real_sentinel() {
    let mut r = rig(&[], 0, 1, 1000);
    r.pass(ms(3000));
    let c = r.client(1);
    for (line, answer) in ANSWERS {
        assert_eq!(r.ask(c, line), *answer, "{line}");
    }
}

#[test]
fn who_a_sentinel_is() {
    let mut r = rig(&[], 0, 1, 1000);
    r.pass(ms(3000));
    let c = r.client(1);
    let hello = r.ask(c, "HELLO 3");
    assert!(
        hello.starts_with("%6\r\n") && hello.contains("$4\r\nmode\r\n$8\r\nsentinel\r\n$7\r\nmodules\r\n"),
        "{hello}"
    );
    assert_eq!(r.ask(c, "SENTINEL MYID"), format!("$40\r\n{}\r\n", run_id(1)));
    let info = r.ask(c, "INFO");
    // A plain string in RESP3, too.
    assert!(info.starts_with('$'), "{info}");
    let sections: Vec<&str> = info.split("\r\n").filter(|l| l.starts_with("# ")).collect();
    assert_eq!(sections, ["# Server", "# Clients", "# Stats", "# CPU", "# Sentinel"]);
    for line in ["redis_mode:sentinel", "tcp_port:26379", "connected_clients:1", "sentinel_tilt_since_seconds:-1"] {
        assert!(info.contains(&format!("\r\n{line}\r\n")), "{line} in {info}");
    }
    assert_eq!(r.ask(c, "SENTINEL DEBUG").split("\r\n").next(), Some("%13"));
    assert!(r.ask(c, "SENTINEL INFO-CACHE mymaster").starts_with("*2\r\n$8\r\nmymaster\r\n*1\r\n*2\r\n:"));
}

#[test]
fn a_password_is_asked_for() {
    let mut r = rig(&[], 0, 1, 1000);
    let clients = &mut r.sentinel.clients;
    clients.users.require_password(&clients.commands, b"secret");
    let c = r.client(1);
    assert_eq!(r.ask(c, "SENTINEL MASTERS"), "-NOAUTH Authentication required.\r\n");
    assert!(r.ask(c, "AUTH wrong").starts_with("-WRONGPASS"));
    assert_eq!(r.ask(c, "AUTH secret"), "+OK\r\n");
    assert!(r.ask(c, "SENTINEL MASTERS").starts_with("*1\r\n"));
}

#[test]
fn users_are_held_to_their_rules() {
    let mut r = rig(&[], 0, 1, 1000);
    let (c, u) = (r.client(1), r.client(2));
    assert_eq!(r.ask(c, "ACL SETUSER app on >pw &+switch-* +sentinel|masters +psubscribe +subscribe"), "+OK\r\n");
    assert_eq!(r.ask(u, "AUTH app pw"), "+OK\r\n");
    assert!(r.ask(u, "SENTINEL MASTERS").starts_with("*1\r\n"));
    let denied = "-NOPERM this user has no permissions to";
    assert_eq!(r.ask(u, "SENTINEL RESET *"), format!("{denied} run the 'sentinel|reset' command\r\n"));
    assert_eq!(r.ask(u, "SUBSCRIBE +sdown"), format!("{denied} access one of the channels used as arguments\r\n"));
    assert!(r.ask(u, "SUBSCRIBE +switch-master").starts_with("*3\r\n"));
    assert_eq!(r.sentinel.as_config().settings.users[0].words[..2], ["app", "on"]);
    assert_eq!(r.ask(c, "ACL DELUSER app"), ":1\r\n");
    assert_eq!(r.sentinel.as_config().settings.users, []);
}

#[test]
fn a_vote_is_told_once_it_is_on_the_disk() {
    let mut slow = Slow::new();
    let (a, b) = (slow.client(1), slow.client(2));
    let ask = |id: u16| format!("SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 6379 1 {}", run_id(id));
    assert_eq!(slow.ask(a, &ask(7)), "", "it is being written");
    assert_eq!(slow.ask(a, "PING"), "", "behind it");
    assert_eq!(slow.ask(b, &ask(8)), "", "the other one waits for the same vote");
    let vote = format!("*3\r\n:0\r\n$40\r\n{}\r\n:1\r\n", run_id(7));
    slow.finish(true);
    assert_eq!((slow.take(a), slow.take(b)), (format!("{vote}+PONG\r\n"), vote.clone()));
    assert_eq!(slow.ask(b, &ask(8)), vote, "it stands");
}

#[test]
fn a_vote_that_cannot_be_written_is_not_told() {
    let mut slow = Slow::new();
    let a = slow.client(1);
    assert_eq!(slow.ask(a, &format!("SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 6379 1 {}", run_id(7))), "");
    slow.finish(false);
    assert_eq!(slow.take(a), "*3\r\n:0\r\n$1\r\n*\r\n:0\r\n");
}

#[test]
fn who_left_is_owed_no_vote() {
    let mut slow = Slow::new();
    let (a, b) = (slow.client(1), slow.client(2));
    for conn in [a, b] {
        assert_eq!(slow.ask(conn, &format!("SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 6379 1 {}", run_id(7))), "");
    }
    slow.feed(Input::Closed { conn: a, reason: crate::machine::Closed::Reset });
    assert_eq!(slow.sentinel.owed.len(), 1);
    slow.finish(true);
    assert_eq!((slow.take(a), slow.sentinel.owed.len()), (String::new(), 0));
    assert!(slow.take(b).starts_with("*3\r\n:0\r\n$40\r\n"));
}

#[test]
fn a_change_is_answered_once_sentinel_conf_says_so() {
    let mut slow = Slow::new();
    let c = slow.client(1);
    for line in ["SENTINEL MONITOR other 127.0.0.1 7000 1", "SENTINEL SET other quorum 3", "SENTINEL FLUSHCONFIG"] {
        assert_eq!(slow.ask(c, line), "", "{line}");
        slow.finish_all();
        assert_eq!(slow.take(c), "+OK\r\n", "{line}");
    }
    assert_eq!(slow.ask(c, "SENTINEL SET other quorum 4"), "");
    while !slow.jobs.is_empty() {
        slow.finish(false);
    }
    let answer = slow.take(c);
    assert!(answer.starts_with("-ERR ") && answer.contains("no space left"), "{answer}");
    assert_eq!(slow.sentinel.group("other").unwrap().set.quorum, 4, "it is in force all the same");
    assert_eq!(slow.ask(c, "SENTINEL REMOVE other"), "");
    slow.finish_all();
    assert_eq!(slow.take(c), "+OK\r\n");
    assert!(slow.sentinel.group("other").is_none());
}

#[test]
fn a_script_is_looked_for_before_it_is_set() {
    let mut slow = Slow::new();
    let c = slow.client(1);
    let line = "SENTINEL SET mymaster quorum 5 notification-script /a client-reconfig-script /b";
    let set = |slow: &Slow| {
        let set = &slow.sentinel.group("mymaster").unwrap().set;
        (set.quorum, set.notification_script.clone(), set.client_reconfig_script.clone())
    };
    let nothing = (2, String::new(), String::new());
    for (a, b, which) in [(true, false, "Client reconfiguration"), (false, true, "Notification")] {
        assert_eq!(slow.ask(c, line), "");
        slow.finish(a);
        assert_eq!((slow.take(c), set(&slow)), (String::new(), nothing.clone()), "the other one is looked for still");
        slow.finish(b);
        assert_eq!(slow.take(c), format!("-ERR {which} script seems non existing or non executable\r\n"));
        assert_eq!(set(&slow), nothing, "all or nothing");
    }
    assert_eq!(slow.ask(c, line), "");
    slow.finish(true);
    slow.finish(true);
    assert_eq!((slow.take(c), set(&slow)), (String::new(), (5, "/a".into(), "/b".into())), "the file comes first");
    slow.finish_all();
    assert_eq!(slow.take(c), "+OK\r\n");
    // The master goes while its script is looked for, and the client too.
    let d = slow.client(2);
    assert_eq!((slow.ask(c, line), slow.ask(d, "SENTINEL REMOVE mymaster")), (String::new(), String::new()));
    slow.feed(Input::Closed { conn: c, reason: crate::machine::Closed::Reset });
    slow.finish_all();
    assert_eq!((slow.take(d), slow.sentinel.looking.len()), ("+OK\r\n".into(), 0));
}

#[test]
fn subscribers_hear_of_events() {
    let mut r = rig(&[], 0, 1, 1000);
    r.pass(ms(3000));
    let (a, b) = (r.client(1), r.client(2));
    r.ask(a, "SUBSCRIBE +sdown");
    r.ask(b, "HELLO 3");
    r.ask(b, "PSUBSCRIBE +s*");
    r.kill(MASTER);
    r.pass(ms(2000));
    let payload = "$30\r\nmaster mymaster 127.0.0.1 6379\r\n";
    assert_eq!(r.take(a), format!("*3\r\n$7\r\nmessage\r\n$6\r\n+sdown\r\n{payload}"));
    assert_eq!(r.take(b), format!(">4\r\n$8\r\npmessage\r\n$3\r\n+s*\r\n$6\r\n+sdown\r\n{payload}"));
    // Whoever causes an event and listens hears of it behind its own answer.
    let set = "$56\r\nmaster mymaster 127.0.0.1 6379 down-after-milliseconds 7\r\n";
    let answer = r.ask(b, "SENTINEL SET mymaster down-after-milliseconds 7");
    assert_eq!(answer, format!("+OK\r\n>4\r\n$8\r\npmessage\r\n$3\r\n+s*\r\n$4\r\n+set\r\n{}", &set));
}

#[test]
fn a_secret_is_stars_to_subscribers() {
    let mut r = rig(&[], 0, 1, 1000);
    let (a, b) = (r.client(1), r.client(2));
    r.ask(a, "SUBSCRIBE +set");
    assert_eq!(r.ask(b, "SENTINEL SET mymaster auth-pass geheim"), "+OK\r\n");
    let heard = r.take(a);
    assert!(heard.contains("auth-pass ******") && !heard.contains("geheim"), "{heard}");
}

#[test]
fn a_hello_makes_a_sentinel_known() {
    let mut r = rig(&[], 0, 1, 1000);
    let c = r.client(1);
    let hello = format!("127.0.0.1,26390,{},0,mymaster,127.0.0.1,6379,0", run_id(9));
    assert_eq!(r.ask(c, &format!("PUBLISH __sentinel__:hello {hello}")), ":1\r\n");
    assert_eq!(value(&r.ask(c, "SENTINEL SENTINELS mymaster"), "runid"), run_id(9).to_string());
}

#[test]
fn what_a_failover_would_do_is_said_and_not_done() {
    let mut r = rig(&[6380], 0, 1, 1000);
    r.pass(ms(3000));
    let c = r.client(1);
    let dry = r.ask(c, "SENTINEL FAILOVER mymaster DRYRUN");
    assert_eq!(dry, "+127.0.0.1:6380 would be promoted, 0 bytes behind by the last INFO of both\r\n");
    assert!(!value(&r.ask(c, "SENTINEL MASTER mymaster"), "flags").contains("failover"));
    let explained = r.ask(c, "SENTINEL EXPLAIN mymaster");
    assert!(explained.starts_with("*18\r\n$7\r\nverdict\r\n"), "{explained}");
    assert_eq!(value(&explained, "promoted"), "127.0.0.1:6380");
    assert_eq!(r.ask(c, "SENTINEL FAILOVER mymaster"), "+OK\r\n");
    let under_way = r.ask(c, "SENTINEL MASTER mymaster");
    assert_eq!(value(&under_way, "flags"), "master,failover_in_progress,force_failover");
    assert!(names(&under_way).contains("link-refcount failover-state last-ping-sent"), "{under_way}");
    assert_eq!(r.ask(c, "SENTINEL FAILOVER mymaster DRYRUN"), "-INPROG Failover already in progress\r\n");
}

#[test]
fn only_those_that_are_down_are_forgotten() {
    let mut r = rig(&[6380], 1, 2, 1000);
    r.pass(ms(3000));
    let c = r.client(1);
    let (replica, peer) = (
        "SENTINEL FORGET-REPLICA mymaster 127.0.0.1 6380".to_string(),
        format!("SENTINEL FORGET-SENTINEL mymaster {}", run_id(26380)),
    );
    for line in [&replica, &peer] {
        assert!(r.ask(c, line).starts_with("-ERR That "), "{line}");
    }
    r.fakes.get_mut(&MASTER).unwrap().replicas.clear();
    r.kill(6380);
    r.kill(26380);
    r.pass(ms(3000));
    for line in [&replica, &peer] {
        assert_eq!(r.ask(c, line), "+OK\r\n", "{line}");
        assert!(r.ask(c, line).starts_with("-ERR No such "), "{line}");
    }
    assert_eq!(r.ask(c, "SENTINEL REPLICAS mymaster"), "*0\r\n");
    assert!(r.ask(c, "SENTINEL CKQUORUM mymaster").starts_with("-NOQUORUM 1 usable"));
}

#[test]
fn shutdown_writes_sentinel_conf_first() {
    let mut slow = Slow::new();
    let c = slow.client(1);
    assert_eq!(slow.ask(c, "SHUTDOWN"), "");
    assert!(slow.notes.iter().any(|n| n.contains("shutdown")), "{:?}", slow.notes);
    assert!(matches!(slow.jobs.first(), Some((_, Job::Read { .. }))), "{:?}", slow.jobs);
}
