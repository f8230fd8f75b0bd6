//! Geo commands: their replies and effects.

use super::*;
use crate::dataset::Classes;

/// Commands and their replies as redis-server 7.0 gives them, in order, on one keyspace.
const TALK: &[(&str, &str)] = &[
    ("geoadd g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania", ":2"),
    ("geoadd g 13.361389 38.115556 Palermo 15.087269", "-ERR~syntax~error"),
    ("geoadd g nx xx 13.361389 38.115556 Palermo", "-ERR~syntax~error"),
    ("geoadd g nx ch ch", "-ERR~syntax~error"),
    ("geoadd g nx xx ch", "-ERR~syntax~error"),
    ("geoadd g a b c", "-ERR~value~is~not~a~valid~float"),
    ("geoadd g 200 b c", "-ERR~value~is~not~a~valid~float"),
    ("geoadd g 200 0 c", "-ERR~invalid~longitude,latitude~pair~200.000000,0.000000"),
    ("geoadd g inf 0 c", "-ERR~invalid~longitude,latitude~pair~inf,0.000000"),
    ("geoadd g nan 0 c", "-ERR~value~is~not~a~valid~float"),
    ("set s 1", "+OK"),
    ("geoadd s 200 0 c", "-ERR~invalid~longitude,latitude~pair~200.000000,0.000000"),
    ("geoadd s 20 0 c", "-WRONGTYPE~Operation~against~a~key~holding~the~wrong~kind~of~value"),
    (
        "geopos g Palermo nosuch Catania",
        "*3 *2 $20 13.36138933897018433 $20 38.11555639549629859 *-1 *2 $20 15.08726745843887329 $20 37.50266842333162032",
    ),
    ("geopos nokey a b", "*2 *-1 *-1"),
    ("geopos g", "*0"),
    ("geopos s", "-WRONGTYPE~Operation~against~a~key~holding~the~wrong~kind~of~value"),
    ("geopos s a", "-WRONGTYPE~Operation~against~a~key~holding~the~wrong~kind~of~value"),
    ("geodist g Palermo Catania", "$11 166274.1516"),
    ("geodist g Palermo Catania km", "$8 166.2742"),
    ("geodist g Palermo Catania kM", "$8 166.2742"),
    ("geodist g Palermo Catania x", "-ERR~unsupported~unit~provided.~please~use~M,~KM,~FT,~MI"),
    ("geodist g Palermo Catania km x", "-ERR~syntax~error"),
    ("geodist g Palermo nosuch", "$-1"),
    ("geodist nokey Palermo nosuch x", "-ERR~unsupported~unit~provided.~please~use~M,~KM,~FT,~MI"),
    ("geodist nokey Palermo nosuch", "$-1"),
    ("geodist s Palermo nosuch", "-WRONGTYPE~Operation~against~a~key~holding~the~wrong~kind~of~value"),
    ("geohash g Palermo nosuch", "*2 $11 sqc8b49rny0 $-1"),
    ("geohash nokey a b", "*2 $-1 $-1"),
    ("geohash g", "*0"),
    ("geohash s a", "-WRONGTYPE~Operation~against~a~key~holding~the~wrong~kind~of~value"),
    (
        "georadius g 15 37 200 km withcoord withdist withhash",
        "*2 *4 $7 Palermo $8 190.4424 :3479099956230698 *2 $20 13.36138933897018433 $20 38.11555639549629859 *4 $7 Catania $7 56.4413 :3479447370796909 *2 $20 15.08726745843887329 $20 37.50266842333162032",
    ),
    ("georadius g 15 37 200 km withdist desc", "*2 *2 $7 Palermo $8 190.4424 *2 $7 Catania $7 56.4413"),
    ("georadius g 15 37 200 x", "-ERR~unsupported~unit~provided.~please~use~M,~KM,~FT,~MI"),
    ("georadius g 15 37 a km", "-ERR~need~numeric~radius"),
    ("georadius g 15 37 -1 km", "-ERR~radius~cannot~be~negative"),
    ("georadius g 15 370 1 km", "-ERR~invalid~longitude,latitude~pair~15.000000,370.000000"),
    ("georadius g 15 x 1 km", "-ERR~value~is~not~a~valid~float"),
    ("georadius g 15 37 200 km count", "-ERR~syntax~error"),
    ("georadius g 15 37 200 km count 0", "-ERR~COUNT~must~be~>~0"),
    ("georadius g 15 37 200 km count x", "-ERR~value~is~not~an~integer~or~out~of~range"),
    ("georadius g 15 37 200 km count 1", "*1 $7 Catania"),
    ("georadius g 15 37 200 km count 1 any", "*1 $7 Palermo"),
    ("georadius g 15 37 200 km any", "-ERR~the~ANY~argument~requires~COUNT~argument"),
    ("georadius g 15 37 200 km any count 1", "*1 $7 Palermo"),
    ("georadius g 15 37 200 km store", "-ERR~syntax~error"),
    (
        "georadius g 15 37 200 km store x withdist",
        "-ERR~STORE~option~in~GEORADIUS~is~not~compatible~with~WITHDIST,~WITHHASH~and~WITHCOORD~options",
    ),
    ("georadius g 15 37 200 km store x", ":2"),
    ("georadius g 15 37 200 km storedist x", ":2"),
    ("georadius g 15 37 200 km storedist x store y", ":2"),
    ("zrange y 0 -1 withscores", "*4 $7 Palermo $16 3479099956230698 $7 Catania $16 3479447370796909"),
    ("georadius_ro g 15 37 200 km store x", "-ERR~syntax~error"),
    ("georadius nokey 15 37 200 km store x", ":0"),
    ("exists x", ":0"),
    ("georadius nokey 15 37 200 km", "*0"),
    ("georadius nokey 15 37 -1 km", "-ERR~radius~cannot~be~negative"),
    ("georadius s 15 37 -1 km", "-WRONGTYPE~Operation~against~a~key~holding~the~wrong~kind~of~value"),
    ("georadius s 15 37 -1 km badopt", "-WRONGTYPE~Operation~against~a~key~holding~the~wrong~kind~of~value"),
    ("georadius g 15 37 1 km badopt", "-ERR~syntax~error"),
    ("georadius g 15 37 1 m store x", ":0"),
    ("georadiusbymember g Palermo 200 km", "*2 $7 Palermo $7 Catania"),
    ("georadiusbymember g nosuch 200 km", "-ERR~could~not~decode~requested~zset~member"),
    ("georadiusbymember nokey nosuch 200 km", "*0"),
    ("georadiusbymember g nosuch x km", "-ERR~could~not~decode~requested~zset~member"),
    ("georadiusbymember_ro g Palermo 200 km withdist", "*2 *2 $7 Palermo $6 0.0000 *2 $7 Catania $8 166.2742"),
    ("georadiusbymember_ro g Palermo 200 km store x", "-ERR~syntax~error"),
    ("geosearch g frommember Palermo byradius 200 km", "*2 $7 Palermo $7 Catania"),
    (
        "geosearch g fromlonlat 15 37 byradius 200 km asc withdist withcoord withhash",
        "*2 *4 $7 Catania $7 56.4413 :3479447370796909 *2 $20 15.08726745843887329 $20 37.50266842333162032 *4 $7 Palermo $8 190.4424 :3479099956230698 *2 $20 13.36138933897018433 $20 38.11555639549629859",
    ),
    (
        "geosearch g fromlonlat 15 37 bybox 400 400 km asc withdist withcoord",
        "*2 *3 $7 Catania $7 56.4413 *2 $20 15.08726745843887329 $20 37.50266842333162032 *3 $7 Palermo $8 190.4424 *2 $20 13.36138933897018433 $20 38.11555639549629859",
    ),
    ("geosearch g fromlonlat 15 37 bybox 400 km asc", "-ERR~need~numeric~height"),
    (
        "geosearch g byradius 1 km asc count 1",
        "-ERR~exactly~one~of~FROMMEMBER~or~FROMLONLAT~can~be~specified~for~geosearch",
    ),
    ("geosearch g fromlonlat 15 37 frommember Palermo byradius 200 km", "-ERR~syntax~error"),
    ("geosearch g fromlonlat 15 37 byradius 200 km byradius 1 km", "*0"),
    ("geosearch g fromlonlat 15 37 fromlonlat 15 37 byradius 200 km", "*2 $7 Palermo $7 Catania"),
    ("geosearch g fromlonlat 15 37 byradius 200 km bybox 1 1 km", "-ERR~syntax~error"),
    ("geosearch g fromlonlat 15 37 bybox 1 -1 km", "-ERR~height~or~width~cannot~be~negative"),
    ("geosearch g fromlonlat 15 37 bybox 1 x km", "-ERR~need~numeric~height"),
    ("geosearch g fromlonlat 15 37 bybox x 1 km", "-ERR~need~numeric~width"),
    ("geosearch g fromlonlat 15 37 bybox 1 1 q", "-ERR~unsupported~unit~provided.~please~use~M,~KM,~FT,~MI"),
    ("geosearch g fromlonlat 15 37 byradius 1 q", "-ERR~unsupported~unit~provided.~please~use~M,~KM,~FT,~MI"),
    ("geosearch g fromlonlat 15 37 byradius -1 m", "-ERR~radius~cannot~be~negative"),
    ("geosearch g fromlonlat 15 37 byradius 200 km store x", "-ERR~syntax~error"),
    ("geosearch g fromlonlat 15 37 byradius 200 km storedist", "-ERR~syntax~error"),
    ("geosearch g fromlonlat 15 37 byradius 200 km any", "-ERR~the~ANY~argument~requires~COUNT~argument"),
    ("geosearch nokey frommember x byradius 200 km", "*0"),
    ("geosearch g frommember x byradius 200 km", "-ERR~could~not~decode~requested~zset~member"),
    ("geosearchstore d g fromlonlat 15 37 byradius 200 km storedist", ":2"),
    (
        "geosearchstore d g fromlonlat 15 37 byradius 200 km withdist",
        "-ERR~GEOSEARCHSTORE~is~not~compatible~with~WITHDIST,~WITHHASH~and~WITHCOORD~options",
    ),
    ("geosearchstore d g fromlonlat 15 37 byradius 200 km", ":2"),
    ("geosearchstore d nokey fromlonlat 15 37 byradius 200 km", ":0"),
    (
        "geosearchstore d s fromlonlat 15 37 byradius 200 km",
        "-WRONGTYPE~Operation~against~a~key~holding~the~wrong~kind~of~value",
    ),
    ("geosearchstore d g fromlonlat 15 37 byradius 200 km asc desc", ":2"),
    ("geosearch nokey fromlonlat 15 x byradius 1 m", "-ERR~value~is~not~a~valid~float"),
    ("georadius g 15 37 200 km fromlonlat 1 2", "-ERR~syntax~error"),
    ("georadius g 15 37 200 km byradius 2 km", "-ERR~syntax~error"),
    ("georadius g 15 37 200 km count 1 count 2", "*2 $7 Catania $7 Palermo"),
    (
        "georadius g 15 37 200 km storedist x withcoord",
        "-ERR~STORE~option~in~GEORADIUS~is~not~compatible~with~WITHDIST,~WITHHASH~and~WITHCOORD~options",
    ),
    ("georadius g 15 37 nan km", "-ERR~need~numeric~radius"),
    ("georadius g 15 37 inf km", "*2 $7 Palermo $7 Catania"),
    ("geosearch g fromlonlat 15 37 byradius inf km", "*2 $7 Palermo $7 Catania"),
    ("geosearch g fromlonlat 15 37 bybox inf inf km", "*2 $7 Palermo $7 Catania"),
    ("geosearch g fromlonlat nan 37 bybox 1 1 km", "-ERR~value~is~not~a~valid~float"),
    ("georadius g 15 37 1e308 km", "*2 $7 Palermo $7 Catania"),
    ("zadd w 1.5 half -1 neg 1e300 big 4503599627370496 max 4503599627370495 last inf i 18446744073709551615 u", ":7"),
    (
        "geopos w half neg big max last i u",
        "*7 *2 $22 -179.99999731779098511 $21 -85.05112497791824921 *2 $3 180 $19 85.0511287799999991 *2 $22 -179.99999731779098511 $21 -85.05112751263942528 *2 $22 -179.99999731779098511 $19 85.0511287799999991 *2 $21 179.99999731779098511 $20 85.05112751263942528 *2 $22 -179.99999731779098511 $21 -85.05112751263942528 *2 $22 -179.99999731779098511 $21 -85.05112751263942528",
    ),
    (
        "geohash w half neg big max last i u",
        "*7 $11 00bh0hbj210 $11 bp05b5048p0 $11 00bh0hbj200 $11 bp05b5048p0 $11 zzpgzgpfxz0 $11 00bh0hbj200 $11 00bh0hbj200",
    ),
    ("geodist w half neg", "$13 18919844.3072"),
    ("geodist w half last", "$13 18919844.1662"),
    (
        "geosearch w fromlonlat 180 85 byradius 100 km withhash withcoord withdist",
        "*1 *4 $4 last $6 5.6867 :4503599627370495 *2 $21 179.99999731779098511 $20 85.05112751263942528",
    ),
    (
        "geosearch w fromlonlat -180 -85 byradius 100 km withhash withcoord withdist",
        "*1 *4 $4 half $6 5.6864 :1 *2 $22 -179.99999731779098511 $21 -85.05112497791824921",
    ),
    (
        "geosearch w fromlonlat 0 0 byradius 50000 km withhash withcoord withdist",
        "*2 *4 $4 last $10 10560.8118 :4503599627370495 *2 $21 179.99999731779098511 $20 85.05112751263942528 *4 $4 half $10 10560.8121 :1 *2 $22 -179.99999731779098511 $21 -85.05112497791824921",
    ),
];

#[test]
fn replies_as_redis_gives_them() {
    let mut w = World::new();
    for (command, want) in TALK {
        let want = want.replace(' ', "\r\n").replace('~', " ") + "\r\n";
        assert_eq!(w.say(command), want, "{command}");
    }
}

#[test]
fn coordinates_are_doubles_in_resp3() {
    let mut w = World { proto: Proto::Resp3, ..World::new() };
    w.say("GEOADD g 13.361389 38.115556 a");
    assert_eq!(w.say("GEOPOS g a x"), "*2\r\n*2\r\n,13.36138933897018433\r\n,38.11555639549629859\r\n_\r\n");
    assert_eq!(w.say("GEODIST g a a"), "$6\r\n0.0000\r\n");
    assert_eq!(w.say("GEOHASH g x"), "*1\r\n_\r\n");
}

#[test]
fn places_are_propagated_as_scores_and_distances_as_they_came_out() {
    let mut w = World::new();
    w.say("GEOADD g CH 13.361389 38.115556 a 15.087269 37.502669 b");
    assert_eq!(w.effects(), ["zadd g CH 3479099956230698 a 3479447370796909 b"]);
    assert_eq!(w.fx.dirty, 2);
    w.say("GEOADD g XX 1 1 c");
    w.say("GEOADD g 200 1 c");
    w.say("GEORADIUS g 15 37 200 km");
    w.say("GEOSEARCHSTORE none g FROMLONLAT 0 0 BYRADIUS 1 m");
    assert!(w.effects().is_empty());
    w.say("GEORADIUS g 15 37 200 km STORE d");
    w.say("GEOSEARCHSTORE d g FROMMEMBER a BYRADIUS 1 m STOREDIST");
    w.say("GEOSEARCHSTORE d g FROMLONLAT 0 0 BYRADIUS 1 m");
    assert_eq!(w.effects(), ["itself", "DEL d", "ZADD d 0 a", "itself"]);
    assert_eq!(w.fx.dirty, 2 + 2 + 1 + 1);
}

#[test]
fn stores_say_so_to_listeners() {
    let mut w = World::new();
    w.say("GEOADD g 13.361389 38.115556 a");
    w.fx.told = Classes(Classes::ZSET.0 | Classes::GENERIC.0);
    w.say("GEORADIUS g 13 38 200 km STORE d");
    w.say("GEOSEARCHSTORE d g FROMLONLAT 13 38 BYBOX 400 400 km");
    w.say("GEOSEARCHSTORE d g FROMLONLAT 0 0 BYBOX 1 1 m");
    let events: Vec<_> = w.fx.take_events().into_iter().map(|event| event.event).collect();
    assert_eq!(events, ["georadiusstore", "geosearchstore", "del"]);
}

/// Longitude, latitude and radius in km of circles, and which of the members `m0` to `m399` of the test below
/// redis-server 7.0 finds there, in its order: it tells how large the cells are and which comes first.
const FOUND: &[(&str, &str)] = &[
    ("15 37 1500", "5 190 375 161"),
    ("15 -37 1500", "268 54 239 83"),
    ("-120 60 1500", "235 21 206 80 265 391 361 147 332"),
    ("100 70 1500", "36 347 221 7 192 95 339 280 66 251 125 310"),
    ("100 -70 1500", "318 104 289 163 348 222 8 193 134 319 67"),
    ("10 82 700", "44 229 288 384"),
    ("10 82 1500", "258 44 229 103 288 347 133 7 192 96 303 22 81 266 140 325 199 384"),
    ("10 -83 700", "15 74 111 170 355"),
    ("10 -83 1500", "15 200 74 259 318 377 37 340 0 207 392 52 111 296 170 355 141"),
    ("179 10 1500", "204 389 292 78 263"),
    ("-179 -10 1500", "292 136 321 107"),
    ("45 66.5 1500", "132 6 317 103 288 191 376 36 162 347 221"),
    ("45 80.5 700", "229 288 347 133 192"),
    ("45 80.5 1500", "44 229 103 288 162 347 133 7 192 251 96 266 325 384"),
];

#[test]
fn members_are_found_in_the_order_of_redis() {
    let mut w = World::new();
    for i in 0..400 {
        let (lon, lat) = (f64::from(i * 37 % 360) - 179.5, f64::from(i * 23 % 170) - 84.75);
        w.say(&std::format!("GEOADD g {lon} {lat} m{i}"));
    }
    for (circle, want) in FOUND {
        let answer = w.say(&std::format!("GEORADIUS g {circle} km"));
        let found: Vec<&str> = answer.lines().filter_map(|line| line.strip_prefix('m')).collect();
        assert_eq!(found.join(" "), *want, "{circle}");
    }
}
