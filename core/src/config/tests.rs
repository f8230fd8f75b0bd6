use super::*;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use quickcheck::quickcheck;

fn load(text: &str) -> Result<Config, ConfigError> {
    let mut config = Config::new();
    config.load("redis.conf", text, &mut |_| Err("no such file".into()))?;
    Ok(config)
}

fn loaded(text: &str) -> Config {
    load(text).unwrap_or_else(|e| panic!("{e}"))
}

fn get(config: &Config, name: &str) -> String {
    let mut found = config.get(&[name.as_bytes()]);
    assert_eq!(found.len(), 1, "{name}");
    found.remove(0).1
}

fn set(config: &mut Config, pairs: &[(&str, &str)]) -> Result<Vec<&'static str>, String> {
    let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
    config.set(&pairs).map_err(|e| e.to_string())
}

/// What redis-server 7.0 answers to `CONFIG GET *`, started without a file; `bind`, `port` and `dir` aside.
const REDIS_7: &str = include_str!("tests/config-get-7.0.txt");

#[test]
fn defaults_are_redis_s() {
    let config = Config::new();
    for line in REDIS_7.lines() {
        let (name, value) = line.split_once(' ').unwrap();
        assert_eq!(get(&config, name), value, "{name}");
    }
    assert_eq!(get(&config, "bind"), "127.0.0.1 -::1");
    assert_eq!(get(&config, "set-max-listpack-entries"), "128");
}

#[test]
fn names_are_unique_and_defaults_are_allowed() {
    let mut names: Vec<_> = directives().iter().flat_map(Directive::names).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for d in directives() {
        let mut config = Config::new();
        if let Some(value) = d.show(&config.settings) {
            config.settings.save.clear();
            assert_eq!(d.take(&mut config, &[&value]), Ok(()), "{}", d.name);
            assert_eq!(
                config.settings,
                Settings { save: config.settings.save.clone(), ..Settings::default() },
                "{}",
                d.name
            );
            assert_eq!(d.show(&config.settings), Some(value), "{}", d.name);
        }
    }
}

/// The active lines of the file that Debian installs, by value.
const DEBIAN: &str = r#"
bind 127.0.0.1 -::1
protected-mode yes
port 6379
tcp-backlog 511
timeout 0
tcp-keepalive 300
daemonize yes
pidfile /run/redis/redis-server.pid
loglevel notice
logfile /var/log/redis/redis-server.log
databases 16
always-show-logo no
set-proc-title yes
proc-title-template "{title} {listen-addr} {server-mode}"
stop-writes-on-bgsave-error yes
rdbcompression yes
rdbchecksum yes
dbfilename dump.rdb
rdb-del-sync-files no
dir /var/lib/redis
replica-serve-stale-data yes
replica-read-only yes
repl-diskless-sync yes
repl-diskless-sync-delay 5
repl-diskless-sync-max-replicas 0
repl-diskless-load disabled
repl-disable-tcp-nodelay no
replica-priority 100
acllog-max-len 128
lazyfree-lazy-eviction no
lazyfree-lazy-expire no
lazyfree-lazy-server-del no
replica-lazy-flush no
lazyfree-lazy-user-del no
lazyfree-lazy-user-flush no
oom-score-adj no
oom-score-adj-values 0 200 800
disable-thp yes
appendonly no
appendfilename "appendonly.aof"
appenddirname "appendonlydir"
appendfsync everysec
no-appendfsync-on-rewrite no
auto-aof-rewrite-percentage 100
auto-aof-rewrite-min-size 64mb
aof-load-truncated yes
aof-use-rdb-preamble yes
aof-timestamp-enabled no
slowlog-log-slower-than 10000
slowlog-max-len 128
latency-monitor-threshold 0
notify-keyspace-events ""
hash-max-listpack-entries 512
hash-max-listpack-value 64
list-max-listpack-size -2
list-compress-depth 0
set-max-intset-entries 512
zset-max-listpack-entries 128
zset-max-listpack-value 64
hll-sparse-max-bytes 3000
stream-node-max-bytes 4096
stream-node-max-entries 100
activerehashing yes
client-output-buffer-limit normal 0 0 0
client-output-buffer-limit replica 256mb 64mb 60
client-output-buffer-limit pubsub 32mb 8mb 60
hz 10
dynamic-hz yes
aof-rewrite-incremental-fsync yes
rdb-save-incremental-fsync yes
jemalloc-bg-thread yes
"#;

#[test]
fn debian_s_file_is_read_and_left_alone() {
    let config = loaded(DEBIAN);
    let expected = Settings {
        daemonize: true,
        pidfile: "/run/redis/redis-server.pid".into(),
        logfile: "/var/log/redis/redis-server.log".into(),
        dir: "/var/lib/redis".into(),
        ..Settings::default()
    };
    assert_eq!(config.settings, expected);
    assert_eq!(config.rewrite(DEBIAN), DEBIAN);
}

#[test]
fn values_of_every_shape() {
    let c = loaded(
        "  PROTO-MAX-BULK-LEN 1gb\r\n# port 1\n\trepl-backlog-size 1k\nsave 900 1\nsave 60 10 30 20\nslaveof \"h\\x6fst\" 6379\n\
         bind * -::* host\nclient-output-buffer-limit slave 1mb 1k 5\nrequirepass 'a \"b'\n\
         shutdown-on-sigterm nosave now\nunixsocketperm 0770\nhz 9999\n\
         loglevel WARNING\nlua-time-limit 7\nmaxmemory-clients 5%",
    );
    let s = &c.settings;
    assert_eq!(
        (s.proto_max_bulk_len, s.repl_backlog_size, s.hz, s.loglevel),
        (1 << 30, 16 << 10, 500, LogLevel::Warning)
    );
    assert_eq!(get(&c, "save"), "900 1 60 10 30 20");
    assert_eq!(s.replicaof, Some(MasterAddress { host: "host".into(), port: 6379 }));
    assert_eq!(s.bind.iter().map(|b| b.optional).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(get(&c, "bind"), "* -::* host");
    assert_eq!(get(&c, "client-output-buffer-limit"), "normal 0 0 0 slave 1048576 1000 5 pubsub 33554432 8388608 60");
    assert_eq!(s.requirepass, "a \"b");
    assert_eq!(Notify::parse("KEg$x").unwrap().to_string(), "g$xKE");
    for (name, value) in [
        ("shutdown-on-sigterm", "nosave now"),
        ("unixsocketperm", "770"),
        ("busy-reply-threshold", "7"),
        ("maxmemory-clients", "5%"),
        ("slaveof", "host 6379"),
    ] {
        assert_eq!(get(&c, name), value);
    }
    assert_eq!(loaded("save \"\"\n").settings.save, []);
    assert_eq!(loaded("save 1 2\nsave \"\"\nsave 3 4\n").settings.save, [SaveRule { seconds: 3, changes: 4 }]);
    assert_eq!(loaded("save \"1 2 3 4\"").settings.save.len(), 2);
    assert_eq!(Notify::parse("KEA").unwrap().to_string(), "AKE");
    assert_eq!(loaded("replicaof no one").settings.replicaof, None);
}

#[test]
fn errors_say_where_and_what_to_do() {
    let error = |text: &str| load(text).expect_err(text);
    let e = error("port 1\n\n  maxmemry 1gb  \n");
    assert_eq!((&e.file[..], e.line, &e.text[..]), ("redis.conf", 3, "maxmemry 1gb"));
    assert_eq!(
        e.to_string(),
        "Reading the configuration file redis.conf, at line 3\n>>> 'maxmemry 1gb'\n\
         Bad directive or wrong number of arguments: 'maxmemry' is unknown (did you mean 'maxmemory'?)"
    );
    assert!(!error("xyzzy 1").reason.contains("mean"));
    for (text, words) in [
        ("port x", "argument couldn't be parsed into an integer"),
        ("port 70000", "argument must be between 0 and 65535 inclusive"),
        ("port", "wrong number of arguments"),
        ("port 1 2", "wrong number of arguments"),
        ("requirepass \"a", "Unbalanced quotes in configuration line"),
        ("appendonly yes", "set 'appendonly no'"),
        ("cluster-enabled yes", "set 'cluster-enabled no'"),
        ("tls-port 70000", "between 0 and 65535"),
        ("tls-protocols \"TLSv1.2 TLSv1.1\"", "TLSv1.1 is out of use"),
        ("tls-protocols SSLv3", "'TLSv1.2', 'TLSv1.3' or both"),
        ("tls-cluster yes", "set 'cluster-enabled no'"),
        ("loadmodule x.so a", "remove the 'loadmodule' line"),
        ("aclfile /x\nuser alice on >x ~*", "keep one of them"),
        ("user", "wrong number of arguments"),
        ("user \"\" on", "the name of a user"),
        ("rename-command FLUSHALL", "wrong number of arguments"),
        ("replicaof h", "wrong number of arguments"),
        ("replicaof h 0", "Invalid master port"),
        ("save 1", "Invalid save parameters"),
        ("dbfilename a/b", "not a path"),
        ("unixsocketperm 9", "octal"),
        // Found by fuzzing: it was taken, and CONFIG REWRITE made two addresses of it.
        ("bind a \"b c\"", "white space"),
        ("unixsocketperm 1000", "between 0 and 777"),
        ("maxmemory 99999999999gb", "memory value"),
        ("include a b", "one file"),
        ("include a", "cannot include 'a': no such file"),
    ] {
        assert!(error(text).reason.contains(words), "{text}: {}", error(text).reason);
    }
}

#[test]
fn an_error_is_three_lines_whatever_the_file_says() {
    // Found by fuzzing: a name, or the file that was included, could bring lines of its own into the log.
    for text in ["\"a\\nb\" \"\\xff\"", "include \"a\\n# Ready\\x00\"", "\"x\\r\\x1b[2J\" 1"] {
        let shown = load(text).expect_err(text).to_string();
        assert!(shown.lines().count() == 3 && shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
    }
    let mut config = Config::new();
    let mut files = |_: &str| Ok("port x".to_string());
    let shown = config.load("top", "include \"a\\nb\"", &mut files).unwrap_err().to_string();
    assert_eq!(shown.lines().next(), Some("Reading the configuration file a\\nb, at line 1"));
}

#[test]
fn files_include_one_another_but_not_for_ever() {
    let mut config = Config::new();
    let mut files = |name: &str| match name {
        "a" => Ok("port 1\ninclude b\ntimeout 3".to_string()),
        "b" => Ok("port 2\n".to_string()),
        "bad" => Ok("\nport x".to_string()),
        _ => Ok("include self".to_string()),
    };
    config.load("top", "include a\ntcp-keepalive 4", &mut files).unwrap();
    assert_eq!((config.settings.port, config.settings.timeout, config.settings.tcp_keepalive), (2, 3, 4));
    let e = config.load("top", "include bad", &mut files).unwrap_err();
    assert_eq!((&e.file[..], e.line), ("bad", 2));
    assert!(config.load("top", "include self", &mut files).unwrap_err().reason.contains("deep"));
}

#[test]
fn arguments_as_redis_server_takes_them() {
    let args = |list: &[&str]| {
        let mut config = Config::new();
        config.apply_args(list).map(|()| config.settings)
    };
    let s =
        args(&["--port", "6380", "--replicaof", "h 1", "--bind", "a", "b", "--save", "", "--loglevel debug"]).unwrap();
    assert_eq!((s.port, s.replicaof.unwrap().port, s.bind.len(), s.save.len()), (6380, 1, 2, 0));
    assert_eq!(s.loglevel, LogLevel::Debug);
    assert_eq!(args(&["--save", "--port", "1"]).unwrap().save, []);
    assert_eq!(args(&["--save", "1", "2", "--save", "3 4"]).unwrap().save.len(), 2);
    assert_eq!(args(&["--requirepass", "a b\n\"'"]).unwrap().requirepass, "a b\n\"'");
    assert_eq!(args(&["--requirepass", "--x", "--port", "1"]).unwrap().requirepass, "--x");
    assert_eq!(args(&["--loglevel debug", "--port", "1"]).unwrap().port, 1);
    assert_eq!(args(&["--hz", "--save", ""]).unwrap_err().text, "hz \"--save\" \"\"");
    let e = args(&["--port", "1", "--hz"]).unwrap_err();
    assert_eq!((e.line, &e.reason[..]), (2, "wrong number of arguments"));
    assert!(args(&["port", "1"]).is_err() && args(&["--", "1"]).is_err() && args(&["--include", "x"]).is_err());
}

#[test]
fn get_takes_several_patterns() {
    let c = Config::new();
    let names = |patterns: &[&[u8]]| c.get(patterns).into_iter().map(|(n, _)| n).collect::<Vec<_>>();
    assert_eq!(names(&[b"po?t", b"PORT", b"slaveo[f]"]), ["slaveof", "port"]);
    assert_eq!(names(&[b"replicaof", b"slaveof"]), ["replicaof", "slaveof"]);
    assert_eq!(names(&[b"key-load-d*"]), [""; 0]);
    assert_eq!(names(&[b"key-load-delay"]), ["key-load-delay"]);
    assert_eq!(names(&[b"user", b"include", b"rename-command"]), [""; 0]);
}

#[test]
fn set_changes_all_or_nothing() {
    let mut c = Config::new();
    assert_eq!(
        set(&mut c, &[("repl-backlog-size", "2mb"), ("HZ", "0"), ("timeout", "0")]),
        Ok(["repl-backlog-size", "hz"].into())
    );
    assert_eq!((c.settings.repl_backlog_size, c.settings.hz), (2 << 20, 1));
    assert_eq!(set(&mut c, &[("save", "10 20 30 40")]), Ok(["save"].into()));
    assert_eq!(set(&mut c, &[("save", "")]), Ok(["save"].into()));
    assert_eq!(set(&mut c, &[("slave-priority", "5"), ("replica-priority", "6")]), Ok(["replica-priority"].into()));
    let before = c.clone();
    let failed =
        |name: &str, reason: &str| format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}");
    let unknown = |name: &str| format!("ERR Unknown option or number of arguments for CONFIG SET - '{name}'");
    let two = "wrong number of arguments";
    for (pairs, answer) in [
        (&[("masteruser", "x"), ("maxmemory", "zz")][..], failed("maxmemory", "argument must be a memory value")),
        (&[("maxclients", "1"), ("noSuch", "1")], unknown("noSuch")),
        (&[("maxclients", "1"), ("port", "x"), ("nosuch", "x")], unknown("nosuch")),
        (&[("user", "a")], unknown("user")),
        (&[("maxclients", "1"), ("maxclients", "2")], failed("maxclients", "duplicate parameter")),
        (&[("databases", "5")], failed("databases", "can't set immutable config")),
        (&[("save", "100 1"), ("dir", "/x")], failed("dir", "can't set protected config")),
        (&[("Port", "x")], failed("Port", "argument couldn't be parsed into an integer")),
        (&[("timeout", "-1")], failed("timeout", "argument must be between 0 and 2147483647 inclusive")),
        (&[("maxclients", "0")], failed("maxclients", "argument must be between 1 and 4294967295 inclusive")),
        (&[("slave-read-only", "x")], failed("slave-read-only", "argument must be 'yes' or 'no'")),
        (
            &[("appendfsync", "x")],
            failed("appendfsync", "argument(s) must be one of the following: everysec, always, no"),
        ),
        (
            &[("proto-max-bulk-len", "1")],
            failed("proto-max-bulk-len", "argument must be between 1048576 and 9223372036854775807 inclusive"),
        ),
        (&[("save", "1 2 3")], failed("save", "Invalid save parameters")),
        (
            &[("client-output-buffer-limit", "normal 1 2")],
            failed("client-output-buffer-limit", "Wrong number of arguments in buffer limit configuration."),
        ),
        (
            &[("client-output-buffer-limit", "master 1 2 3")],
            failed("client-output-buffer-limit", "Invalid client class specified in buffer limit configuration."),
        ),
        (
            &[("client-output-buffer-limit", "normal a 2 3")],
            failed(
                "client-output-buffer-limit",
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
            ),
        ),
        (
            &[("notify-keyspace-events", "foo")],
            failed("notify-keyspace-events", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
        ),
        (
            &[("maxmemory-clients", "101%")],
            failed("maxmemory-clients", "percentage argument must be less or equal to 100"),
        ),
        (&[("maxmemory-clients", "-1%")], failed("maxmemory-clients", "argument must be a memory or percent value")),
        (&[("oom-score-adj-values", "1 2")], failed("oom-score-adj-values", two)),
        (
            &[("shutdown-on-sigterm", "x")],
            failed(
                "shutdown-on-sigterm",
                "argument(s) must be one of the following: default, save, nosave, now, force",
            ),
        ),
    ] {
        assert_eq!(set(&mut c, pairs), Err(answer));
    }
    assert!(set(&mut c, &[("appendonly", "yes")]).unwrap_err().contains("there is no append-only file"));
    assert!(
        set(&mut c, &[("timeout", "9"), ("activedefrag", "yes")]).unwrap_err().contains("argument 'activedefrag') - a")
    );
    assert_eq!(set(&mut c, &[("maxmemory", "0"), ("notify-keyspace-events", "")]), Ok([].into()));
    assert_eq!(c, before);
}

#[test]
fn protected_directives_open_as_configured() {
    let dir: &[(&[u8], &[u8])] = &[(b"dir", b"/x")];
    let mut c = loaded("enable-protected-configs local");
    assert!(c.set(dir).is_err());
    assert_eq!(c.set_from(dir, true).unwrap(), ["dir"]);
    assert_eq!(loaded("enable-protected-configs yes").set(dir).unwrap(), ["dir"]);
}

#[test]
fn rewrite_keeps_what_people_wrote() {
    let old = "# my server\nport 6379\n\n  # rules\nsave 900 1\nsave 300 10\nclient-query-buffer-limit  2048kb\nslaveof a 1\nbogus\ninclude other\nslave-priority 7";
    let mut c = Config::new();
    c.load("f", &old.replace("bogus", ""), &mut |_| Ok(String::new())).unwrap();
    assert_eq!(c.rewrite(old), format!("{old}\n"));
    set(
        &mut c,
        &[
            ("port", "6380"),
            ("save", "5 6"),
            ("requirepass", "x\n# y"),
            ("masterauth", "é"),
            ("repl-backlog-size", "2mb"),
        ],
    )
    .unwrap();
    c.settings.replicaof = None;
    let new = c.rewrite(old);
    assert_eq!(
        new,
        "# my server\nport 6380\n\n  # rules\nsave 5 6\nclient-query-buffer-limit  2048kb\nbogus\ninclude other\nslave-priority 7\n\
         # Generated by CONFIG REWRITE\nrequirepass \"x\\n# y\"\nmasterauth \"\\xc3\\xa9\"\nrepl-backlog-size 2mb\n"
    );
    assert_eq!(c.rewrite(&new), new);
    // Back to the defaults: written where it stood, and the signature stands once.
    set(&mut c, &[("repl-backlog-size", "1mb"), ("timeout", "3")]).unwrap();
    let newer = c.rewrite(&new);
    assert!(newer.contains("\nrepl-backlog-size 1mb\n") && newer.ends_with("\ntimeout 3\n"), "{newer}");
    assert_eq!(newer.matches("Generated by").count(), 1);
    c.settings.replicaof = Some(MasterAddress { host: "a\r\nport 1".into(), port: 9 });
    assert!(c.rewrite("").contains("\nreplicaof \"a\\r\\nport 1\" 9\n"));
}

quickcheck! {
    fn what_is_rewritten_reads_the_same(texts: Vec<String>, numbers: Vec<u32>, old: u8) -> bool {
        let mut c = Config::new();
        let text = |i: usize| texts.get(i).cloned().unwrap_or_default();
        let number = |i: usize| numbers.get(i).copied().unwrap_or(1);
        c.settings.requirepass = text(0);
        c.settings.dir = text(1);
        c.settings.repl_backlog_size = (16 << 10) + (u64::from(number(0)) << (number(1) % 32));
        c.settings.save = numbers.iter().map(|&n| SaveRule { seconds: u64::from(n) + 1, changes: 5 }).collect();
        c.settings.replicaof = Some(MasterAddress { host: text(2), port: 5 });
        c.settings.client_output_buffer_limit.pubsub.hard = u64::from(number(2));
        let old = ["", DEBIAN, "save 1 2\nsave 3 4\nreplicaof x 1\n"][usize::from(old) % 3];
        let new = c.rewrite(old);
        let mut again = Config::new();
        again.load("f", &new, &mut |_| Err(String::new())).unwrap();
        new.chars().all(|ch| ch == '\n' || (' '..='~').contains(&ch)) && again.settings == c.settings
    }

    fn any_text_is_taken(text: String) -> bool {
        let _ = load(&text);
        let c = Config::new();
        c.rewrite(&c.rewrite(&text)) == c.rewrite(&text)
    }

    fn memory_comes_back(n: u64) -> bool {
        super::kind::memory(&super::kind::show_memory(n)) == Some(n)
    }
}

#[test]
fn users_are_lines_of_their_own() {
    // What CONFIG REWRITE of redis-server 7.0 and valkey-server 9.1 leaves in every file.
    let open = "user default on nopass ~* &* +@all\n";
    let c = loaded(open);
    assert_eq!((c.rewrite(open), &c.settings.users[0].at[..]), (open.into(), "redis.conf:1"));
    let text = "port 1\nuser a on ~k\n# more\nuser b on (~\\ +get)\nrename-command CONFIG \"\"\n";
    let mut c = loaded(text);
    assert_eq!(c.rewrite(text), text);
    assert_eq!(loaded(&c.rewrite("")).settings, c.settings);
    c.settings.users[1].words = ["b", "off", "~\"x\""].map(Into::into).into();
    let new = "port 1\nuser a on ~k\nuser b off \"~\\\"x\\\"\"\n# more\nrename-command CONFIG \"\"\n";
    assert_eq!(c.rewrite(text), new);
    assert_eq!(loaded(new).settings, c.settings);
    for line in ["requirepass \"pw", "user a on >pw 'x", "masterauth pw pw"] {
        let error = load(line).unwrap_err();
        assert!(error.text.ends_with(" (not shown)") && !error.to_string().contains("pw"), "{error}");
    }
    let error = load("port 1\nuser alice on\naclfile x").unwrap_err();
    assert_eq!((error.line, &error.text[..]), (2, "user alice"));
}

#[test]
fn event_classes_are_shown_in_one_order() {
    let mut c = Config::new();
    for (given, shown) in [
        ("KEA", "AKE"),
        ("xeKEg", "gxeKE"),
        ("dtxezhsl$gEK", "AKE"),
        ("Kgn", "gnK"),
        ("mElE", "lEm"),
        // Redis shows no n here.
        ("nmKA", "AKmn"),
        ("", ""),
    ] {
        set(&mut c, &[("notify-keyspace-events", given)]).unwrap();
        assert_eq!(c.get(&[b"notify-keyspace-events"]), [("notify-keyspace-events", shown.into())]);
    }
}
