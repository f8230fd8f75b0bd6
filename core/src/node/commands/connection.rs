//! Commands about the connection itself.

use super::super::{Cx, Node};
use crate::client::{CloseWhen, ReplyMode, Session};
use crate::dataset::Dataset;
use crate::resp::{Args, Proto, parse_i64};

/// Compares in time that does not depend on where the first difference lies.
fn same_secret(a: &[u8], b: &[u8]) -> bool {
    let mut differ = a.len() ^ b.len();
    for i in 0..a.len().max(b.len()) {
        differ |= usize::from(a.get(i).copied().unwrap_or(0) ^ b.get(i).copied().unwrap_or(0));
    }
    differ == 0
}

const WRONGPASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";

impl<D: Dataset> Node<D> {
    /// A container without a subcommand that it could run.
    pub(in super::super) fn cmd_container(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        let name = alloc::string::String::from_utf8_lossy(args.at(0)).to_lowercase();
        s.reply().error_fmt(format_args!("ERR wrong number of arguments for '{name}' command"));
    }

    pub(in super::super) fn cmd_ping(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
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

    pub(in super::super) fn cmd_echo(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        s.reply().bulk(args.at(1));
    }

    pub(in super::super) fn cmd_quit(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        s.reply().ok();
        s.close(CloseWhen::Drained);
    }

    pub(in super::super) fn cmd_select(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        let Some(db) = parse_i64(args.at(1)) else { return s.reply().error(super::NOT_AN_INTEGER) };
        if i32::try_from(db).is_err() {
            return s.reply().error("ERR value is out of range, value must between -2147483648 and 2147483647");
        }
        match u32::try_from(db) {
            Ok(db) if db < self.data.databases() => {
                s.db = db;
                s.reply().ok();
            }
            _ => s.reply().error("ERR DB index is out of range"),
        }
    }

    /// Whether `user` and `password` are right. There is one user, `default`, with the password of `requirepass`.
    fn credentials(&self, user: &[u8], password: &[u8]) -> bool {
        let required = self.config.settings.requirepass.as_bytes();
        user == b"default" && (required.is_empty() || same_secret(required, password))
    }

    pub(in super::super) fn cmd_auth(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
        let (user, password) = match args.len() {
            2 if self.config.settings.requirepass.is_empty() => {
                return s.reply().error(
                    "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                     configuration is correct?",
                );
            }
            2 => (&b"default"[..], args.at(1)),
            3 => (args.at(1), args.at(2)),
            _ => return s.reply().error(super::SYNTAX),
        };
        if self.credentials(user, password) {
            s.authenticated = true;
            s.reply().ok();
        } else {
            self.stats.auth_failures += 1;
            s.reply().error(WRONGPASS);
        }
    }

    pub(in super::super) fn cmd_hello(&mut self, s: &mut Session, args: Args<'_>, _: &mut Cx<'_>) {
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
                if !self.credentials(args.at(i + 1), args.at(i + 2)) {
                    self.stats.auth_failures += 1;
                    return s.reply().error(WRONGPASS);
                }
                s.authenticated = true;
                i += 3;
            } else if args.is(i, "SETNAME") && left >= 1 {
                if !super::client::valid_name(args.at(i + 1)) {
                    return s.reply().error(super::client::BAD_NAME);
                }
                name = Some(args.at(i + 1));
                i += 2;
            } else {
                let option = alloc::string::String::from_utf8_lossy(args.at(i)).into_owned();
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
            s.name = alloc::string::String::from_utf8_lossy(name).into_owned();
        }
        s.proto = proto;
        let (id, role) = (s.id, if self.is_master() { "master" } else { "replica" });
        let mut r = s.reply();
        r.map(7);
        r.bulk(b"server");
        r.bulk(b"redis");
        r.bulk(b"version");
        r.bulk(super::super::about::REDIS_VERSION.as_bytes());
        r.bulk(b"proto");
        r.int(if proto == Proto::Resp3 { 3 } else { 2 });
        r.bulk(b"id");
        r.int(id as i64);
        r.bulk(b"mode");
        r.bulk(b"standalone");
        r.bulk(b"role");
        r.bulk(role.as_bytes());
        r.bulk(b"modules");
        r.array(0);
    }

    pub(in super::super) fn cmd_reset(&mut self, s: &mut Session, _: Args<'_>, _: &mut Cx<'_>) {
        s.multi = None;
        self.unwatch(s);
        self.unsubscribe_all(s);
        self.monitors.remove(&s.conn);
        s.monitor = false;
        s.proto = Proto::Resp2;
        s.db = 0;
        s.name.clear();
        s.reply = ReplyMode::On;
        s.no_evict = false;
        s.no_touch = false;
        s.authenticated = self.config.settings.requirepass.is_empty();
        s.reply().simple("RESET");
    }
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
