//! CLIENT: connections, seen and governed.

use alloc::string::String;
use alloc::vec::Vec;

use super::super::server::{Cx, Server};
use super::super::{Blocked, CloseWhen, Connections as _, Dispatch as _, ReplyMode, Session};
use crate::acl::{UserId, Users};
use crate::ids::ConnId;
use crate::machine::Endpoint;
use crate::resp::{Args, parse_i64};
use crate::time::Instant;

pub(super) const BAD_NAME: &str = "ERR Client names cannot contain spaces, newlines or special characters.";

/// Names and library names are printable and without spaces, so that CLIENT LIST can be split.
pub(super) fn valid_name(name: &[u8]) -> bool {
    name.iter().all(|b| (b'!'..=b'~').contains(b))
}

/// Whom CLIENT KILL and CLIENT LIST mean.
#[derive(Default)]
struct Filter<'a> {
    id: Option<u64>,
    ids: Option<Vec<u64>>,
    addr: Option<&'a [u8]>,
    laddr: Option<&'a [u8]>,
    kind: Option<Kind>,
    user: Option<UserId>,
    max_age_s: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal,
    Master,
    Replica,
    PubSub,
}

impl Kind {
    fn parse(word: &[u8]) -> Option<Self> {
        let is = |w: &str| word.eq_ignore_ascii_case(w.as_bytes());
        Some(match () {
            () if is("normal") => Self::Normal,
            () if is("master") || is("primary") => Self::Master,
            () if is("replica") || is("slave") => Self::Replica,
            () if is("pubsub") => Self::PubSub,
            () => return None,
        })
    }

    fn of(s: &Session) -> Self {
        match () {
            () if s.replica => Self::Replica,
            () if s.subscriptions() > 0 => Self::PubSub,
            () => Self::Normal,
        }
    }
}

impl Filter<'_> {
    fn matches(&self, s: &Session, now: Instant) -> bool {
        let text = |e: &Endpoint| alloc::format!("{e}").into_bytes();
        self.id.is_none_or(|id| id == s.id)
            && self.ids.as_ref().is_none_or(|ids| ids.contains(&s.id))
            && self.addr.is_none_or(|a| a == text(&s.peer))
            && self.laddr.is_none_or(|a| a == text(&s.local))
            && self.kind.is_none_or(|k| k == Kind::of(s))
            && self.user.is_none_or(|u| u == s.user)
            && self.max_age_s.is_none_or(|age| (now - s.since).as_secs() >= age)
    }
}

pub(super) fn id<S: Server>(_: &mut S, s: &mut Session, _: Args<'_>, _: &mut Cx<'_, S::Event>) {
    let id = s.id as i64;
    s.reply().int(id);
}

pub(super) fn getname<S: Server>(_: &mut S, s: &mut Session, _: Args<'_>, _: &mut Cx<'_, S::Event>) {
    let name = s.name.clone();
    match name.as_str() {
        "" => s.reply().null(),
        name => s.reply().bulk(name.as_bytes()),
    }
}

pub(super) fn setname<S: Server>(_: &mut S, s: &mut Session, args: Args<'_>, _: &mut Cx<'_, S::Event>) {
    if !valid_name(args.at(2)) {
        return s.reply().error(BAD_NAME);
    }
    s.name = String::from_utf8_lossy(args.at(2)).into_owned();
    s.reply().ok();
}

pub(super) fn setinfo<S: Server>(_: &mut S, s: &mut Session, args: Args<'_>, _: &mut Cx<'_, S::Event>) {
    let option = String::from_utf8_lossy(args.at(2)).to_lowercase();
    let place = match option.as_str() {
        "lib-name" => &mut s.lib.0,
        "lib-ver" => &mut s.lib.1,
        _ => return s.reply().error_fmt(format_args!("ERR Unrecognized option '{option}'")),
    };
    if !valid_name(args.at(3)) {
        return s
            .reply()
            .error_fmt(format_args!("ERR {option} cannot contain spaces, newlines or special characters."));
    }
    *place = String::from_utf8_lossy(args.at(3)).into_owned();
    s.reply().ok();
}

pub(super) fn info<S: Server>(server: &mut S, s: &mut Session, _: Args<'_>, cx: &mut Cx<'_, S::Event>) {
    let line = server.clients().line(s, cx.now) + "\n";
    s.reply().verbatim(b"txt", line.as_bytes());
}

pub(super) fn list<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_, S::Event>) {
    let mut filter = Filter::default();
    if args.len() >= 4 && args.is(2, "TYPE") && args.len() == 4 {
        let Some(kind) = Kind::parse(args.at(3)) else {
            let word = String::from_utf8_lossy(args.at(3)).into_owned();
            return s.reply().error_fmt(format_args!("ERR Unknown client type '{word}'"));
        };
        filter.kind = Some(kind);
    } else if args.len() >= 4 && args.is(2, "ID") {
        let mut ids = Vec::new();
        for a in args.from(3).iter() {
            let Some(id) = parse_i64(a).and_then(|n| u64::try_from(n).ok()) else {
                return s.reply().error("ERR Invalid client ID");
            };
            ids.push(id);
        }
        filter.ids = Some(ids);
    } else if args.len() > 2 {
        return s.reply().error(super::SYNTAX);
    }
    let clients = server.clients();
    let mut lines: Vec<(u64, String)> = clients
        .sessions
        .iter()
        .chain(core::iter::once(&*s))
        .filter(|c| filter.matches(c, cx.now.mono))
        .map(|c| (c.id, clients.line(c, cx.now)))
        .collect();
    lines.sort_unstable();
    let text: String = lines.into_iter().map(|(_, l)| l + "\n").collect();
    s.reply().verbatim(b"txt", text.as_bytes());
}

pub(super) fn kill<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_, S::Event>) {
    let (filter, skip_me, old_style) = match kill_filter(args, &server.clients().users) {
        Ok(parsed) => parsed,
        Err(text) => return s.reply().error(&text),
    };
    let mut killed: Vec<ConnId> =
        server.clients().sessions.iter().filter(|c| filter.matches(c, cx.now.mono)).map(|c| c.conn).collect();
    if filter.kind == Some(Kind::Master) {
        killed.clear();
        if server.break_link(cx) {
            s.reply().int(1);
            return;
        }
    }
    let me = !skip_me && filter.matches(s, cx.now.mono) && filter.kind != Some(Kind::Master);
    let count = killed.len() + usize::from(me);
    for conn in killed {
        server.drop_session(conn, cx);
    }
    if me {
        s.close(CloseWhen::Drained);
    }
    match (old_style, count) {
        (true, 0) => s.reply().error("ERR No such client"),
        (true, _) => s.reply().ok(),
        (false, n) => s.reply().int(n as i64),
    }
}

pub(super) fn pause<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_, S::Event>) {
    let all = match (args.len(), args.is(3, "WRITE"), args.is(3, "ALL")) {
        (3, ..) | (4, _, true) => true,
        (4, true, _) => false,
        _ => return s.reply().error("ERR CLIENT PAUSE mode must be WRITE or ALL"),
    };
    let Some(ms) = parse_i64(args.at(2)) else {
        return s.reply().error("ERR timeout is not an integer or out of range");
    };
    let Ok(ms) = u64::try_from(ms) else { return s.reply().error("ERR timeout is negative") };
    server.pause_for(ms, all, cx);
    s.reply().ok();
}

pub(super) fn unpause<S: Server>(server: &mut S, s: &mut Session, _: Args<'_>, cx: &mut Cx<'_, S::Event>) {
    server.unpause(cx);
    s.reply().ok();
}

pub(super) fn reply<S: Server>(_: &mut S, s: &mut Session, args: Args<'_>, _: &mut Cx<'_, S::Event>) {
    if args.is(2, "ON") {
        s.reply = ReplyMode::On;
        s.reply().ok();
    } else if args.is(2, "OFF") {
        s.reply = ReplyMode::Off;
    } else if args.is(2, "SKIP") {
        if s.reply != ReplyMode::Off {
            s.reply = ReplyMode::SkipNext;
        }
    } else {
        s.reply().error(super::SYNTAX);
    }
}

pub(super) fn no_evict<S: Server>(_: &mut S, s: &mut Session, args: Args<'_>, _: &mut Cx<'_, S::Event>) {
    match on_off(args) {
        Some(on) => {
            s.no_evict = on;
            s.reply().ok();
        }
        None => s.reply().error(super::SYNTAX),
    }
}

pub(super) fn no_touch<S: Server>(_: &mut S, s: &mut Session, args: Args<'_>, _: &mut Cx<'_, S::Event>) {
    match on_off(args) {
        Some(on) => {
            s.no_touch = on;
            s.reply().ok();
        }
        None => s.reply().error(super::SYNTAX),
    }
}

pub(super) fn unblock<S: Server>(server: &mut S, s: &mut Session, args: Args<'_>, cx: &mut Cx<'_, S::Event>) {
    let error = match (args.len(), args.is(3, "TIMEOUT"), args.is(3, "ERROR")) {
        (3, ..) | (4, true, _) => false,
        (4, _, true) => true,
        _ => return s.reply().error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
    };
    let Some(id) = parse_i64(args.at(2)) else { return s.reply().error(super::NOT_AN_INTEGER) };
    let conn = server
        .clients()
        .sessions
        .iter()
        .find(|c| c.id == id as u64 && matches!(c.blocked, Some(Blocked::Wait { .. } | Blocked::Keys)))
        .map(|c| c.conn);
    let Some(conn) = conn else { return s.reply().int(0) };
    server.wait_over(conn, error.then_some("UNBLOCKED client unblocked via CLIENT UNBLOCK"), cx);
    s.reply().int(1);
}

pub(super) fn help<S: Server>(_: &mut S, s: &mut Session, _: Args<'_>, _: &mut Cx<'_, S::Event>) {
    super::help(
        &mut s.reply(),
        "CLIENT",
        &[
            "GETNAME",
            "    Show the name of the connection.",
            "ID",
            "    Show the number of the connection.",
            "INFO",
            "    Show the connection's line of LIST.",
            "KILL <ip:port>",
            "    Close the connection from there.",
            "KILL <option> <value> [<option> <value> [...]]",
            "    Close connections: ADDR, LADDR, TYPE, USER, ID, MAXAGE, SKIPME (yes|no).",
            "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB) | ID <id> ...]",
            "    Show connections.",
            "NO-EVICT (ON|OFF)",
            "    Spare the connection when memory is short.",
            "NO-TOUCH (ON|OFF)",
            "    Leave the age of keys as it is.",
            "PAUSE <timeout-ms> [WRITE|ALL]",
            "    Hold commands back.",
            "REPLY (ON|OFF|SKIP)",
            "    Say whether commands are answered.",
            "SETINFO (LIB-NAME|LIB-VER) <value>",
            "    Name the client's library.",
            "SETNAME <name>",
            "    Name the connection.",
            "UNBLOCK <id> [TIMEOUT|ERROR]",
            "    End a client's wait.",
            "UNPAUSE",
            "    End a pause.",
        ],
    );
}
fn on_off(args: Args<'_>) -> Option<bool> {
    match () {
        () if args.is(2, "ON") => Some(true),
        () if args.is(2, "OFF") => Some(false),
        () => None,
    }
}

/// Whom CLIENT KILL means, whether it spares the caller, and whether it is the old form with an address alone.
fn kill_filter<'a>(args: Args<'a>, users: &Users) -> Result<(Filter<'a>, bool, bool), String> {
    let mut f = Filter::default();
    if args.len() == 3 {
        f.addr = Some(args.at(2));
        return Ok((f, false, true));
    }
    let mut skip_me = true;
    let mut i = 2;
    while i < args.len() {
        let Some(value) = args.get(i + 1) else { return Err(super::SYNTAX.into()) };
        if args.is(i, "ID") {
            let id = parse_i64(value).filter(|&n| n > 0).ok_or("ERR client-id should be greater than 0")?;
            f.id = Some(id as u64);
        } else if args.is(i, "ADDR") {
            f.addr = Some(value);
        } else if args.is(i, "LADDR") {
            f.laddr = Some(value);
        } else if args.is(i, "TYPE") {
            let word = || alloc::format!("ERR Unknown client type '{}'", String::from_utf8_lossy(value));
            f.kind = Some(Kind::parse(value).ok_or_else(word)?);
        } else if args.is(i, "USER") {
            let none = || alloc::format!("ERR No such user '{}'", String::from_utf8_lossy(value));
            f.user = Some(users.id(value).ok_or_else(none)?);
        } else if args.is(i, "MAXAGE") {
            let age = parse_i64(value).ok_or("ERR maxage is not an integer or out of range")?;
            f.max_age_s = Some(u64::try_from(age).map_err(|_| "ERR maxage should be greater than 0")?);
        } else if args.is(i, "SKIPME") {
            skip_me = match () {
                () if value.eq_ignore_ascii_case(b"yes") => true,
                () if value.eq_ignore_ascii_case(b"no") => false,
                () => return Err(super::SYNTAX.into()),
            };
        } else {
            return Err(super::SYNTAX.into());
        }
        i += 2;
    }
    Ok((f, skip_me, false))
}
