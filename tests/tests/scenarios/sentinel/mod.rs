//! Sentinels as whole programs, beside real ones.

mod clients;
mod conf;
mod demo;
mod patience;
mod program;
mod quorum;

use libtest_mimic::Trial;

pub(crate) fn all() -> Vec<Trial> {
    [clients::all(), conf::all(), demo::all(), patience::all(), program::all(), quorum::all()]
        .into_iter()
        .flatten()
        .collect()
}
