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

/// The same of polygons as valkey-server 9.1 gives them.
const POLYGONS: &[(&str, &str)] = &[
    ("geoadd g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania", ":2"),
    ("geoadd g 12.758489 38.788135 edge1 17.241510 38.788135 edge2", ":2"),
    ("geosearch g bypolygon 3 12 38 15 38 14 40", "*1 $7 Palermo"),
    (
        "geosearch g bypolygon 5 12.41098696654226 38.05033923003755 15.107936245794182 38.00616649901906 18.148439288534455 38.63804787603499 17.80831874257693 39.50316813110968 12.458468633214036 38.57719533463012 asc withcoord withdist withhash",
        "*2 *4 $7 Palermo $11 166482.0159 :3479099956230698 *2 $20 13.36138933897018433 $20 38.11555639549629859 *4 $5 edge2 $11 180861.7725 :3481342659049484 *2 $20 17.24151045083999634 $20 38.78813451624225195",
    ),
    (
        "geosearch g bypolygon 3 12 38 15 38 14 40 bypolygon 3 16 38 18 38 17 40 withdist",
        "*1 *2 $5 edge2 $10 24763.9380",
    ),
    ("geosearch g bypolygon 3 12 38 15 38 14 40 count 1 any", "*1 $7 Palermo"),
    ("geosearch g bypolygon 3 12 38 15 38 14 40 any", "-ERR~the~ANY~argument~requires~COUNT~argument"),
    ("geosearch g bypolygon 3 0 0 1 1 2 2", "*0"),
    ("geosearch g bypolygon 3 0 0 0 0 0 0", "*0"),
    ("geosearch none bypolygon 3 12 38 15 38 14 40", "*0"),
    ("geosearch none bypolygon 2 12 38 15 38 14 40", TOO_FEW),
    ("geosearch g bypolygon 0 12 38 15 38 14 40", TOO_FEW),
    ("geosearch g bypolygon -2147483648 12 38 15 38 14 40", TOO_FEW),
    ("geosearch g bypolygon 4 12 38 15 38 14 40", TOO_FEW),
    ("geosearch g bypolygon 2147483647 12 38 15 38 14 40", TOO_FEW),
    ("geosearch g bypolygon 2147483648 12 38 15 38 14 40", "-ERR~invalid~number~of~vertices"),
    ("geosearch g bypolygon -2147483649 12 38 15 38 14 40", "-ERR~invalid~number~of~vertices"),
    ("geosearch g bypolygon +3 12 38 15 38 14 40", "-ERR~invalid~number~of~vertices"),
    ("geosearch g bypolygon x 12 38 15 38 14 40", "-ERR~invalid~number~of~vertices"),
    ("geosearch g withdist withdist withdist bypolygon 3 1", TOO_FEW),
    ("geosearch g withdist withdist withdist bypolygon x", "-ERR~syntax~error"),
    ("geosearch g withdist withdist withdist withdist bypolygon", "-ERR~syntax~error"),
    ("geosearch g bypolygon 4 12 38 15 38 14 40 asc desc", "-ERR~value~is~not~a~valid~float"),
    ("geosearch g bypolygon 3 12 38 15 38 14 90", "-ERR~invalid~longitude,latitude~pair~14.000000,90.000000"),
    ("geosearch g bypolygon 3 12 38 15 38 14 40 km", "-ERR~syntax~error"),
    ("geosearch g fromlonlat 15 37 bypolygon 3 12 38 15 38 14 40", "-ERR~syntax~error"),
    ("geosearch g bypolygon 3 12 38 15 38 14 40 fromlonlat 15 37", "-ERR~syntax~error"),
    ("geosearch g frommember Palermo bypolygon 3 12 38 15 38 14 40", "-ERR~syntax~error"),
    ("geosearch g bypolygon 3 12 38 15 38 14 40 frommember Palermo", "-ERR~syntax~error"),
    ("geosearch g bypolygon 3 12 38 15 38 14 40 byradius 100 km", "-ERR~syntax~error"),
    ("geosearch g bypolygon 3 12 38 15 38 14 40 bybox 100 100 km", "-ERR~syntax~error"),
    ("geosearch g byradius 100 km bypolygon 3 12 38 15 38 14 40", "-ERR~syntax~error"),
    ("geosearch g bybox 100 100 km bypolygon 3 12 38 15 38 14 40", "-ERR~syntax~error"),
    ("georadius g 15 37 100 km bypolygon 3 12 38 15 38 14 40", "-ERR~syntax~error"),
    ("geosearchstore d g bypolygon 4 12 37 18 37 18 39.5 12 39.5", ":4"),
    ("zscore d edge1", "$16 3479273021651468"),
    (
        "geosearchstore d g bypolygon 4 12 37 18 37 18 39.5 12 39.5 withdist",
        "-ERR~GEOSEARCHSTORE~is~not~compatible~with~WITHDIST,~WITHHASH~and~WITHCOORD~options",
    ),
    ("geosearchstore d g bypolygon 4 12 37 18 37 18 39.5 12 39.5 storedist count 2", ":2"),
    ("zrange d 0 -1", "*2 $7 Catania $7 Palermo"),
    ("geosearchstore d g bypolygon 3 0 0 1 1 2 2", ":0"),
    ("exists d", ":0"),
];

const TOO_FEW: &str = "-ERR~GEOSEARCH~BYPOLYGON~must~have~at~least~3~vertices";

#[test]
fn polygons_as_valkey_searches_them() {
    talk(POLYGONS);
}

#[test]
fn the_centre_of_a_polygon_may_be_off_the_map() {
    // It is where the corners are near in space, at 88 degrees. Valkey 9.1 searches cells there that its memory happens to name.
    let mut w = World::new();
    w.say("GEOADD g -50 81 a 0 83 b 0 60 c 0 84 d");
    let found = w.say("GEOSEARCH g BYPOLYGON 3 -170 80 -50 80 70 85 DESC");
    assert_eq!(found, "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
}

#[test]
fn replies_as_redis_gives_them() {
    talk(TALK);
}

fn talk(lines: &[(&str, &str)]) {
    let mut w = World::new();
    for (command, want) in lines {
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
fn what_a_polygon_holds_is_propagated_as_it_came_out() {
    let mut w = World::new();
    w.say("ZADD g 3479099956230698 a 3479447370796909 b");
    w.effects();
    w.fx.dirty = 0;
    w.say("GEOSEARCHSTORE none g BYPOLYGON 3 0 0 1 0 1 1");
    assert_eq!((w.effects(), w.fx.dirty), (Vec::new(), 0));
    w.say("GEOSEARCHSTORE d g BYPOLYGON 4 12 37 18 37 18 39 12 39");
    w.say("GEOSEARCHSTORE d g BYPOLYGON 3 13 38 14 38 13 39 STOREDIST");
    w.say("GEOSEARCHSTORE d g BYPOLYGON 3 0 0 1 0 1 1");
    let [first, second] = ["ZADD d 3479099956230698 a 3479447370796909 b", "ZADD d 24437.408"];
    let told = w.effects();
    assert_eq!(told[..3], ["DEL d", first, "DEL d"]);
    assert!(told[3].starts_with(second) && told[3].ends_with(" a"), "{}", told[3]);
    assert_eq!((&told[4..], w.fx.dirty), (&["DEL d".into()][..], 2 + 1 + 1));
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

/// The corners of polygons, and which members valkey-server 9.1 finds there, in its order.
const FOUND_IN_POLYGONS: &[(&str, &str)] = &[
    ("0 30 30 30 30 50 0 50", "5 190 375 161"),
    ("-20 -20 20 -20 0 20", "365 151 336 306 277 248"),
    ("-120 50 -100 50 -100 70 -110 55 -120 70", "206"),
    ("100 60 140 60 140 80 100 80", "339 280 66 251 125 310"),
    ("-30 -85 30 -85 30 -75 -30 -75", "15 296 170 355"),
    ("-179 -10 179 -10 179 10 -179 10", "174 233 388 262 48"),
    ("170 -20 180 -20 180 20 170 20", "136 321 107"),
    ("0 0 40 0 0 40 40 40", "122 307 93 190"),
    ("0 66 20 66 20 81 0 81", "258 44"),
    ("-5 -5 5 5 -5 5 5 -5", ""),
    (
        "-170 -80 -60 -80 60 -80 170 -80 170 -60 60 -60 -60 -60 -170 -60",
        "15 200 326 259 385 171 45 230 104 289 163 348 222 8 193 134 378 67 252 126 311 38 97",
    ),
    ("10.5 10.25 30.5 10.25 30.5 41.25 10.5 41.25", "375 64 93 278"),
];

#[test]
fn members_are_found_in_the_order_of_real_servers() {
    let mut w = World::new();
    for i in 0..400 {
        let (lon, lat) = (f64::from(i * 37 % 360) - 179.5, f64::from(i * 23 % 170) - 84.75);
        w.say(&std::format!("GEOADD g {lon} {lat} m{i}"));
    }
    let mut found = |search: &str, want: &str| {
        let answer = w.say(search);
        let found: Vec<&str> = answer.lines().filter_map(|line| line.strip_prefix('m')).collect();
        assert_eq!(found.join(" "), want, "{search}");
    };
    for (circle, want) in FOUND {
        found(&std::format!("GEORADIUS g {circle} km"), want);
    }
    for (corners, want) in FOUND_IN_POLYGONS {
        let count = corners.split(' ').count() / 2;
        found(&std::format!("GEOSEARCH g BYPOLYGON {count} {corners}"), want);
    }
}
