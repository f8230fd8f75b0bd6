//! Commands about the connection itself.

use alloc::string::String;

use super::super::Session;
use super::super::about::REDIS_VERSION;
use super::super::server::{Cx, Server};
use super::client::{BAD_NAME, valid_name};
use crate::acl::What;
use crate::resp::{Args, Proto, parse_i64};
use crate::time::Now;

const WRONGPASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";

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

/// Logs a client in if `user` and `password` are right, else notes the failure and answers it.
fn log_in<S: Server>(server: &mut S, s: &mut Session, user: &[u8], args: (Args<'_>, usize), now: Now) -> bool {
    let (args, password) = args;
    let clients = server.clients();
    if let Some(id) = clients.users.log_in(&clients.commands, user, args.at(password)) {
        s.user = id;
        s.authenticated = true;
        return true;
    }
    let most = server.settings().acllog_max_len as usize;
    server.clients_mut().note_denial(s, What::Auth, args.at(0), Some(user), now, most);
    s.reply().error(WRONGPASS);
    false
}

pub(super) fn auth<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_, S::Event>) {
    let user = match args.len() {
        2 if server.clients().users.default_has_no_password() => {
            return s.reply().error(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                 configuration is correct?",
            );
        }
        2 => &b"default"[..],
        3 => args.at(1),
        _ => return s.reply().error(super::SYNTAX),
    };
    if log_in(server, s, user, (args, args.len() - 1), cx.now) {
        s.reply().ok();
    }
}

pub(super) fn hello<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_, S::Event>) {
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
            if !log_in(server, s, args.at(i + 1), (args, i + 2), cx.now) {
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
    if server.clients().must_log_in(s) {
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
