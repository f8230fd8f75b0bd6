//! Rules, what they print, and what they allow.

use super::*;
use crate::resp::Command;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use std::format;

/// The commands of a node over the built-in dataset.
pub(crate) fn commands() -> Commands {
    Commands::new(crate::node::command_specs().into_iter())
}

fn user(commands: &Commands, rules: &str) -> Result<User, String> {
    let mut user = User::new(b"u", commands, false);
    let words = rules.split(' ').filter(|w| !w.is_empty()).map(str::as_bytes);
    for rule in merge_selectors(words).map_err(|e| e.to_string())? {
        user.apply(commands, &rule, false).map_err(|e| format!("{}: {e}", String::from_utf8_lossy(&rule)))?;
    }
    Ok(user)
}

fn shown(user: &User) -> String {
    String::from_utf8(user.rules()).unwrap()
}

/// Whether `rules` allow a command line: `ok`, or what is denied.
fn verdict(commands: &Commands, rules: &str, line: &str) -> String {
    let user = user(commands, rules).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let name = match commands.find(words[0]) {
        Some(i) if !commands.list[i].subcommands.is_empty() => format!("{}|{}", words[0], words[1]),
        _ => words[0].to_string(),
    };
    let command = Command::new(&words);
    match check::check(&user, commands, commands.find(&name).unwrap(), command.args()) {
        Ok(()) => "ok".into(),
        Err(denied) => denied.verdict(),
    }
}

#[test]
fn rules_are_shown_as_they_make_the_user_again() {
    let c = commands();
    for (rules, wanted) in [
        ("", "off resetchannels -@all"),
        ("on nopass ~* &* +@all", "on nopass ~* &* +@all"),
        (
            "on >pw ~k* &c* +@all -@dangerous +config|get",
            "on #30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4 ~k* resetchannels &c* +@all -@dangerous \
             +config|get",
        ),
        ("%R~x* %W~y* %RW~z* %r~y*", "off %R~x* ~y* ~z* resetchannels -@all"),
        (
            "(+@read ~s* %W~t) (+set &q)",
            "off resetchannels -@all (~s* %W~t resetchannels -@all +@read) (resetchannels &q -@all +set)",
        ),
        ("( +GET ~x ) ()", "off resetchannels -@all (~x resetchannels -@all +get) (resetchannels -@all)"),
        (
            "+get -get +config|get -config +select|1 +Select|2",
            "off resetchannels -@all -get -config +select|1 +select|2",
        ),
        ("+@all -get +get", "off resetchannels +@all +get"),
        ("%R~* %W~*", "off ~* resetchannels -@all"),
        ("%R", "off %R~ resetchannels -@all"),
        ("on nopass +@all ~* reset", "off sanitize-payload resetchannels -@all"),
        (">a >a >b <a", "off #3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d resetchannels -@all"),
        ("(~a) clearselectors skip-sanitize-payload", "off skip-sanitize-payload resetchannels -@all"),
    ] {
        let made = user(&c, rules).unwrap();
        assert_eq!(shown(&made), wanted, "{rules}");
        assert_eq!(user(&c, wanted).as_ref(), Ok(&made), "{rules}");
    }
}

#[test]
fn a_wrong_rule_is_named_with_its_word() {
    let c = commands();
    for (rules, wanted) in [
        ("foo", "foo: Syntax error"),
        ("+get)", "+get): Unknown command or category name in ACL"),
        ("+@nosuch", "+@nosuch: Unknown command or category name in ACL"),
        ("+config|nosuch", "+config|nosuch: Unknown command or category name in ACL"),
        ("-config|nosuch", "-config|nosuch: Unknown command or category name in ACL"),
        ("-get|a", "-get|a: Unknown command or category name in ACL"),
        ("+get|a|b", "+get|a|b: Unknown command or category name in ACL"),
        ("+get|", "+get|: Syntax error"),
        ("+acl|load|x", "+acl|load|x: Allowing first-arg of a subcommand is not supported"),
        ("%~a", "%~a: Syntax error"),
        ("%X~a", "%X~a: Syntax error"),
        ("%RR~a", "%RR~a: Syntax error"),
        (
            "#aa",
            "#aa: The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters",
        ),
        ("<aa", "<aa: The password you are trying to remove from the user does not exist"),
        ("(on)", "(on): Syntax error in the word 'on'"),
        ("(~a +nosuch)", "(~a +nosuch): Unknown command or category name in ACL in the word '+nosuch'"),
        ("(+get", "(+get"),
    ] {
        assert_eq!(user(&c, rules).unwrap_err(), wanted, "{rules}");
    }
    for rule in ["~* ~a", "allkeys %R~a", "&* &a"] {
        assert!(user(&c, rule).unwrap_err().contains("Adding a pattern after the * pattern"), "{rule}");
    }
}

#[test]
fn commands_keys_and_channels_are_checked_by_selectors() {
    let c = commands();
    let rules = "+get +set +del +select|1 +config|get +@connection ~a* %R~r* %W~w* &c* +@read +sort +publish \
                 +subscribe +psubscribe";
    let key = |k: &str| format!("This user has no permissions to access the '{k}' key");
    let channel = |k: &str| format!("This user has no permissions to access the '{k}' channel");
    let command = |k: &str| format!("This user has no permissions to run the '{k}' command");
    let sort = |o: &str| format!("ERR {o} option of SORT denied due to insufficient ACL permissions.");
    for (line, wanted) in [
        ("GET a", "ok".to_string()),
        ("GET w", key("w")),
        ("SET r 1", key("r")),
        ("SET w1 1", "ok".into()),
        ("SET w1 1 GET", key("w1")),
        ("DEL a z", key("z")),
        ("EXISTS w", "ok".into()),
        ("EXISTS z", key("z")),
        ("CONFIG GET x", "ok".into()),
        ("CONFIG SET x y", command("config|set")),
        ("SELECT 1", "ok".into()),
        ("PUBLISH d x", channel("d")),
        ("SUBSCRIBE c1 d", channel("d")),
        ("PSUBSCRIBE c*", "ok".into()),
        ("PSUBSCRIBE c1*", channel("c1*")),
        ("SORT a BY nosort", sort("BY")),
        ("SORT a GET #", sort("GET")),
        ("SORT a LIMIT 0 1", "ok".into()),
        ("SORT a STORE r", key("r")),
        ("XREAD STREAMS a z 1 2", key("z")),
        ("AUTH x", "ok".into()),
        ("HSET a f v", command("hset")),
    ] {
        assert_eq!(verdict(&c, rules, line), wanted, "{line}");
    }
    // The last that no selector could have is told, and a command that some have is not what is missing.
    assert_eq!(verdict(&c, "+get ~a (+@all ~b ~c)", "DEL b c x y"), key("x"));
    assert_eq!(verdict(&c, "+get ~a (+set ~b)", "SET b 1"), "ok");
    assert_eq!(verdict(&c, "+get ~a (+set ~b)", "GET b"), key("b"));
    assert_eq!(verdict(&c, "+select|1", "SELECT 2"), command("select"));
    assert_eq!(verdict(&c, "+select|1", "SELECT 1"), "ok");
    assert_eq!(verdict(&c, "+@all -config", "CONFIG GET x"), command("config|get"));
    assert_eq!(verdict(&c, "+@all -@admin", "CONFIG GET x"), command("config|get"));
    assert_eq!(verdict(&c, "+sort %R~*", "SORT a BY w_*"), "ok");
}

#[test]
fn users_are_read_from_a_file_and_written_to_one() {
    let c = commands();
    let text = b"user default off\n\nuser b on >x (~a\nuser b\nnonsense\nuser a on (~q +get) ~*\nuser bad on ~* ~b\nuser  c on <pw\n";
    let errors = Users::parse(&c, text, false).unwrap_err();
    let errors: Vec<String> = errors.iter().map(|(n, e)| format!("{n}: {e}")).collect();
    assert_eq!(errors.len(), 5, "{errors:?}");
    assert_eq!(errors[0], "3: Unmatched parenthesis in selector definition starting at '(~a'");
    assert_eq!(errors[1], "4: Duplicate user 'b' found");
    assert_eq!(errors[2], "5: should start with user keyword followed by the username");
    assert!(errors[3].starts_with("7: Error in the rule '~b' of user 'bad': Adding a pattern"), "{errors:?}");
    assert!(errors[4].contains("'(a password)' of user 'c'"), "{errors:?}");
    let hash = Users::parse(&c, b"user a #0badc0de", false).unwrap_err()[0].1.to_string();
    assert!(hash.contains("'(a password)'") && !hash.contains("0badc0de"), "{hash}");

    let users = Users::parse(&c, b"user a on >x ~q (~\"x +get)\nuser default on >y ~* &* +@all\n", false);
    assert!(users.is_err(), "a quote that is not closed");
    let users =
        Users::parse(&c, b"user a on >x ~q (\"~\\\"x)\" +get)\nuser default on >y ~* &* +@all\n", false).unwrap();
    let again = Users::parse(&c, &users.file(), false).unwrap();
    assert_eq!(users.iter().collect::<Vec<_>>(), again.iter().collect::<Vec<_>>());
    let log_in = |name: &[u8], password: &[u8]| users.log_in(&c, name, password);
    assert!(log_in(b"a", b"x").is_some() && log_in(b"a", b"y").is_none() && log_in(b"z", b"x").is_none());
    assert!(!users.is_open() && log_in(b"default", b"y") == Some(UserId::DEFAULT));
}

#[test]
fn the_same_denial_is_one_entry_for_a_while() {
    let mut log = Log::default();
    let mut note = |object: &[u8], ms: u64| {
        let now = crate::time::Now { mono: crate::time::Instant::from_micros(ms * 1000), unix_ms: ms };
        let (what, context) = (What::Key, Context::Toplevel);
        let entry = Entry {
            id: 0,
            count: 1,
            what,
            context,
            object: object.into(),
            user: b"u"[..].into(),
            first: now,
            last: now,
            client: String::new(),
        };
        log.note(entry, 2);
    };
    for (object, ms) in [(&b"a"[..], 0), (b"b", 1), (b"a", 2), (b"a", 90_000), (b"c", 90_001)] {
        note(object, ms);
    }
    let all: Vec<_> = log.iter().map(|e| (e.id, e.count, &e.object[..])).collect();
    assert_eq!(all, [(3, 1, &b"c"[..]), (2, 1, b"a")]);
}

#[test]
fn who_is_off_stays_out_and_what_is_free_is_free() {
    let c = commands();
    let file = b"user off off >x ~* +@all\nuser free on nopass -@all\nuser on on >x +get +publish ~* resetkeys ~b &c\n";
    let users = Users::parse(&c, file, false).unwrap();
    assert_eq!(users.log_in(&c, b"off", b"x"), None);
    assert_eq!(users.log_in(&c, b"free", b"whatever"), users.id(b"free"));
    let check = |name: &[u8], words: &[&str]| {
        let (id, index) = (users.id(name).unwrap(), c.find(words[0]).unwrap());
        users.check(id, &c, index, Command::new(words).args())
    };
    assert_eq!(check(b"free", &["auth", "x"]), Ok(()), "everybody may log in");
    assert_eq!(check(b"free", &["get", "b"]), Err(Denied::Command("get")));
    assert_eq!(check(b"on", &["get", "b"]), Ok(()));
    assert_eq!(check(b"on", &["get", "a"]), Err(Denied::Key(b"a"[..].into())), "what was reset is gone");
    assert_eq!(check(b"on", &["publish", "c", "a message"]), Ok(()), "a message is no channel");
    let (before, mut after) = (users.by_name(b"on").unwrap(), users.draft(b"on", &c, false));
    assert!(!after.lost_channels(before));
    after.apply(&c, b"resetchannels", false).unwrap();
    assert!(after.lost_channels(before) && !before.lost_channels(&after));
}
