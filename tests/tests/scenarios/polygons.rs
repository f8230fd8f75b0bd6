//! Searches in random polygons: what is found, in which order and how far away, as Valkey 9.1 finds it.

use libtest_mimic::Trial;
use primacy_tests::peers::Peer;
use primacy_tests::program::Program;
use primacy_tests::resp::{Client, Value, words};
use primacy_tests::rng::Rng;
use primacy_tests::world::{World, scenario};
use primacy_tests::{Result, ensure, scaled};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(600);

pub(crate) fn all() -> Vec<Trial> {
    vec![scenario("later::polygons_as_valkey-9.1", LIMIT, || Peer::Valkey91.find(), |w, found| alike(w, &found))]
}

/// A number between two others.
fn between(rng: &mut Rng, low: f64, high: f64) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let part = rng.below(1 << 40) as f64 / (1u64 << 40) as f64;
    low + part * (high - low)
}

/// The corners of a polygon: near each other, anywhere, or on the places of `grid`, so that some members lie on its sides.
fn corners(rng: &mut Rng) -> Vec<(f64, f64)> {
    let n = 3 + rng.below(6);
    let (lon, lat) = (between(rng, -170.0, 170.0), between(rng, -80.0, 80.0));
    let reach = [0.01, 1.0, 5.0, 20.0, 90.0, 400.0][rng.below(6) as usize];
    let whole = rng.one_in(4);
    (0..n)
        .map(|_| {
            let lon = between(rng, lon - reach, lon + reach).clamp(-180.0, 180.0);
            let lat = between(rng, lat - reach, lat + reach).clamp(-85.0, 85.0);
            if whole { (lon.round(), lat.round()) } else { (lon, lat) }
        })
        .collect()
}

/// Whether the centre of the corners, in space, is on the map. Where it is too near to a pole, Valkey searches cells that its
/// memory happens to name.
fn is_centred(corners: &[(f64, f64)]) -> bool {
    let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
    for (lon, lat) in corners.iter().map(|(lon, lat)| (lon.to_radians(), lat.to_radians())) {
        x += lat.cos() * lon.cos();
        y += lat.cos() * lon.sin();
        z += lat.sin();
    }
    f64::atan2(z, f64::hypot(x, y)).to_degrees().abs() < 85.05
}

fn search(rng: &mut Rng) -> String {
    let corners = loop {
        let corners = corners(rng);
        if is_centred(&corners) {
            break corners;
        }
    };
    let list: Vec<String> = corners.iter().map(|(lon, lat)| format!("{lon} {lat}")).collect();
    let order = ["", " ASC", " DESC"][rng.below(3) as usize];
    let count = ["", "", "", " COUNT 5 ANY"][rng.below(4) as usize];
    format!("GEOSEARCH g BYPOLYGON {} {} WITHDIST WITHCOORD WITHHASH{order}{count}", corners.len(), list.join(" "))
}

/// Whether two answers tell of the same members in the same order. Sines differ in their last bit from one library to another,
/// and so may the last digit that is shown of a distance, and among members that are `sorted` the order of two that are equally
/// far away.
fn same(a: &Value, b: &Value, sorted: bool) -> Result<bool> {
    let (mut a, mut b): (Vec<&Value>, Vec<&Value>) = (a.items().iter().collect(), b.items().iter().collect());
    let metres = |value: &Value| value.items()[1].text().parse::<f64>();
    let mut same = a.len() == b.len();
    for (a, b) in a.iter().zip(&b) {
        same &= (metres(a)? - metres(b)?).abs() < 0.0002;
    }
    if sorted {
        for all in [&mut a, &mut b] {
            all.sort_by_key(|value| value.items()[0].text());
        }
    }
    let what = |value: &Value| (value.items()[0].text(), format!("{:?}", &value.items()[2..]));
    Ok(same && a.iter().map(|value| what(value)).eq(b.iter().map(|value| what(value))))
}

fn fill(c: &mut Client, rng: &mut Rng) -> Result<()> {
    for i in 0..1000 {
        let (lon, lat) = (between(rng, -180.0, 180.0), between(rng, -85.05, 85.05));
        c.run(&format!("GEOADD g {lon} {lat} m{i}"))?;
        let (lon, lat) = (i % 40 * 9 - 180, i / 40 * 7 - 84);
        c.run(&format!("GEOADD g {lon} {lat} grid{i}"))?;
    }
    Ok(())
}

fn alike(w: &World, valkey: &Program) -> Result<()> {
    let (a, b) = (w.server("primacy", &w.primacy()?, &[])?, w.server("valkey", valkey, &[])?);
    let (mut x, mut y) = (a.client()?, b.client()?);
    let mut rng = w.rng();
    fill(&mut x, &mut w.rng())?;
    fill(&mut y, &mut w.rng())?;
    let mut found = 0;
    for _ in 0..scaled(5_000, 200_000) {
        let line = search(&mut rng);
        let (left, right) = (x.ask(&words(&line))?, y.ask(&words(&line))?);
        ensure!(
            !left.is_error() && same(&left, &right, line.contains("ASC") || line.contains("DESC"))?,
            "{line}\nprimacy: {left:?}\nvalkey: {right:?}"
        );
        found += left.items().len();
        let store = line.replacen("GEOSEARCH g", "GEOSEARCHSTORE d g", 1).replace(" WITHDIST WITHCOORD WITHHASH", "");
        let (left, right) = (x.ask(&words(&store))?, y.ask(&words(&store))?);
        ensure!(left == right, "{store}\nprimacy: {left:?}\nvalkey: {right:?}");
    }
    ensure!(found > 0, "nothing was ever found");
    let whole = "ZRANGE d 0 -1 WITHSCORES";
    ensure!(x.run(whole)? == y.run(whole)?, "they stored other members");
    w.note(&format!("{found} members were found"));
    Ok(())
}
