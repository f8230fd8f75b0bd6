//! Commands about the connection itself.

use alloc::string::String;

use super::super::Session;
use super::super::about::REDIS_VERSION;
use super::super::server::{Cx, Server};
use super::client::{BAD_NAME, valid_name};
use crate::resp::{Args, Proto, parse_i64};

const WRONGPASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";

/// Compares in time that does not depend on where the first difference lies.
fn same_secret(a: &[u8], b: &[u8]) -> bool {
    let mut differ = a.len() ^ b.len();
    for i in 0..a.len().max(b.len()) {
        differ |= usize::from(a.get(i).copied().unwrap_or(0) ^ b.get(i).copied().unwrap_or(0));
    }
    differ == 0
}

/// A container without a subcommand that it could run.
pub(crate) fn container<S: Server>(_: &mut S, s: &mut Session, args: Args<'_>, _: &mut Cx<'_, S::Event>) {
    let name = String::from_utf8_lossy(args.at(0)).to_lowercase();
    s.reply().error_fmt(format_args!("ERR wrong number of arguments for '{name}' command"));
}

pub(super) fn ping<S: Server>(_: &mut S, s: &mut Session, args: Args<'_>, _: &mut Cx<'_, S::Event>) {
    if args.len() > 2 {
        return s.reply().error("ERR wrong number of arguments for 'ping' command");
    }
    let subscribed = s.subscriptions() > 0 && s.proto == Proto::Resp2;
    let mut r = s.reply();
    match (subscribed, args.get(1)) {
        (true, message) => {
            r.array(2);
            r.bulk(b"pong");
            r.bulk(message.unwrap_or_default());
        }
        (false, Some(message)) => r.bulk(message),
        (false, None) => r.simple("PONG"),
    }
}

/// Logs a client in if `user` and `password` are right, else counts the failure and answers it. There is one user,
/// `default`, with the password of `requirepass`.
fn log_in<S: Server>(server: &mut S, s: &mut Session, user: &[u8], password: &[u8]) -> bool {
    let required = server.settings().requirepass.as_bytes();
    let right = user == b"default" && (required.is_empty() || same_secret(required, password));
    if right {
        s.authenticated = true;
    } else {
        server.clients_mut().stats.auth_failures += 1;
        s.reply().error(WRONGPASS);
    }
    right
}

pub(super) fn auth<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, _: &mut Cx<'_, S::Event>) {
    let (user, password) = match args.len() {
        2 if server.settings().requirepass.is_empty() => {
            return s.reply().error(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                 configuration is correct?",
            );
        }
        2 => (&b"default"[..], args.at(1)),
        3 => (args.at(1), args.at(2)),
        _ => return s.reply().error(super::SYNTAX),
    };
    if log_in(server, s, user, password) {
        s.reply().ok();
    }
}

pub(super) fn hello<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, _: &mut Cx<'_, S::Event>) {
    let proto = match args.get(1).map(parse_i64) {
        None => s.proto,
        Some(Some(2)) => Proto::Resp2,
        Some(Some(3)) => Proto::Resp3,
        Some(None) => return s.reply().error("ERR Protocol version is not an integer or out of range"),
        Some(Some(_)) => return s.reply().error("NOPROTO unsupported protocol version"),
    };
    let (mut i, mut name) = (2, None);
    while i < args.len() {
        let left = args.len() - i - 1;
        if args.is(i, "AUTH") && left >= 2 {
            if !log_in(server, s, args.at(i + 1), args.at(i + 2)) {
                return;
            }
            i += 3;
        } else if args.is(i, "SETNAME") && left >= 1 {
            if !valid_name(args.at(i + 1)) {
                return s.reply().error(BAD_NAME);
            }
            name = Some(args.at(i + 1));
            i += 2;
        } else {
            let option = String::from_utf8_lossy(args.at(i)).into_owned();
            return s.reply().error_fmt(format_args!("ERR Syntax error in HELLO option '{option}'"));
        }
    }
    if !s.authenticated {
        return s.reply().error(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> \
             <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
        );
    }
    if let Some(name) = name {
        s.name = String::from_utf8_lossy(name).into_owned();
    }
    s.proto = proto;
    write_hello(server, s);
}

fn write_hello<S: Server>(server: &S, s: &mut Session) {
    let (id, proto, (mode, role)) = (s.id, s.proto, server.mode());
    let mut r = s.reply();
    r.map(6 + usize::from(role.is_some()));
    r.bulk(b"server");
    r.bulk(b"redis");
    r.bulk(b"version");
    r.bulk(REDIS_VERSION.as_bytes());
    r.bulk(b"proto");
    r.int(if proto == Proto::Resp3 { 3 } else { 2 });
    r.bulk(b"id");
    r.int(id as i64);
    r.bulk(b"mode");
    r.bulk(mode.as_bytes());
    if let Some(role) = role {
        r.bulk(b"role");
        r.bulk(role.as_bytes());
    }
    r.bulk(b"modules");
    r.array(0);
}

#[cfg(test)]
mod tests {
    use super::same_secret;

    #[test]
    fn secrets_compare_by_content_and_length() {
        assert!(same_secret(b"abc", b"abc") && same_secret(b"", b""));
        for (a, b) in [("abc", "abd"), ("abc", "ab"), ("", "a"), ("abc", "abc\0")] {
            assert!(!same_secret(a.as_bytes(), b.as_bytes()), "{a:?} {b:?}");
        }
    }
}
