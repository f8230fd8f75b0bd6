use super::*;
use alloc::vec;
use quickcheck::quickcheck;

#[test]
fn scores_that_no_place_has() {
    // As redis-server 7.0 answers on x86-64.
    let table = [
        (1.5, -179.999_997_317_790_99, -85.051_124_977_918_25),
        (-1.0, 180.0, 85.051_128_78),
        (1e300, -179.999_997_317_790_99, -85.051_127_512_639_43),
        (4_503_599_627_370_496.0, -179.999_997_317_790_99, 85.051_128_78),
        (4_503_599_627_370_495.0, 179.999_997_317_790_99, 85.051_127_512_639_43),
        (f64::INFINITY, -179.999_997_317_790_99, -85.051_127_512_639_43),
    ];
    for (score, lon, lat) in table {
        assert_eq!(Point::of_score(score), Point { lon, lat }, "{score}");
    }
}

#[test]
fn an_area_at_the_edge_of_the_map_begins_anew_behind_it() {
    let shape = Shape { centre: Point { lon: 179.999, lat: 0.0 }, form: Form::Circle(1000.0) };
    let cells = shape.cells();
    let last = (1u32 << cells[0].steps) - 1;
    assert!(cells.iter().any(|cell| cell.x == last) && cells.iter().any(|cell| cell.x == 0), "{cells:?}");
}

#[test]
fn the_whole_map_is_four_cells() {
    let shape = Shape { centre: Point { lon: 15.0, lat: 37.0 }, form: Form::Circle(f64::INFINITY) };
    let cells: Vec<_> = shape.cells().iter().map(|cell| cell.scores().0).collect();
    let quarter = (1u64 << 50) as f64;
    assert_eq!(cells, vec![3.0 * quarter, 2.0 * quarter, quarter, 0.0]);
}

/// A place from any two numbers.
fn place(x: u32, y: u32) -> Point {
    let part = |n: u32| f64::from(n) / f64::from(u32::MAX);
    Point { lon: LON.0 + part(x) * (LON.1 - LON.0), lat: LAT.0 + part(y) * (LAT.1 - LAT.0) }
}

quickcheck! {
    fn bits_are_put_together_and_taken_apart(x: u32, y: u32) -> bool {
        apart(spread(y) | spread(x) << 1) == (y, x)
    }

    fn a_place_is_kept_to_a_metre(x: u32, y: u32) -> bool {
        let point = place(x, y);
        let kept = Point::of_score(point.score() as f64);
        kept.is_valid() && point.distance(kept) < 1.0
    }

    fn cells_cover_the_area(x: u32, y: u32, far: u32, turn: u8) -> bool {
        let centre = place(x, y);
        let radius = f64::from(far % 5_000_000) + 1.0;
        let shape = Shape { centre, form: Form::Circle(radius) };
        // A place about that far away, in any direction.
        let angle = f64::from(turn) / 128.0 * PI;
        let degrees = radius * 0.9 / EARTH_RADIUS / RADIANS;
        let to = Point { lon: centre.lon + degrees * libm::sin(angle), lat: centre.lat + degrees * libm::cos(angle) };
        // Over the edge of the map an area does not reach in every direction, as in Redis.
        if !to.is_valid() || centre.lat.abs() > 66.0 || shape.distance(to).is_none() {
            return true;
        }
        let score = to.score() as f64;
        shape.cells().iter().any(|cell| (cell.scores().0..cell.scores().1).contains(&score))
    }
}
