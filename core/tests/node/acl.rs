//! Users: what they may do, and what becomes of their connections.

use crate::support::host::{Make, World};

over_both! {
    users_log_in_and_are_held_to_their_rules
    a_denied_command_breaks_a_transaction_and_a_change_of_rules_shows_at_exec
    who_is_removed_is_closed
    who_loses_a_channel_that_it_listens_to_is_closed
    the_log_keeps_what_was_denied
    the_file_of_users_is_read_at_the_start_and_written
    a_wrong_file_of_users_ends_the_start
    a_wrong_user_line_ends_the_start
    a_load_takes_all_of_a_file_or_nothing
    users_are_rewritten_as_lines_of_the_configuration
    a_renamed_command_is_unknown_by_its_name
    requirepass_and_the_default_user_are_one
}

const KEYS: &str = "-NOPERM this user has no permissions to access one of the keys used as arguments";
const CHANNELS: &str = "-NOPERM this user has no permissions to access one of the channels used as arguments";

fn command(name: &str) -> String {
    format!("-NOPERM this user has no permissions to run the '{name}' command")
}

fn users_log_in_and_are_held_to_their_rules<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    assert_eq!(w.ask(c, "ACL SETUSER bob on >pw %R~r* ~k* &c* +get +set +publish +subscribe"), "OK");
    let b = w.client(0);
    assert!(w.ask(b, "AUTH bob x").starts_with("-WRONGPASS"));
    assert!(w.ask(b, "AUTH nobody pw").starts_with("-WRONGPASS"));
    assert_eq!(w.ask(b, "AUTH bob pw\nSET k1 1\nGET k1\nGET r1\nGET z"), format!("OK | OK | 1 | (nil) | {KEYS}"));
    assert_eq!(w.ask(b, "SET r1 1\nDEL k1"), format!("{KEYS} | {}", command("del")));
    assert_eq!(w.ask(b, "PUBLISH c 1\nPUBLISH d 1\nSUBSCRIBE c d"), format!("0 | {CHANNELS} | {CHANNELS}"));
    assert_eq!(
        w.ask(b, "CONFIG GET port\nGET"),
        format!("{} | -ERR wrong number of arguments for 'get' command", command("config|get"))
    );
    assert_eq!(w.ask(b, "ACL WHOAMI"), command("acl|whoami"));
    assert_eq!(w.ask(c, "ACL WHOAMI\nACL USERS\nACL SETUSER bob +acl|whoami"), "default | [bob, default] | OK");
    assert_eq!(w.ask(b, "ACL WHOAMI\nRESET\nACL WHOAMI"), "bob | RESET | default");
    assert_eq!(w.ask(c, "ACL SETUSER bob off"), "OK");
    assert!(w.ask(b, "AUTH bob pw").starts_with("-WRONGPASS"));
    let error = "-ERR Error in ACL SETUSER modifier '+nosuch': Unknown command or category name in ACL";
    assert_eq!(w.ask(c, "ACL SETUSER bob on +nosuch"), error);
    assert!(w.ask(c, "ACL LIST").contains("user bob off "), "all rules or none");
}

fn a_denied_command_breaks_a_transaction_and_a_change_of_rules_shows_at_exec<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    w.ask(c, "ACL SETUSER bob on nopass ~* +@all");
    let b = w.client(0);
    w.ask(b, "AUTH bob x");
    w.ask(b, "MULTI\nSET a 1\nSET b 1");
    w.ask(c, "ACL SETUSER bob resetkeys ~a");
    let late = "-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is \
                no longer allowed for the following reason: no permission to touch the specified keys";
    assert_eq!(w.ask(b, "EXEC"), format!("[OK, {late}]"));
    assert_eq!(
        w.ask(b, "MULTI\nSET z 1\nSET a 2\nEXEC"),
        format!("OK | {KEYS} | QUEUED | -EXECABORT Transaction discarded because of previous errors.")
    );
    assert_eq!(w.ask(b, "GET a"), "1");
}

fn who_is_removed_is_closed<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    w.ask(c, "ACL SETUSER bob on nopass +@all\nACL SETUSER ann on nopass +@all");
    let (b, a, a2) = (w.client(0), w.client(0), w.client(0));
    w.ask(b, "AUTH bob x");
    w.ask(a, "AUTH ann x");
    w.ask(a2, "AUTH ann x");
    assert_eq!(w.ask(c, "CLIENT LIST").matches("user=ann").count(), 2);
    assert_eq!(w.ask(c, "ACL DELUSER bob nobody"), "1");
    assert!(w.closed(b) && !w.closed(a));
    assert_eq!(w.ask(c, "ACL DELUSER default"), "-ERR The 'default' user cannot be removed");
    assert_eq!(w.ask(a, "ACL DELUSER ann"), "1", "its own answer is still sent");
    assert!(w.closed(a) && w.closed(a2) && !w.closed(c));
    w.ask(c, "ACL SETUSER eve on nopass");
    assert_eq!(w.ask(c, "CLIENT KILL USER ann"), "-ERR No such user 'ann'");
}

fn who_loses_a_channel_that_it_listens_to_is_closed<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    w.ask(c, "ACL SETUSER bob on nopass &a &b* +@all");
    let all: Vec<_> = ["SUBSCRIBE a", "PSUBSCRIBE b*", "SUBSCRIBE b1", "PING"]
        .map(|line| {
            let b = w.client(0);
            w.ask(b, "AUTH bob x");
            assert!(!w.ask(b, line).starts_with('-'), "{line}");
            b
        })
        .into();
    w.ask(c, "ACL SETUSER bob +@all &c");
    assert!(all.iter().all(|b| !w.closed(*b)), "nothing was lost");
    w.ask(c, "ACL SETUSER bob resetchannels &a &b1");
    assert_eq!(all.iter().map(|b| w.closed(*b)).collect::<Vec<_>>(), [false, true, false, false]);
}

fn the_log_keeps_what_was_denied<D: Make>() {
    let (mut w, c) = World::<D>::one("--acllog-max-len 3");
    w.ask(c, "ACL SETUSER bob on >pw ~k +get +@transaction");
    let b = w.client(0);
    w.ask(b, "AUTH bob x\nAUTH bob pw\nGET z\nGET z\nSET k 1\nMULTI\nGET z\nDISCARD");
    let log = w.ask(c, "ACL LOG");
    let shown: Vec<&str> = log.split("[count, ").skip(1).map(|e| e.split(", age-seconds").next().unwrap()).collect();
    let wanted = [
        "1, reason, key, context, multi, object, z, username, bob",
        "1, reason, command, context, toplevel, object, set, username, bob",
        "2, reason, key, context, toplevel, object, z, username, bob",
    ];
    assert_eq!(shown, wanted, "{log}");
    assert!(log.contains("user=bob"), "{log}");
    assert_eq!(w.ask(c, "ACL LOG 1").matches("reason").count(), 1);
    assert_eq!((w.info(0, "acl_access_denied_auth"), w.info(0, "acl_access_denied_key")), ("1".into(), "3".into()));
    assert_eq!(w.ask(c, "ACL LOG RESET\nACL LOG"), "OK | []");
    assert!(!w.log(0).contains("pw"), "no password is logged");
}

fn the_file_of_users_is_read_at_the_start_and_written<D: Make>() {
    let mut w = World::<D>::new(1);
    let file = b"user bob on nopass ~k* +@all\nuser default on >y ~* &* +@all\n";
    let i = w.add_with_file("--aclfile users.acl --requirepass z", "users.acl", file);
    let c = w.client(i);
    assert!(w.ask(c, "PING\nAUTH z").starts_with("-NOAUTH Authentication required. | -WRONGPASS"));
    assert_eq!(w.ask(c, "AUTH y\nACL USERS\nACL SETUSER eve ~e +get\nACL SAVE"), "OK | [bob, default] | OK | OK");
    let text = String::from_utf8_lossy(&w.hosts[i].files["users.acl"]).into_owned();
    assert!(text.starts_with("user bob on nopass ~k* resetchannels +@all\nuser default on #"), "{text}");
    assert!(text.ends_with("user eve off ~e resetchannels -@all +get\n"), "{text}");
    w.restart(i);
    let c = w.client(i);
    assert_eq!(w.ask(c, "AUTH default y\nACL USERS"), "OK | [bob, default, eve]");
}

fn a_wrong_file_of_users_ends_the_start<D: Make>() {
    let mut w = World::<D>::new(1);
    w.add_with_file("--aclfile users.acl", "users.acl", b"user bob on\nuser eve on ~* ~k\n");
    assert!(
        w.log(0).contains("users.acl:2: Error in the rule '~k' of user 'eve': Adding a pattern after"),
        "{}",
        w.log(0)
    );
    assert!(w.listening(0).is_empty());
    w.add("--aclfile missing.acl");
    w.run();
    assert!(w.log(1).contains("Error loading ACLs, opening file 'missing.acl'"), "{}", w.log(1));
}

fn a_wrong_user_line_ends_the_start<D: Make>() {
    let mut w = World::<D>::new(1);
    w.add("--user bob on +nosuch");
    assert!(w.log(0).contains("argument:1: Error in the rule '+nosuch' of user 'bob'"), "{}", w.log(0));
    assert!(w.listening(0).is_empty());
    w.add("--rename-command nosuch x");
    w.run();
    assert!(w.log(1).contains("rename-command nosuch: No such command in rename-command"), "{}", w.log(1));
}

fn a_load_takes_all_of_a_file_or_nothing<D: Make>() {
    let mut w = World::<D>::new(1);
    let i = w.add_with_file("--aclfile users.acl", "users.acl", b"user bob on nopass +@all\n");
    let (c, b) = (w.client(i), w.client(i));
    assert_eq!(w.ask(b, "AUTH bob x\nPING"), "OK | PONG");
    w.hosts[i].files.insert("users.acl".into(), b"user eve on\nuser bob on foo\n"[..].into());
    assert_eq!(
        w.ask(c, "ACL LOAD\nACL USERS"),
        "-ERR users.acl:2: Error in the rule 'foo' of user 'bob': Syntax error. WARNING: ACL errors detected, no change to the \
         previously active ACL rules was performed | [bob, default]"
    );
    assert!(!w.closed(b));
    w.hosts[i].files.insert("users.acl".into(), b"user eve on\nuser bob on nopass +@all\n"[..].into());
    assert_eq!(w.ask(c, "ACL LOAD\nACL USERS"), "OK | [bob, default, eve]");
    assert!(w.closed(b), "as Redis 7.0, which ends all but those of the default user");
    let b = w.client(i);
    assert_eq!(w.ask(b, "AUTH bob x\nACL LOAD"), "OK | OK", "who asks hears of it first");
    assert!(w.closed(b));
    assert_eq!(w.ask(c, "MULTI\nACL SAVE"), "OK | -ERR Command not allowed inside a transaction");
}

fn users_are_rewritten_as_lines_of_the_configuration<D: Make>() {
    let (mut w, c) = World::<D>::one("");
    let none = "-ERR This Redis instance is not configured to use an ACL file.";
    assert!(w.ask(c, "ACL SAVE").starts_with(none) && w.ask(c, "ACL LOAD").starts_with(none));
    w.hosts[0].files.insert("redis.conf".into(), b"port 7000\nuser old on\n"[..].into());
    w.ask(c, "ACL SETUSER bob on >pw ~k* +get (~x +set)\nCONFIG REWRITE");
    let text = String::from_utf8_lossy(&w.hosts[0].files["redis.conf"]).into_owned();
    let bob = "user bob on #30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4 ~k* resetchannels -@all +get (~x \
               resetchannels -@all +set)";
    assert!(text.starts_with(&format!("port 7000\n{bob}\n")), "{text}");
    assert!(!text.contains("user default") && !text.contains("user old"), "{text}");
    w.ask(c, "ACL SETUSER default -flushall\nCONFIG REWRITE");
    let text = String::from_utf8_lossy(&w.hosts[0].files["redis.conf"]).into_owned();
    assert!(text.contains("\nuser default on nopass ~* &* +@all -flushall\n"), "{text}");
}

fn a_renamed_command_is_unknown_by_its_name<D: Make>() {
    let (mut w, c) = World::<D>::one("--rename-command flushall gone --rename-command GET fetch");
    assert_eq!(w.ask(c, "SET a 1\nFETCH a\nFetch"), "OK | 1 | -ERR wrong number of arguments for 'get' command");
    assert!(w.ask(c, "GET a").starts_with("-ERR unknown command 'GET'"));
    assert!(w.ask(c, "FLUSHALL").starts_with("-ERR unknown command"));
    assert_eq!(w.ask(c, "MULTI\nFETCH a\nEXEC"), "OK | QUEUED | [1]");
    let d = w.client(0);
    w.ask(d, "CLIENT PAUSE 60000");
    assert_eq!(w.ask(c, "FETCH a"), "");
    w.ask(d, "CLIENT UNPAUSE");
    assert_eq!(w.heard(c), "1");
    assert_eq!(w.ask(c, "ACL SETUSER bob on nopass +get ~*\nAUTH bob x\nFETCH a"), "OK | OK | 1");
    let mut w = World::<D>::family(1, &["--rename-command SET store", "--replicaof 127.0.0.1_7000"]);
    let (c, replica) = (w.client(0), w.client(1));
    assert_eq!(w.ask(c, "STORE a 1"), "OK");
    w.advance(100);
    assert_eq!(w.ask(replica, "GET a"), "1", "replicas are told the name that all know");
}

fn requirepass_and_the_default_user_are_one<D: Make>() {
    let (mut w, c) = World::<D>::one("--requirepass secret");
    assert!(w.ask(c, "AUTH secret\nACL LIST").starts_with("OK | [user default on #2bb80d537b1da3e3"), "its hash");
    w.ask(c, "CONFIG SET requirepass other");
    let d = w.client(0);
    assert_eq!(w.ask(d, "GET a\nAUTH other\nGET a"), "-NOAUTH Authentication required. | OK | (nil)");
    w.ask(c, "ACL SETUSER default nopass");
    let d = w.client(0);
    assert_eq!(w.ask(d, "GET a"), "(nil)");
    w.ask(c, "CONFIG SET requirepass other");
    let d = w.client(0);
    assert_eq!(w.ask(d, "GET a"), "-NOAUTH Authentication required.", "said again it holds again");
    w.ask(c, "ACL SETUSER default nopass off");
    let d = w.client(0);
    assert_eq!(w.ask(d, "GET a"), "-NOAUTH Authentication required.");
    assert_eq!(w.ask(c, "GET a"), "(nil)", "who is in stays in");
}
