//! `--check`: nothing but the verdict.

use std::time::Duration;

use primacy_core::rdb::Item;

use super::format::{Ended, Format};
use super::out::Out;
use super::units::{count, size};

/// Counts keys; whatever could be wrong the reader finds.
#[derive(Debug, Default)]
pub(super) struct Check {
    keys: u64,
    checksum: bool,
}

impl Format for Check {
    fn item(&mut self, item: &Item<'_>, _: &mut Out<'_>) {
        if let Item::End { checksum } = item {
            self.checksum = *checksum;
        }
    }

    fn ended(&mut self, _: Ended) {
        self.keys += 1;
    }
}

impl Check {
    /// The line about a dump of so many bytes that was read in such a time.
    pub(super) fn line(&self, name: &str, bytes: u64, took: Duration) -> String {
        let speed = bytes as f64 / 1e6 / took.as_secs_f64().max(1e-9);
        let checksum = if self.checksum { "checksum right" } else { "no checksum" };
        format!("{name}: sound, {} keys, {}, {checksum}, {speed:.0} MB/s\n", count(self.keys), size(bytes))
    }
}
