//! Sorted sets: random histories against a map, a replica, and every form in snapshots.

use super::*;
use quickcheck::quickcheck;

/// One step of a history of one sorted set: operation, member, score.
type Op = (u8, u16, i16);
type Map = BTreeMap<Vec<u8>, f64>;

fn member(m: u16, members: u16) -> Vec<u8> {
    match m % members {
        m if m.is_multiple_of(3) => std::format!("{m}").into_bytes(),
        m if m.is_multiple_of(40) => std::format!("a member of more than twenty-two bytes:{m}").into_bytes(),
        m => std::format!("m:{m}").into_bytes(),
    }
}

/// Some score: often one that others have, often no integer.
fn score(n: i16) -> f64 {
    match n % 8 {
        0 => f64::from(n % 5),
        1 => f64::from(n) / 3.0,
        2 => f64::from(n) * 1e300,
        3 => f64::from(n) * 1e17,
        4 if n > 30_000 => f64::INFINITY,
        _ => f64::from(n),
    }
}

fn ranked(m: &Map) -> Vec<(Vec<u8>, f64)> {
    let mut all: Vec<_> = m.iter().map(|(member, score)| (member.clone(), *score)).collect();
    all.sort_by(|(a, x), (b, y)| x.partial_cmp(y).expect("no NaN").then_with(|| a.cmp(b)));
    all
}

fn pairs(list: &[(Vec<u8>, f64)]) -> Vec<u8> {
    let mut out = Blocks::new();
    let mut reply = Reply::new(&mut out, Proto::Resp2);
    reply.array(list.len() * 2);
    for (member, score) in list {
        reply.bulk(member);
        reply.double(*score);
    }
    let mut chunks = Chunks::new();
    out.read(0, usize::MAX, &mut chunks);
    chunks.concat()
}

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// Does a step to both; commands that answer pairs are held against the map.
fn step(w: &mut World, m: &mut Map, (op, who, n): Op, members: u16) {
    let (name, new) = (member(who, members), score(n));
    let text = std::format!("{new}").into_bytes();
    match op % 16 {
        0..=6 => {
            w.run(0, &[b"ZADD", &b"z"[..], &text, &name]);
            m.insert(name, new);
        }
        7 | 8 => {
            w.run(0, &[&b"ZREM"[..], b"z", &name]);
            m.remove(&name);
        }
        9 => {
            w.run(0, &[&b"ZINCRBY"[..], b"z", b"1.5", &name]);
            *m.entry(name).or_default() += 1.5;
        }
        10 => {
            let all = ranked(m);
            let k = all.len().min(usize::from(who % 4));
            let (taken, line) = if n % 2 == 0 {
                (all[..k].to_vec(), "ZPOPMIN")
            } else {
                (all[all.len() - k..].iter().rev().cloned().collect(), "ZPOPMAX")
            };
            assert_eq!(w.run(0, &words(&std::format!("{line} z {}", who % 4))), pairs(&taken));
            taken.iter().for_each(|(member, _)| _ = m.remove(member));
        }
        11 => {
            let low = f64::from(n % 50);
            let gone: Vec<_> = ranked(m).into_iter().filter(|(_, score)| *score > low && *score <= low + 3.0).collect();
            let line = std::format!("z ({low} {}", low + 3.0);
            assert_eq!(w.run(0, &words(&std::format!("ZRANGEBYSCORE {line} WITHSCORES"))), pairs(&gone));
            w.run(0, &words(&std::format!("ZREMRANGEBYSCORE {line}")));
            gone.iter().for_each(|(member, _)| _ = m.remove(member));
        }
        12 => {
            let all = ranked(m);
            let from = usize::from(who) % (all.len() + 1);
            let to = all.len().min(from + 9);
            assert_eq!(
                w.run(0, &words(&std::format!("ZRANGE z {from} {} WITHSCORES", from + 8))),
                pairs(&all[from..to])
            );
            if n % 3 == 0 {
                w.run(0, &words(&std::format!("ZREMRANGEBYRANK z {from} {}", from + 8)));
                all[from..to].iter().for_each(|(member, _)| _ = m.remove(member));
            }
        }
        13 => {
            let high = f64::from(n);
            let mut down: Vec<_> = ranked(m).into_iter().filter(|(_, score)| *score < high).collect();
            down.reverse();
            let (skip, take) = (usize::from(who) % 7, usize::from(who) % 5);
            let want: Vec<_> = down.iter().skip(skip).take(take).cloned().collect();
            let line = std::format!("ZREVRANGEBYSCORE z ({high} -inf WITHSCORES LIMIT {skip} {take}");
            assert_eq!(w.run(0, &words(&line)), pairs(&want), "{line}");
            assert_eq!(
                w.run(0, &words(&std::format!("ZCOUNT z -inf ({high}"))),
                std::format!(":{}\r\n", down.len()).into_bytes()
            );
        }
        14 => {
            let rank = ranked(m).iter().position(|(member, _)| *member == name);
            let want = rank.map_or("$-1\r\n".into(), |rank| std::format!(":{rank}\r\n"));
            assert_eq!(w.run(0, &[&b"ZRANK"[..], b"z", &name]), want.into_bytes());
            let want = rank.map_or("$-1\r\n".into(), |rank| std::format!(":{}\r\n", m.len() - 1 - rank));
            assert_eq!(w.run(0, &[&b"ZREVRANK"[..], b"z", &name]), want.into_bytes());
        }
        _ => {
            let want: Vec<_> = m.get(&name).map(|score| (name.clone(), *score)).into_iter().collect();
            let got = w.run(0, &[&b"ZSCORE"[..], b"z", &name]);
            assert!(want.is_empty() == (got == b"$-1\r\n") && (want.is_empty() || pairs(&want).ends_with(&got)));
        }
    }
}

quickcheck! {
    fn behaves_as_a_map(ops: Vec<Op>, members: u16) -> bool {
        let (mut w, mut m) = (World::new(), Map::new());
        let members = members % 1500 + 1;
        for round in 0..8u16 {
            for &(op, who, n) in &ops {
                step(&mut w, &mut m, (op, who.wrapping_mul(round + 1), n), members);
            }
        }
        super::laws::accounts(&w.ks);
        w.run(0, &words("ZRANGE z 0 -1 WITHSCORES")) == pairs(&ranked(&m))
            && w.say("ZCARD z") == std::format!(":{}\r\n", m.len())
            && w.content().remove(&(0, b"z".to_vec())).is_none() == m.is_empty()
    }

    fn ranges_of_members_are_those_of_a_map(list: Vec<Vec<u8>>, min: Vec<u8>, max: Vec<u8>, open: (bool, bool)) -> bool {
        let mut w = World::new();
        // Three times as many, so that some are large.
        let all: alloc::collections::BTreeSet<Vec<u8>> =
            list.iter().flat_map(|m| (0..3u8).map(|i| [&m[..], &[i]].concat())).collect();
        for member in &all {
            w.run(0, &[&b"ZADD"[..], b"z", b"0", member]);
        }
        let bound = |open, text: &[u8]| [if open { b"(" } else { &b"["[..] }, text].concat();
        let (low, high) = (bound(open.0, &min), bound(open.1, &max));
        let inside = |m: &&Vec<u8>| (if open.0 { **m > min } else { **m >= min }) && (if open.1 { **m < max } else { **m <= max });
        let n = all.iter().filter(inside).count();
        let want = std::format!(":{n}\r\n").into_bytes();
        w.run(0, &[&b"ZLEXCOUNT"[..], b"z", &low, &high]) == want
            && w.run(0, &[&b"ZREMRANGEBYLEX"[..], b"z", &low, &high]) == want
            && w.say("ZCARD z") == std::format!(":{}\r\n", all.len() - n)
    }
}

/// One step of a history of several keys: operation, key, member, number.
type Mixed = (u8, u8, u16, i16);

/// The command of a step, with its database.
fn command((op, k, who, n): Mixed) -> (u32, Vec<Vec<u8>>) {
    let (key, other, third) = (k % 12, n.unsigned_abs() % 12, who % 12);
    let name = String::from_utf8(member(who, 300)).expect("text").replace(' ', "_");
    let new = score(n);
    let mut line = match op % 20 {
        0..=4 => std::format!("ZADD k{key} {new} {name}"),
        5 | 6 => std::format!("ZREM k{key} {name}"),
        7 => std::format!("ZINCRBY k{key} {new} {name}"),
        8 => std::format!("ZADD k{key} GT CH {new} {name}"),
        9 => std::format!("COPY k{key} k{other} REPLACE"),
        10 => std::format!("RENAME k{key} k{other}"),
        11 if n % 4 == 0 => std::format!("DEL k{key}"),
        12 => std::format!("PEXPIRE k{key} {}", n.unsigned_abs() % 900 + 1),
        13 if n % 5 == 0 => std::format!("SET k{key} v{n}"),
        14 => std::format!("ZPOPMAX k{key} {}", who % 5),
        15 => std::format!("ZMPOP 2 k{key} k{other} MIN COUNT {}", who % 5 + 1),
        16 => std::format!("ZREMRANGEBYRANK k{key} {} -2", who % 300),
        17 => std::format!("ZRANGESTORE k{other} k{key} -inf {new} BYSCORE LIMIT 0 200"),
        18 => std::format!("ZUNIONSTORE k{other} 2 k{key} k{third} WEIGHTS 0.5 2"),
        19 => std::format!("ZDIFFSTORE k{other} 2 k{key} k{third}"),
        _ => std::format!("ZADD k{key}"),
    };
    if line.starts_with("ZADD") && line.split(' ').count() == 2 {
        for i in 0..n.unsigned_abs() % 300 {
            let more = std::format!(" {} many:{}", i.cast_signed(), i.wrapping_add(who) % 400);
            line.push_str(&more);
        }
        line += " 1 x";
    }
    (u32::from(k % 2), words(&line))
}

/// Does a step; the command.
fn mixed(w: &mut World, op: Mixed) -> (u32, Vec<Vec<u8>>) {
    let (db, args) = command(op);
    w.run(db, &args);
    w.ms += u64::from(op.3.unsigned_abs() % 7);
    match op.3 % 97 {
        0 => w.ks.swap(0, 1),
        1 => _ = w.ks.maintain(3),
        _ => {}
    }
    (db, args)
}

quickcheck! {
    fn a_snapshot_is_the_state_at_its_beginning(before: Vec<Mixed>, during: Vec<Mixed>, budget: u16) -> bool {
        let mut w = World::new();
        before.iter().chain(&before).for_each(|&op| { mixed(&mut w, op); });
        let want = w.content();
        let mut whole = Body::new(Options { compress: budget.is_multiple_of(2) });
        let budget = usize::from(budget) % 3000;
        w.ks.snapshot_begin();
        for (i, &op) in during.iter().enumerate() {
            mixed(&mut w, op);
            if i % 5 == 4 {
                w.ks.flush(Some(u32::from(op.1 % 2)));
            }
            if i % 2 == 0 {
                w.ks.snapshot_step(&mut whole, budget);
            }
        }
        while w.ks.snapshot_step(&mut whole, budget) == Progress::More {}
        assert_eq!(w.ks.snapshot_pending(), 0);
        w.ks.snapshot_end();
        super::laws::accounts(&w.ks);
        read(&frame(&mut whole)) == want
    }

    fn what_was_saved_is_loaded(ops: Vec<Mixed>, budget: u16, listpacks: bool) -> bool {
        let mut w = World::new();
        ops.iter().chain(&ops).for_each(|&op| { mixed(&mut w, op); });
        let version = if listpacks { Writer::DEFAULT_VERSION } else { Writer::MIN_VERSION };
        let mut body = Body::new(Options { compress: budget.is_multiple_of(2) }).for_version(version);
        w.ks.snapshot_begin();
        while w.ks.snapshot_step(&mut body, usize::from(budget)) == Progress::More {}
        w.ks.snapshot_end();
        let bytes = frame(&mut body);
        let mut copy = World::seeded(8);
        copy.ks.load_begin(LoadMode::Replace);
        feed(&mut copy.ks, &bytes, None);
        copy.ks.load_commit();
        super::laws::accounts(&copy.ks);
        copy.content() == w.content() && copy.ks.digest() == w.ks.digest() && copy.ks.load_counts() == (w.content().len() as u64, 0)
    }

    fn a_replica_comes_to_the_same(ops: Vec<Mixed>) -> bool {
        let (mut w, mut replica) = (World::new(), World::seeded(9));
        (replica.origin, replica.may_expire) = (Origin::Upstream, false);
        for op in ops {
            let (db, args) = command(op);
            w.run(db, &args);
            w.ms += u64::from(op.3.unsigned_abs() % 7);
            for effect in w.fx.take() {
                match effect {
                    Effect::Command(db, c) => replica.run(db, &c.args().iter().collect::<Vec<_>>()),
                    Effect::Itself => replica.run(db, &args),
                };
            }
        }
        w.content() == replica.content() && w.ks.digest() == replica.ks.digest()
    }

    fn unions_and_the_like_are_those_of_maps(a: Vec<(u8, i16)>, b: Vec<(u8, i16)>, times: u8) -> bool {
        let mut w = World::new();
        let mut load = |name: &str, list: &[(u8, i16)]| -> Map {
            let mut all = Map::new();
            for (i, (who, n)) in (0..=u16::from(times % 8)).flat_map(|i| list.iter().map(move |x| (i, x))) {
                let (member, score) = (std::format!("{}", u16::from(*who) + i * 50), f64::from(*n) / 4.0);
                w.run(0, &["ZADD", name, &std::format!("{score}"), &member]);
                all.insert(member.into_bytes(), score);
            }
            all
        };
        let (a, b) = (load("a", &a), load("b", &b));
        let only = |f: &dyn Fn(&Vec<u8>) -> Option<f64>| -> Map {
            a.keys().chain(b.keys()).filter_map(|m| Some((m.clone(), f(m)?))).collect()
        };
        let union = only(&|m| Some(a.get(m).map_or(0.0, |s| s * 2.0) + b.get(m).map_or(0.0, |s| s * 3.0)));
        let inter = only(&|m| Some(a.get(m)?.max(*b.get(m)?)));
        let diff = only(&|m| if b.contains_key(m) { None } else { a.get(m).copied() });
        let mut right = true;
        for (line, want) in [
            ("UNION", "2 a b WEIGHTS 2 3", &union),
            ("INTER", "2 a b AGGREGATE MAX", &inter),
            ("DIFF", "2 a b", &diff),
        ].map(|(name, tail, want)| ((name, tail), want)) {
            let pairs = pairs(&ranked(want)).into_iter().collect::<Vec<u8>>();
            right &= w.run(0, &words(&std::format!("Z{} {} WITHSCORES", line.0, line.1))) == pairs;
            w.say(&std::format!("Z{}STORE d {}", line.0, line.1));
            right &= w.run(0, &words("ZRANGE d 0 -1 WITHSCORES")) == pairs;
        }
        super::laws::accounts(&w.ks);
        right && w.say("ZINTERCARD 2 a b") == std::format!(":{}\r\n", inter.len())
    }
}
