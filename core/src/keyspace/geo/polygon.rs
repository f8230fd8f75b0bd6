//! Polygons whose corners are places (Valkey since 9.0).

use alloc::vec::Vec;

use super::{Area, EARTH_RADIUS, Point, RADIANS};

/// The corners of a polygon in order, three at least; the last one is joined to the first.
///
/// Its sides are straight on the map of degrees, and none of them goes over the edge of the map.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::keyspace) struct Polygon(Vec<Point>);

impl Polygon {
    /// One of these corners; `None`: they are too few.
    pub(in crate::keyspace) fn new(corners: Vec<Point>) -> Option<Self> {
        (corners.len() >= 3).then_some(Self(corners))
    }

    /// From where distances are measured: the mean of the corners in space, seen from the middle of the globe.
    pub(in crate::keyspace) fn centre(&self) -> Point {
        let n = self.0.len() as f64;
        let mean = |part: fn(f64, f64) -> f64| {
            let parts = self.0.iter().map(|at| EARTH_RADIUS * part(at.lon * RADIANS, at.lat * RADIANS));
            parts.sum::<f64>() / n
        };
        let x = mean(|lon, lat| libm::cos(lat) * libm::cos(lon));
        let y = mean(|lon, lat| libm::cos(lat) * libm::sin(lon));
        let z = mean(|_, lat| libm::sin(lat));
        let across = libm::sqrt(x * x + y * y);
        Point { lon: libm::atan2(y, x) / RADIANS, lat: libm::atan2(z, across) / RADIANS }
    }

    /// Whether a place lies inside: a ray to the east crosses the sides an odd number of times.
    pub(super) fn contains(&self, at: Point) -> bool {
        let before = self.0.iter().skip(self.0.len() - 1).chain(&self.0);
        let crossed = self.0.iter().zip(before).filter(|(a, b)| {
            (a.lat > at.lat) != (b.lat > at.lat)
                && at.lon < (b.lon - a.lon) * (at.lat - a.lat) / (b.lat - a.lat) + a.lon
        });
        crossed.count() % 2 == 1
    }

    /// The lowest and the highest degrees of its corners.
    pub(super) fn bounds(&self) -> Area {
        let ends = |part: fn(&Point) -> f64| {
            let parts = || self.0.iter().map(part);
            (parts().fold(f64::INFINITY, f64::min), parts().fold(f64::NEG_INFINITY, f64::max))
        };
        Area { lon: ends(|at| at.lon), lat: ends(|at| at.lat) }
    }

    /// How far its bounds reach from its centre, m.
    pub(super) fn reach(&self, centre: Point) -> f64 {
        let Area { lon, lat } = self.bounds();
        let corners = [(lon.0, lat.0), (lon.0, lat.1), (lon.1, lat.0), (lon.1, lat.1)];
        corners.into_iter().map(|(lon, lat)| centre.distance(Point { lon, lat })).fold(0.0, f64::max)
    }
}
