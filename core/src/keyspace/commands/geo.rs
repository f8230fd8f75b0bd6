//! Places as members of sorted sets: written, read, measured.

use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::geo::Point;
use super::super::score::{self, NOT_A_FLOAT};
use super::SYNTAX;
use super::zsets::{read, zadd};
use crate::dataset::Context;
use crate::resp::{Args, Command, Reply, decimal};

/// Why an argument is refused.
#[derive(Debug)]
pub(super) enum Refused {
    /// With this error.
    Text(&'static str),
    /// It is no place on the map.
    Place(Point),
}

impl Refused {
    pub(super) fn answer(&self, reply: &mut Reply<'_>) {
        match *self {
            Self::Text(text) => reply.error(text),
            Self::Place(Point { lon, lat }) => {
                reply.error_fmt(format_args!("ERR invalid longitude,latitude pair {lon:.6},{lat:.6}"));
            }
        }
    }
}

/// The place that arguments `at` and `at + 1` give.
pub(super) fn point(args: Args<'_>, at: usize) -> Result<Point, Refused> {
    let lon = score::parse(args.at(at)).ok_or(Refused::Text(NOT_A_FLOAT))?;
    let lat = score::parse(args.at(at + 1)).ok_or(Refused::Text(NOT_A_FLOAT))?;
    let point = Point { lon, lat };
    if point.is_valid() { Ok(point) } else { Err(Refused::Place(point)) }
}

/// How many metres the unit in argument `at` is long.
pub(super) fn unit(args: Args<'_>, at: usize) -> Result<f64, Refused> {
    [("m", 1.0), ("km", 1000.0), ("ft", 0.3048), ("mi", 1609.34)]
        .into_iter()
        .find_map(|(name, metres)| args.is(at, name).then_some(metres))
        .ok_or(Refused::Text("ERR unsupported unit provided. please use M, KM, FT, MI"))
}

/// Answers a coordinate as C's `%.17Lf` prints it, without the zeros at its end: a double in RESP3.
fn coordinate(degrees: f64, reply: &mut Reply<'_>) {
    let text = alloc::format!("{degrees:.17}");
    reply.double_text(text.trim_end_matches('0').trim_end_matches('.'));
}

/// Answers a place.
pub(super) fn place(point: Point, reply: &mut Reply<'_>) {
    reply.array(2);
    coordinate(point.lon, reply);
    coordinate(point.lat, reply);
}

/// The same as a ZADD of the scores, and so it is propagated.
pub(super) fn geoadd(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let (mut absent, mut present, mut from) = (false, false, 2);
    while from < args.len() {
        match from {
            _ if args.is(from, "NX") => absent = true,
            _ if args.is(from, "XX") => present = true,
            _ if args.is(from, "CH") => {}
            _ => break,
        }
        from += 1;
    }
    if !(args.len() - from).is_multiple_of(3) || (absent && present) {
        return cx.reply.error(SYNTAX);
    }
    let mut words: Vec<Vec<u8>> = Vec::with_capacity(args.len());
    words.push(b"zadd".to_vec());
    words.extend((1..from).map(|i| args.at(i).to_vec()));
    for i in (from..args.len()).step_by(3) {
        match point(args, i) {
            Ok(point) => words.push(decimal(&mut [0; 20], false, point.score()).to_vec()),
            Err(refused) => return refused.answer(cx.reply),
        }
        words.push(args.at(i + 2).to_vec());
    }
    let command = Command::new(&words);
    zadd(ks, command.args(), cx);
    cx.effects.replace_itself(cx.db, command);
}

pub(super) fn geopos(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let hash_key = ks.hash_key;
    let Ok(zset) = read(ks, args, 1, cx) else { return };
    cx.reply.array(args.len() - 2);
    for member in args.iter().skip(2) {
        match zset.and_then(|zset| zset.score(hash_key, member)) {
            Some(score) => place(Point::of_score(score), cx.reply),
            None => cx.reply.null_array(),
        }
    }
}

pub(super) fn geodist(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let unit = match args.len() {
        4 => Ok(1.0),
        5 => unit(args, 4),
        _ => Err(Refused::Text(SYNTAX)),
    };
    let unit = match unit {
        Ok(unit) => unit,
        Err(refused) => return refused.answer(cx.reply),
    };
    let hash_key = ks.hash_key;
    let Ok(zset) = read(ks, args, 1, cx) else { return };
    let at = |i| zset.and_then(|zset| zset.score(hash_key, args.at(i))).map(Point::of_score);
    match at(2).zip(at(3)) {
        Some((a, b)) => cx.reply.bulk_fmt(format_args!("{:.4}", a.distance(b) / unit)),
        None => cx.reply.null(),
    }
}

pub(super) fn geohash(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    let hash_key = ks.hash_key;
    let Ok(zset) = read(ks, args, 1, cx) else { return };
    cx.reply.array(args.len() - 2);
    for member in args.iter().skip(2) {
        match zset.and_then(|zset| zset.score(hash_key, member)) {
            Some(score) => cx.reply.bulk(&Point::of_score(score).geohash()),
            None => cx.reply.null(),
        }
    }
}
