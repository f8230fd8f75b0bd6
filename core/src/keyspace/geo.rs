//! Places on the globe as 52-bit geohashes, which are scores of sorted sets; distances, and the cells that cover an area.
//!
//! A geohash interleaves 26 bits of latitude (the even bits) and of longitude (the odd ones). Cutting bits off makes
//! it name a larger cell, so a cell is a range of scores. Numbers and order of all steps are Redis's: which members an
//! area covers, and in which order they are found, has to be the same.

mod polygon;

use alloc::vec::Vec;
use core::f64::consts::PI;

pub(super) use polygon::Polygon;

const LON: (f64, f64) = (-180.0, 180.0);
/// What a square Mercator map shows.
const LAT: (f64, f64) = (-85.051_128_78, 85.051_128_78);
/// Half a map's width at the equator, m.
const MERCATOR_MAX: f64 = 20_037_726.37;
/// The radius of the globe that is reckoned with, m.
const EARTH_RADIUS: f64 = 6_372_797.560_856;
const RADIANS: f64 = PI / 180.0;
/// Bits of longitude and of latitude in a score.
const STEPS: u32 = 26;

/// A place, degrees.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Point {
    pub(super) lon: f64,
    pub(super) lat: f64,
}

impl Point {
    /// Whether it is on the map.
    pub(super) fn is_valid(self) -> bool {
        (LON.0..=LON.1).contains(&self.lon) && (LAT.0..=LAT.1).contains(&self.lat)
    }

    /// The score of a member at this place.
    pub(super) fn score(self) -> u64 {
        Cell::at(self, STEPS, LAT).bits()
    }

    /// Where a member with this score is: the middle of its cell.
    pub(super) fn of_score(score: f64) -> Self {
        let (y, x) = apart(bits_of(score));
        let area = Cell { x, y, steps: STEPS }.area();
        let middle = |(low, high): (f64, f64), (least, most): (f64, f64)| f64::midpoint(low, high).clamp(least, most);
        Self { lon: middle(area.lon, LON), lat: middle(area.lat, LAT) }
    }

    /// The distance to another place along the surface, m.
    pub(super) fn distance(self, to: Self) -> f64 {
        let (lat_a, lat_b) = (self.lat * RADIANS, to.lat * RADIANS);
        let u = libm::sin((lat_b - lat_a) / 2.0);
        let v = libm::sin((to.lon * RADIANS - self.lon * RADIANS) / 2.0);
        2.0 * EARTH_RADIUS * libm::asin(libm::sqrt(u * u + libm::cos(lat_a) * libm::cos(lat_b) * v * v))
    }

    /// The 11 characters that geohash.org gives a place, of which the last is always `0`: 52 bits fill ten.
    pub(super) fn geohash(self) -> [u8; 11] {
        const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let bits = Cell::at(self, STEPS, (-90.0, 90.0)).bits();
        core::array::from_fn(|i| match i {
            10 => b'0',
            _ => ALPHABET[(bits >> (47 - 5 * i)) as usize & 31],
        })
    }
}

/// A score as a geohash. Those that GEOADD never gives are taken as x86 converts them, for Redis leaves it to the
/// processor.
fn bits_of(score: f64) -> u64 {
    const HALF: f64 = (1u64 << 63) as f64;
    // What does not fit becomes the lowest integer.
    let whole = |d: f64| if (-HALF..HALF).contains(&d) { d as i64 as u64 } else { 1 << 63 };
    if score < HALF { whole(score) } else { whole(score - HALF) ^ (1 << 63) }
}

/// Puts the bits of a number into the even places.
fn spread(n: u32) -> u64 {
    (0..5).rev().fold(u64::from(n), |n, i| (n | n << (1 << i)) & MASKS[i])
}

/// Places of groups of 1, 2, 4, 8 and 16 bits.
const MASKS: [u64; 5] =
    [0x5555_5555_5555_5555, 0x3333_3333_3333_3333, 0x0f0f_0f0f_0f0f_0f0f, 0x00ff_00ff_00ff_00ff, 0x0000_ffff_0000_ffff];

/// Takes the even and the odd bits apart.
fn apart(bits: u64) -> (u32, u32) {
    let gather = |bits: u64| {
        let n = (1..5).fold(bits & MASKS[0], |n, i| (n | n >> (1 << (i - 1))) & MASKS[i]);
        (n | n >> 16) as u32
    };
    (gather(bits), gather(bits >> 1))
}

/// A part of the map: 2^steps of them from west to east, and as many from south to north.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cell {
    x: u32,
    y: u32,
    steps: u32,
}

/// Bounds of longitude and latitude, degrees.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Area {
    lon: (f64, f64),
    lat: (f64, f64),
}

impl Cell {
    fn at(point: Point, steps: u32, lat: (f64, f64)) -> Self {
        // The outermost edge has a number of its own: one bit more.
        let place = |at: f64, (low, high): (f64, f64)| ((at - low) / (high - low) * f64::from(1u32 << steps)) as u32;
        Self { x: place(point.lon, LON), y: place(point.lat, lat), steps }
    }

    fn bits(self) -> u64 {
        spread(self.y) | spread(self.x) << 1
    }

    /// The cell that lies so many cells to the east and to the north; behind the edge the map begins anew.
    fn beside(self, east: i32, north: i32) -> Self {
        let moved = |at: u32, by: i32| match by {
            0 => at,
            _ => at.wrapping_add_signed(by) & ((1 << self.steps) - 1),
        };
        Self { x: moved(self.x, east), y: moved(self.y, north), ..self }
    }

    fn area(self) -> Area {
        let edge = |at: u64, (low, high): (f64, f64)| low + at as f64 / f64::from(1u32 << self.steps) * (high - low);
        let edges = |at: u32, range| (edge(u64::from(at), range), edge(u64::from(at) + 1, range));
        Area { lon: edges(self.x, LON), lat: edges(self.y, LAT) }
    }

    /// The scores in it: from the first up to the second, which is not in it.
    pub(super) fn scores(self) -> (f64, f64) {
        let (bits, shift) = (self.bits(), 2 * (STEPS - self.steps));
        ((bits << shift) as f64, ((bits + 1) << shift) as f64)
    }
}

/// The form of a searched area.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Form {
    /// `BYRADIUS`: a circle, m.
    Circle(f64),
    /// `BYBOX`: width and height of a box, m.
    Box(f64, f64),
    /// `BYPOLYGON`.
    Polygon(Polygon),
}

/// A searched area.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Shape {
    pub(super) centre: Point,
    pub(super) form: Form,
}

impl Shape {
    /// The distance of a place from the centre, m, if it is in the area.
    pub(super) fn distance(&self, to: Point) -> Option<f64> {
        let outside = match &self.form {
            Form::Circle(radius) => self.centre.distance(to) > *radius,
            Form::Box(width, height) => {
                to.distance(Point { lon: self.centre.lon, ..to }) > width / 2.0
                    || to.distance(Point { lat: self.centre.lat, ..to }) > height / 2.0
            }
            Form::Polygon(polygon) => !polygon.contains(to),
        };
        (!outside).then(|| self.centre.distance(to))
    }

    /// The bounds of the area; too wide ones where it reaches over the edge of the map.
    fn bounds(&self) -> Area {
        let (across, up) = match &self.form {
            Form::Circle(radius) => (*radius, *radius),
            Form::Box(width, height) => (width / 2.0, height / 2.0),
            Form::Polygon(polygon) => return polygon.bounds(),
        };
        let Point { lon, lat } = self.centre;
        let dlat = up / EARTH_RADIUS / RADIANS;
        // Towards the pole the degrees are narrower.
        let pole = if lat < 0.0 { lat - dlat } else { lat + dlat };
        let dlon = across / EARTH_RADIUS / libm::cos(pole * RADIANS) / RADIANS;
        Area { lon: (lon - dlon, lon + dlon), lat: (lat - dlat, lat + dlat) }
    }

    /// How small cells may be so that nine of them cover the area.
    fn steps(&self) -> u32 {
        let mut range = match &self.form {
            Form::Circle(radius) => *radius,
            Form::Box(width, height) => libm::sqrt(width / 2.0 * (width / 2.0) + height / 2.0 * (height / 2.0)),
            Form::Polygon(polygon) => polygon.reach(self.centre),
        };
        if range == 0.0 {
            return STEPS;
        }
        let mut steps = 1i32;
        while range < MERCATOR_MAX {
            range *= 2.0;
            steps += 1;
        }
        let lat = self.centre.lat.abs();
        // Twice as large, so that the area does not reach further than the next cell; and towards the poles once more.
        steps -= 2 + i32::from(lat > 66.0) + i32::from(lat > 80.0);
        steps.clamp(1, STEPS as i32) as u32
    }

    /// The cells that cover the area, in the order in which they are searched.
    pub(super) fn cells(&self) -> Vec<Cell> {
        let (bounds, steps) = (self.bounds(), self.steps());
        // The centre of a polygon may be nearer to a pole than the map goes.
        let middle = Point { lat: self.centre.lat.clamp(LAT.0, LAT.1), ..self.centre };
        let mut centre = Cell::at(middle, steps, LAT);
        let too_small = || {
            let edge = |east, north| centre.beside(east, north).area();
            edge(0, 1).lat.1 < bounds.lat.1
                || edge(0, -1).lat.0 > bounds.lat.0
                || edge(1, 0).lon.1 < bounds.lon.1
                || edge(-1, 0).lon.0 > bounds.lon.0
        };
        if steps > 1 && too_small() {
            centre = Cell::at(middle, steps - 1, LAT);
        }
        let area = centre.area();
        let mut cells: Vec<Cell> = Vec::with_capacity(9);
        for (east, north) in [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)] {
            // A side on which the centre's own cell reaches as far as the area needs no neighbours.
            let idle = (north < 0 && area.lat.0 < bounds.lat.0)
                || (north > 0 && area.lat.1 > bounds.lat.1)
                || (east < 0 && area.lon.0 < bounds.lon.0)
                || (east > 0 && area.lon.1 > bounds.lon.1);
            let cell = centre.beside(east, north);
            // With huge areas neighbours are the same cell.
            let again = cells.len() > 1 && cells.last() == Some(&cell);
            if !(again || (idle && centre.steps >= 2)) {
                cells.push(cell);
            }
        }
        cells
    }
}

#[cfg(test)]
mod tests;
