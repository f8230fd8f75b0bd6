//! GEOSEARCH and its elder kin: which members lie in an area.
//!
//! `BYPOLYGON` is Valkey's (since 9.0), and so are its errors; the others are those of Redis 7.0, some of which Valkey words
//! in another way.

use alloc::vec::Vec;

use super::super::Keyspace;
use super::super::geo::{Form, Point, Polygon, Shape};
use super::super::hashed::HashKey;
use super::super::pack::Text as _;
use super::super::score;
use super::super::store::Access;
use super::super::zset::{Window, ZsetEdit, ZsetRef};
use super::geo::{Refused, place, point, unit};
use super::zsets::read;
use super::{NOT_AN_INTEGER, SYNTAX};
use crate::dataset::{Classes, Context};
use crate::rdb::Scalar;
use crate::resp::{Args, parse_i64};

/// How a command of the family says what it wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// `GEORADIUS`: a place and a radius at fixed positions.
    Radius,
    /// `GEORADIUSBYMEMBER`: a member and a radius.
    ByMember,
    /// `GEOSEARCH`: all by options.
    Search,
}

/// Which command it is.
#[derive(Clone, Copy, Debug)]
struct Task {
    way: Way,
    /// Where the source key stands: 2 behind a key that takes the result.
    source: usize,
    /// Whether `STORE` is an option.
    stores: bool,
}

/// Where the result goes.
#[derive(Clone, Copy, Debug)]
struct Target<'a> {
    key: &'a [u8],
    /// Distances become the scores, not geohashes.
    distances: bool,
}

/// What is asked for.
#[derive(Debug, Default)]
struct Query<'a> {
    centre: Option<Point>,
    /// Whether a centre was named. It is none all the same if it is a member of a key that is not there.
    located: bool,
    form: Option<Form>,
    /// Metres in the unit of distances.
    unit: f64,
    coordinates: bool,
    distances: bool,
    hashes: bool,
    /// `DESC`: `Some(true)`; `ASC`: `Some(false)`.
    down: Option<bool>,
    /// 0: all.
    count: usize,
    any: bool,
    target: Option<Target<'a>>,
}

/// A length that argument `at` gives; `complaint` if it is no number.
fn length(args: Args<'_>, at: usize, complaint: &'static str) -> Result<f64, Refused> {
    score::parse(args.at(at)).ok_or(Refused::Text(complaint))
}

impl<'a> Query<'a> {
    /// Reads a radius and its unit.
    fn radius(&mut self, args: Args<'_>, at: usize) -> Result<(), Refused> {
        let radius = length(args, at, "ERR need numeric radius")?;
        if radius < 0.0 {
            return Err(Refused::Text("ERR radius cannot be negative"));
        }
        self.unit = unit(args, at + 1)?;
        self.form = Some(Form::Circle(radius * self.unit));
        Ok(())
    }

    /// Reads width, height and unit.
    fn rectangle(&mut self, args: Args<'_>, at: usize) -> Result<(), Refused> {
        let width = length(args, at, "ERR need numeric width")?;
        let height = length(args, at + 1, "ERR need numeric height")?;
        if width < 0.0 || height < 0.0 {
            return Err(Refused::Text("ERR height or width cannot be negative"));
        }
        self.unit = unit(args, at + 2)?;
        self.form = Some(Form::Box(width * self.unit, height * self.unit));
        Ok(())
    }

    /// Reads the number of corners and the corners themselves, which tell the centre too; how many arguments they are.
    fn polygon(&mut self, args: Args<'_>, at: usize) -> Result<usize, Refused> {
        const TOO_FEW: Refused = Refused::Text("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices");
        let count = parse_i64(args.at(at)).and_then(|n| i32::try_from(n).ok());
        let count = count.ok_or(Refused::Text("ERR invalid number of vertices"))?;
        let rest = args.len() - at - 1;
        let count = usize::try_from(count).ok().filter(|&n| n >= 3 && n <= rest / 2).ok_or(TOO_FEW)?;
        let corners: Result<Vec<Point>, Refused> = (0..count).map(|i| point(args, at + 1 + 2 * i)).collect();
        let polygon = Polygon::new(corners?).ok_or(TOO_FEW)?;
        self.centre = Some(polygon.centre());
        self.form = Some(Form::Polygon(polygon));
        Ok(1 + 2 * count)
    }

    /// Begins at a member; of a key that is not there, nowhere.
    fn member(&mut self, source: Option<Source<'_>>, name: &[u8]) -> Result<(), Refused> {
        let Some(source) = source else { return Ok(()) };
        let score = source.zset.score(source.hash_key, name);
        self.centre = Some(Point::of_score(score.ok_or(Refused::Text("ERR could not decode requested zset member"))?));
        Ok(())
    }

    /// Reads all arguments.
    fn parse(args: Args<'a>, task: Task, source: Option<Source<'_>>) -> Result<Self, Refused> {
        let mut query = Self { unit: 1.0, ..Self::default() };
        let mut options = task.source + 1;
        let first = options;
        match task.way {
            Way::Radius => {
                query.centre = Some(point(args, first)?);
                query.radius(args, first + 2)?;
                options += 4;
            }
            Way::ByMember => {
                query.member(source, args.at(first))?;
                query.radius(args, first + 1)?;
                options += 3;
            }
            Way::Search => {}
        }
        query.options(args, options, task, source)?;
        if query.target.is_some() && (query.coordinates || query.distances || query.hashes) {
            return Err(Refused::Text(match task.way {
                Way::Search => "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
                _ => "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
            }));
        }
        Ok(query)
    }

    fn options(&mut self, args: Args<'a>, from: usize, task: Task, source: Option<Source<'_>>) -> Result<(), Refused> {
        let search = task.way == Way::Search;
        // A storing GEOSEARCH has its key at the front.
        let mut target = (search && task.source == 2).then(|| Target { key: args.at(1), distances: false });
        let (mut member, mut place, mut circle, mut rectangle, mut polygon) = (false, false, false, false, false);
        let mut i = from;
        while i < args.len() {
            let behind = args.len() - i - 1;
            if args.is(i, "WITHDIST") {
                self.distances = true;
            } else if args.is(i, "WITHHASH") {
                self.hashes = true;
            } else if args.is(i, "WITHCOORD") {
                self.coordinates = true;
            } else if args.is(i, "ANY") {
                self.any = true;
            } else if args.is(i, "ASC") {
                self.down = Some(false);
            } else if args.is(i, "DESC") {
                self.down = Some(true);
            } else if behind >= 1 && args.is(i, "COUNT") {
                let count = parse_i64(args.at(i + 1)).ok_or(Refused::Text(NOT_AN_INTEGER))?;
                self.count = usize::try_from(count).unwrap_or(0);
                if self.count == 0 {
                    return Err(Refused::Text("ERR COUNT must be > 0"));
                }
                i += 1;
            } else if task.stores && behind >= 1 && (args.is(i, "STORE") || args.is(i, "STOREDIST")) {
                target = Some(Target { key: args.at(i + 1), distances: args.is(i, "STOREDIST") });
                i += 1;
            } else if search && behind >= 1 && !place && !polygon && args.is(i, "FROMMEMBER") {
                member = true;
                self.member(source, args.at(i + 1))?;
                i += 1;
            } else if search && behind >= 2 && !member && !polygon && args.is(i, "FROMLONLAT") {
                place = true;
                self.centre = Some(point(args, i + 1)?);
                i += 2;
            } else if search && behind >= 2 && !rectangle && !polygon && args.is(i, "BYRADIUS") {
                circle = true;
                self.radius(args, i + 1)?;
                i += 2;
            } else if search && behind >= 3 && !circle && !polygon && args.is(i, "BYBOX") {
                rectangle = true;
                self.rectangle(args, i + 1)?;
                i += 3;
            } else if search && behind >= 2 && !(member || place || circle || rectangle) && args.is(i, "BYPOLYGON") {
                polygon = true;
                i += self.polygon(args, i + 1)?;
            } else if search
                && let Some(target) = &mut target
                && args.is(i, "STOREDIST")
            {
                target.distances = true;
            } else {
                return Err(Refused::Text(SYNTAX));
            }
            i += 1;
        }
        self.target = target;
        self.located = !search || member || place || polygon;
        Ok(())
    }

    /// What is missing or does not go together, said of the command as it was called.
    fn gap(&self) -> Option<&'static str> {
        if !self.located {
            return Some("exactly one of FROMMEMBER or FROMLONLAT can be specified for ");
        }
        if self.form.is_none() {
            return Some("exactly one of BYRADIUS and BYBOX can be specified for ");
        }
        None
    }
}

/// The sorted set that is searched.
#[derive(Clone, Copy, Debug)]
struct Source<'k> {
    zset: ZsetRef<'k>,
    hash_key: HashKey,
}

/// A member that lies in the area.
#[derive(Clone, Copy, Debug)]
struct Found<'k> {
    member: Scalar<'k>,
    score: f64,
    point: Point,
    /// From the centre, m.
    distance: f64,
}

/// The members in an area: cell by cell, in each by score. Not more than `most`.
fn inside<'k>(zset: ZsetRef<'k>, shape: &Shape, most: usize) -> Vec<Found<'k>> {
    let mut found = Vec::new();
    for cell in shape.cells() {
        let (from, to) = cell.scores();
        for (member, score) in zset.walk(zset.span(&Window::scores_below(from, to)), false) {
            let point = Point::of_score(score);
            let Some(distance) = shape.distance(point) else { continue };
            found.push(Found { member, score, point, distance });
            if found.len() == most {
                return found;
            }
        }
    }
    found
}

fn search(ks: &mut Keyspace, args: Args<'_>, task: Task, cx: &mut Context<'_, '_>) {
    let (hash_key, limit) = (ks.hash_key, ks.limits.zset);
    let Ok(zset) = read(ks, args, task.source, cx) else { return };
    let mut query = match Query::parse(args, task, zset.map(|zset| Source { zset, hash_key })) {
        Ok(query) => query,
        Err(refused) => return refused.answer(cx.reply),
    };
    if let Some(text) = query.gap() {
        return cx.reply.error_bytes(&[b"ERR ", text.as_bytes(), args.at(0)].concat());
    }
    if query.any && query.count == 0 {
        return cx.reply.error("ERR the ANY argument requires COUNT argument");
    }
    let mut found = Vec::new();
    // Sines differ in their last bit from one library to another, and Redis knows no polygons.
    let by_result = query.target.is_some_and(|target| target.distances) || matches!(query.form, Some(Form::Polygon(_)));
    if let (Some(zset), Some(centre), Some(form)) = (zset, query.centre, query.form.take()) {
        found = inside(zset, &Shape { centre, form }, if query.any { query.count } else { usize::MAX });
    }
    // The nearest are meant, unless any will do.
    if let Some(down) = query.down.or((query.count > 0 && !query.any).then_some(false)) {
        let order = |a: &Found<'_>, b: &Found<'_>| score::compare(a.distance, b.distance);
        found.sort_by(|a, b| if down { order(b, a) } else { order(a, b) });
    }
    if query.count > 0 {
        found.truncate(query.count);
    }
    let Some(target) = query.target else { return answer(&found, &query, cx) };
    let mut result = ZsetEdit::whole(hash_key, limit);
    result.announce(found.len(), 0);
    let mut scores = by_result.then(Vec::new);
    for at in found {
        let mut buf = [0; 20];
        let member = at.member.text(&mut buf);
        let score = if target.distances { at.distance / query.unit } else { at.score };
        if let Some(scores) = &mut scores {
            scores.extend([score::precise(score).into_bytes(), member.to_vec()]);
        }
        result.put(member, score);
    }
    let event = if task.way == Way::Search { "geosearchstore" } else { "georadiusstore" };
    store(ks, target.key, result, scores.as_deref(), event, cx);
}

fn answer(found: &[Found<'_>], query: &Query<'_>, cx: &mut Context<'_, '_>) {
    let more = usize::from(query.distances) + usize::from(query.hashes) + usize::from(query.coordinates);
    cx.reply.array(found.len());
    for at in found {
        if more > 0 {
            cx.reply.array(1 + more);
        }
        at.member.reply(cx.reply);
        if query.distances {
            cx.reply.bulk_fmt(format_args!("{:.4}", at.distance / query.unit));
        }
        if query.hashes {
            cx.reply.int(at.score as i64);
        }
        if query.coordinates {
            place(at.point, cx.reply);
        }
    }
}

/// Gives a key the result instead of whatever it holds, or deletes it if nothing was found. Replicas are told of `scores`
/// and members if these are given, and to search themselves otherwise.
fn store(
    ks: &mut Keyspace,
    name: &[u8],
    result: ZsetEdit<'static>,
    scores: Option<&[Vec<u8>]>,
    event: &'static str,
    cx: &mut Context<'_, '_>,
) {
    let key = ks.key(cx.db, name);
    let n = result.view().len();
    let place = ks.find(&key, cx, Access::Write);
    if n == 0 {
        if let Some(place) = place {
            ks.remove(&key, place, cx);
            match scores {
                Some(_) => cx.effects.command(key.db, &[ks.words.deleted, name]),
                None => cx.effects.itself(),
            }
            cx.effects.notify(Classes::GENERIC, "del", key.db, key.bytes);
        }
        return cx.reply.int(0);
    }
    ks.replace(&key, place, result.into_slot(name, None), cx);
    if let Some(scores) = scores {
        cx.effects.command(key.db, &[b"DEL", name]);
        let head = [&b"ZADD"[..], name];
        let words: Vec<&[u8]> = head.into_iter().chain(scores.iter().map(Vec::as_slice)).collect();
        cx.effects.command(key.db, &words);
        cx.effects.dirty -= 1;
    } else {
        cx.effects.itself();
    }
    cx.effects.dirty += n as u64 - 1;
    cx.effects.notify(Classes::ZSET, event, key.db, key.bytes);
    cx.reply.int(n as i64);
}

pub(super) fn georadius(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    search(ks, args, Task { way: Way::Radius, source: 1, stores: true }, cx);
}

pub(super) fn georadius_ro(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    search(ks, args, Task { way: Way::Radius, source: 1, stores: false }, cx);
}

pub(super) fn georadiusbymember(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    search(ks, args, Task { way: Way::ByMember, source: 1, stores: true }, cx);
}

pub(super) fn georadiusbymember_ro(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    search(ks, args, Task { way: Way::ByMember, source: 1, stores: false }, cx);
}

pub(super) fn geosearch(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    search(ks, args, Task { way: Way::Search, source: 1, stores: false }, cx);
}

pub(super) fn geosearchstore(ks: &mut Keyspace, args: Args<'_>, cx: &mut Context<'_, '_>) {
    search(ks, args, Task { way: Way::Search, source: 2, stores: false }, cx);
}
