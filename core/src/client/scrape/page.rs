//! The text that Prometheus reads (exposition format 0.0.4): families of rows, each family with a line on what it means
//! and what type it is.

use alloc::string::String;
use core::fmt::Write as _;
use core::time::Duration;

use crate::resp::decimal;
use crate::time::Now;

/// Bytes of one slice of a page, about: what is written before others have their turn.
pub(crate) const SLICE: usize = 32 * 1024;

/// The type of a metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// It only grows, until `CONFIG RESETSTAT` or a new start.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts by upper bounds.
    Histogram,
}

impl Kind {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What a metric is. `docs/metrics.md` has a row for each.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Only the tables of the documentation show it: names and help tell it, too.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the documentation"))]
    pub(crate) unit: &'static str,
    /// One line without a backslash.
    pub(crate) help: &'static str,
}

/// Declares metrics, and their list in that order.
macro_rules! metrics {
    ($list:ident: $($name:ident $kind:ident $text:literal $unit:literal $help:literal;)*) => {
        $(static $name: $crate::client::scrape::Metric = $crate::client::scrape::Metric {
            name: $text,
            kind: $crate::client::scrape::Kind::$kind,
            unit: $unit,
            help: $help,
        };)*
        #[cfg(test)]
        pub(crate) static $list: &[&$crate::client::scrape::Metric] = &[$(&$name),*];
    };
}
pub(crate) use metrics;

/// A value of a row.
pub(crate) trait Number {
    fn put(self, text: &mut String);
}

impl Number for u64 {
    fn put(self, text: &mut String) {
        let mut buf = [0; 20];
        // Digits are ASCII.
        text.extend(decimal(&mut buf, false, self).iter().map(|b| char::from(*b)));
    }
}

impl Number for usize {
    fn put(self, text: &mut String) {
        (self as u64).put(text);
    }
}

impl Number for u32 {
    fn put(self, text: &mut String) {
        u64::from(self).put(text);
    }
}

impl Number for bool {
    fn put(self, text: &mut String) {
        text.push(if self { '1' } else { '0' });
    }
}

impl Number for i64 {
    fn put(self, text: &mut String) {
        if self < 0 {
            text.push('-');
        }
        self.unsigned_abs().put(text);
    }
}

impl Number for f64 {
    fn put(self, text: &mut String) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{self}");
    }
}

/// In seconds, to the microsecond.
impl Number for Duration {
    fn put(self, text: &mut String) {
        self.as_secs().put(text);
        let us = self.subsec_micros();
        if us > 0 {
            let _ = write!(text, ".{us:06}");
            while text.ends_with('0') {
                text.pop();
            }
        }
    }
}

/// Where a page that is written in slices goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Place {
    /// The section, and from which key on within it.
    pub(crate) section: usize,
    pub(crate) from: u64,
    /// The family that was written last.
    family: &'static str,
}

/// One slice of a page. The rows of a family have to be written one behind the other.
pub(crate) struct Page<'a> {
    text: &'a mut String,
    place: Place,
    /// The section goes on from this key.
    next: Option<u64>,
    /// The time of the slice.
    pub(crate) now: Now,
}

impl<'a> Page<'a> {
    /// Goes on at `place`.
    pub(crate) fn new(text: &'a mut String, place: Place, now: Now) -> Self {
        Self { text, place, next: None, now }
    }

    /// The end of a call for a section: where the next one goes on, and whether this slice is full.
    pub(crate) fn turn(&mut self) -> (Place, bool) {
        self.place = match self.next.take() {
            Some(from) => Place { from, ..self.place },
            None => Place { section: self.place.section + 1, from: 0, ..self.place },
        };
        (self.place, self.is_full())
    }

    fn is_full(&self) -> bool {
        self.text.len() >= SLICE
    }

    /// The first key of this section that is still to be written.
    pub(crate) fn from(&self) -> u64 {
        self.place.from
    }

    /// Whether `key` and those behind it have to wait for the next slice: for sections of one family with many rows.
    pub(crate) fn pause_at(&mut self, key: u64) -> bool {
        let full = self.is_full();
        if full {
            self.next = Some(key);
        }
        full
    }

    fn title(&mut self, metric: &Metric) {
        if self.place.family != metric.name {
            self.place.family = metric.name;
            for part in
                ["# HELP ", metric.name, " ", metric.help, "\n# TYPE ", metric.name, " ", metric.kind.word(), "\n"]
            {
                self.text.push_str(part);
            }
        }
    }

    /// A family of one row without labels.
    pub(crate) fn one(&mut self, metric: &Metric, value: impl Number) {
        self.row(metric, &[], value);
    }

    /// A row of a family.
    pub(crate) fn row(&mut self, metric: &Metric, labels: &[(&str, &str)], value: impl Number) {
        self.title(metric);
        self.line(metric.name, "", labels, None::<u64>, value);
    }

    /// A row of a histogram: for each upper bound how many were at or below it, then all of them and their sum.
    pub(crate) fn histogram<B: Number>(
        &mut self,
        metric: &Metric,
        labels: &[(&str, &str)],
        buckets: impl Iterator<Item = (B, u64)>,
        count: u64,
        sum: impl Number,
    ) {
        self.title(metric);
        for (bound, below) in buckets {
            self.line(metric.name, "_bucket", labels, Some(bound), below);
        }
        self.line(metric.name, "_bucket", labels, Some(Infinite), count);
        self.line(metric.name, "_sum", labels, None::<u64>, sum);
        self.line(metric.name, "_count", labels, None::<u64>, count);
    }

    fn line(
        &mut self,
        name: &str,
        suffix: &str,
        labels: &[(&str, &str)],
        bound: Option<impl Number>,
        value: impl Number,
    ) {
        let text = &mut *self.text;
        text.push_str(name);
        text.push_str(suffix);
        let mut before = '{';
        for (label, value) in labels {
            text.push(before);
            text.push_str(label);
            text.push_str("=\"");
            escape(value, text);
            text.push('"');
            before = ',';
        }
        if let Some(bound) = bound {
            text.push(before);
            text.push_str("le=\"");
            bound.put(text);
            text.push('"');
            before = ',';
        }
        if before == ',' {
            text.push('}');
        }
        text.push(' ');
        value.put(text);
        text.push('\n');
    }
}

/// The bound of the last bucket.
struct Infinite;

impl Number for Infinite {
    fn put(self, text: &mut String) {
        text.push_str("+Inf");
    }
}

/// The value of a label as it stands between quotes.
fn escape(value: &str, text: &mut String) {
    let mut rest = value;
    while let Some(at) = rest.find(['\\', '"', '\n']) {
        let (plain, special) = rest.split_at(at);
        text.push_str(plain);
        text.push_str(match special.as_bytes().first() {
            Some(b'\n') => "\\n",
            Some(b'"') => "\\\"",
            _ => "\\\\",
        });
        rest = &special[1..];
    }
    text.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    metrics! { ALL:
        ONE Gauge "one" "" "The first.";
        TIMES Histogram "times" "seconds" "How long it took.";
    }

    #[test]
    fn families_as_prometheus_reads_them() {
        let mut text = String::new();
        let mut page = Page::new(&mut text, Place::default(), Now::default());
        page.one(&ONE, 7u64);
        page.row(&ONE, &[("a", "x\\y"), ("b", "\"\n\u{e4}")], -3i64);
        let buckets = [(Duration::from_millis(5), 1), (Duration::from_secs(2), 3)];
        page.histogram(&TIMES, &[("of", "it")], buckets.into_iter(), 4, Duration::from_micros(9_000_120));
        assert_eq!(
            text,
            "# HELP one The first.\n# TYPE one gauge\none 7\none{a=\"x\\\\y\",b=\"\\\"\\n\u{e4}\"} -3\n\
             # HELP times How long it took.\n# TYPE times histogram\n\
             times_bucket{of=\"it\",le=\"0.005\"} 1\ntimes_bucket{of=\"it\",le=\"2\"} 3\n\
             times_bucket{of=\"it\",le=\"+Inf\"} 4\ntimes_sum{of=\"it\"} 9.00012\ntimes_count{of=\"it\"} 4\n"
        );
        assert_eq!(ALL.len(), 2);
    }

    #[test]
    fn numbers() {
        let shown = |put: &dyn Fn(&mut String)| {
            let mut text = String::new();
            put(&mut text);
            text
        };
        assert_eq!(shown(&|t| u64::MAX.put(t)), "18446744073709551615");
        assert_eq!(shown(&|t| i64::MIN.put(t)), "-9223372036854775808");
        assert_eq!(shown(&|t| true.put(t)), "1");
        assert_eq!(shown(&|t| 0.25.put(t)), "0.25");
        assert_eq!(shown(&|t| Duration::ZERO.put(t)), "0");
        assert_eq!(shown(&|t| Duration::from_micros(100).put(t)), "0.0001");
        assert_eq!(shown(&|t| Duration::from_secs(100).put(t)), "100");
    }

    #[test]
    fn a_slice_that_is_full_goes_on_where_it_was_without_a_second_title() {
        let (mut all, mut place, mut slices) = (String::new(), Place::default(), 0);
        while place.section == 0 {
            let mut text = String::new();
            let mut page = Page::new(&mut text, place, Now::default());
            for key in page.from()..5_000 {
                if page.pause_at(key) {
                    break;
                }
                page.row(&ONE, &[("key", &format!("{key}"))], key);
            }
            place = page.turn().0;
            assert!(text.len() < SLICE + 100);
            all.push_str(&text);
            slices += 1;
        }
        assert!(slices > 2, "{slices}");
        assert_eq!(all.matches("# HELP").count(), 1);
        assert_eq!(all.lines().filter(|l| l.starts_with("one{")).count(), 5_000);
    }
}
