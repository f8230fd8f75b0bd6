//! FUNCTION: libraries are stored, propagated and given back. They never run.

use alloc::string::String;
use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::functions::{Libraries, Library, Refused, Trust};
use super::{SYNTAX, unknown_subcommand};
use crate::dataset::{Context, Origin};
use crate::glob;
use crate::rdb::{Body, Options, Payload, Writer};
use crate::resp::Args;

const HELP: &[&str] = &[
    "FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "DELETE <library-name>",
    "    Remove a library.",
    "DUMP",
    "    Give all libraries as bytes for FUNCTION RESTORE.",
    "FLUSH [ASYNC|SYNC]",
    "    Remove all libraries.",
    "KILL",
    "    End the function that runs: here none ever does.",
    "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
    "    Show the libraries and the functions that their text tells of.",
    "LOAD [REPLACE] <code>",
    "    Store a library. It is propagated and saved, but its functions do not run here.",
    "RESTORE <payload> [FLUSH|APPEND|REPLACE]",
    "    Store the libraries that FUNCTION DUMP gave: in place of all (FLUSH), beside those that are there (APPEND, the",
    "    default), or over those of the same names (REPLACE).",
    "STATS",
    "    Count libraries and functions.",
    "HELP",
    "    Print this help.",
];

/// What is demanded of code that comes now.
fn trust(cx: &Context<'_, '_>) -> Trust {
    if cx.origin == Origin::Upstream { Trust::Loaded } else { Trust::None }
}

/// The container alone: no subcommand of this name is in the table.
pub(super) fn function(_: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    unknown_subcommand("FUNCTION", args, cx);
}

pub(super) fn help(_: &mut Keyspace, _: Args<'_>, cx: &mut Context<'_, '_>) {
    cx.reply.array(HELP.len());
    HELP.iter().for_each(|line| cx.reply.simple(line));
}

pub(super) fn load(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let Some(code) = args.len().checked_sub(1) else { return cx.reply.error(SYNTAX) };
    if let Some(i) = (2..code).find(|&i| !args.is(i, "REPLACE")) {
        return cx.reply.error_bytes(&[b"ERR Unknown option given: ", args.at(i)].concat());
    }
    let trust = trust(cx);
    let libraries = &mut ks.aside.libraries;
    let added = Library::parse(args.at(code), trust).and_then(|library| {
        let name = library.name().to_vec();
        libraries.add(library, code > 2, trust).map(|()| name)
    });
    match added {
        Ok(name) => {
            cx.effects.itself();
            cx.reply.bulk(&name);
        }
        Err(text) => cx.reply.error_bytes(&text),
    }
}

pub(super) fn delete(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    if !ks.aside.libraries.remove(args.at(2)) {
        return cx.reply.error("ERR Library not found");
    }
    cx.effects.itself();
    cx.reply.ok();
}

pub(super) fn flush(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    if args.len() > 3 {
        return too_many(args, cx);
    }
    if args.len() == 3 && !args.is(2, "SYNC") && !args.is(2, "ASYNC") {
        return cx.reply.error("ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
    }
    ks.aside.libraries.clear();
    cx.effects.itself();
    cx.reply.ok();
}

fn too_many(args: Args<'_>, cx: &mut Context<'_, '_>) {
    let text = b"ERR unknown subcommand or wrong number of arguments for '";
    cx.reply.error_bytes(&[text, args.at(1), b"'. Try FUNCTION HELP."].concat());
}

pub(super) fn kill(_: &mut Keyspace, _: Args<'_>, cx: &mut Context<'_, '_>) {
    cx.reply.error("NOTBUSY No scripts in execution right now.");
}

pub(super) fn stats(ks: &mut Keyspace, _: Args<'_>, cx: &mut Context<'_, '_>) {
    let libraries = &ks.aside.libraries;
    cx.reply.map(2);
    cx.reply.bulk(b"running_script");
    cx.reply.null();
    cx.reply.bulk(b"engines");
    cx.reply.map(1);
    cx.reply.bulk(b"LUA");
    cx.reply.map(2);
    cx.reply.bulk(b"libraries_count");
    cx.reply.int(libraries.len() as i64);
    cx.reply.bulk(b"functions_count");
    cx.reply.int(libraries.iter().map(|library| library.functions().len() as i64).sum());
}

pub(super) fn list(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let (mut pattern, mut code, mut i) = (None, false, 2);
    while i < args.len() {
        if !code && args.is(i, "WITHCODE") {
            code = true;
        } else if pattern.is_none() && args.is(i, "LIBRARYNAME") {
            i += 1;
            if i == args.len() {
                return cx.reply.error("ERR library name argument was not given");
            }
            pattern = Some(args.at(i));
        } else {
            return cx.reply.error_bytes(&[b"ERR Unknown argument ", args.at(i)].concat());
        }
        i += 1;
    }
    let wanted = |library: &&Library| {
        pattern.is_none_or(|pattern| glob::matches(&pattern.to_ascii_lowercase(), &library.name().to_ascii_lowercase()))
    };
    let libraries: Vec<&Library> = ks.aside.libraries.iter().filter(wanted).collect();
    cx.reply.array(libraries.len());
    libraries.into_iter().for_each(|library| describe(library, code, cx));
}

fn describe(library: &Library, code: bool, cx: &mut Context<'_, '_>) {
    cx.reply.map(if code { 4 } else { 3 });
    cx.reply.bulk(b"library_name");
    cx.reply.bulk(library.name());
    cx.reply.bulk(b"engine");
    cx.reply.bulk(b"LUA");
    cx.reply.bulk(b"functions");
    cx.reply.array(library.functions().len());
    for function in library.functions() {
        cx.reply.map(3);
        cx.reply.bulk(b"name");
        cx.reply.bulk(&function.name);
        cx.reply.bulk(b"description");
        match &function.description {
            Some(text) => cx.reply.bulk(text),
            None => cx.reply.null(),
        }
        cx.reply.bulk(b"flags");
        cx.reply.set(function.flags.len());
        function.flags.iter().for_each(|flag| cx.reply.simple(&String::from_utf8_lossy(flag)));
    }
    if code {
        cx.reply.bulk(b"library_code");
        cx.reply.bulk(library.code());
    }
}

pub(super) fn dump(ks: &mut Keyspace, _: Args<'_>, cx: &mut Context<'_, '_>) {
    let mut body = Body::new(Options { compress: true }).for_version(Writer::FUNCTION_VERSION).lone();
    ks.aside.libraries.iter().for_each(|library| body.function(library.code()));
    cx.reply.bulk_shared(&body.into_payload());
}

/// What becomes of the libraries that are there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Policy {
    Flush,
    Append,
    Replace,
}

pub(super) fn restore(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    if args.len() > 4 {
        return too_many(args, cx);
    }
    let policy = match args.len() {
        3 => Policy::Append,
        _ if args.is(3, "FLUSH") => Policy::Flush,
        _ if args.is(3, "APPEND") => Policy::Append,
        _ if args.is(3, "REPLACE") => Policy::Replace,
        _ => {
            return cx.reply.error("ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.");
        }
    };
    match joined(&ks.aside.libraries, args.at(2), policy, trust(cx)) {
        Ok(libraries) => {
            ks.aside.libraries = libraries;
            cx.effects.itself();
            cx.reply.ok();
        }
        Err(text) => cx.reply.error_bytes(&text),
    }
}

/// The libraries there will be; all or none of those in the payload come in.
fn joined(there: &Libraries, payload: &[u8], policy: Policy, trust: Trust) -> Result<Libraries, Refused> {
    let Some(payload) = Payload::open(payload) else {
        return Err(b"ERR DUMP payload version or checksum are wrong".to_vec());
    };
    let Some(codes) = payload.libraries() else { return Err(b"ERR given type is not a function".to_vec()) };
    // By themselves first: what collides among them collides whatever is there.
    let mut new = Libraries::default();
    for code in codes {
        new.add(Library::parse(&code, trust)?, false, trust)?;
    }
    if policy == Policy::Flush {
        return Ok(new);
    }
    let mut all = there.clone();
    for library in new.iter() {
        if policy == Policy::Append && there.has(library.name()) {
            return Err([b"ERR Library ", library.name(), b" already exists"].concat());
        }
        // A function may move from one that goes to another.
        all.remove(library.name());
    }
    for library in new.iter() {
        all.add(library.clone(), false, trust)?;
    }
    Ok(all)
}
