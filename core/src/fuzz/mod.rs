//! What a fuzzer runs: one function from bytes to "all holds" for each parser and machine (feature `fuzz`).
//!
//! They live here and not in `fuzz/` so that they are compiled, linted and run with the code they watch: a test runs
//! every one of them over its seeds and over what was found once. None looks for a panic alone; each asserts what its
//! subject promises: any split of the bytes gives the same, limits hold, errors are one line of text, what was read can
//! be written and read again to the same, and the laws of the one door stand after every input.
//!
//! The caller bounds memory as well: [`Target::allowance`] says what a run may hold at most.

mod acl;
mod canary;
mod config;
mod door;
mod handshake;
mod hello;
pub mod input;
mod journal;
mod master;
mod node;
mod rdb;
mod reload;
mod resp;
mod roundtrip;
mod scrape;
mod sentinel;
mod sentinel_conf;
mod served;
mod world;

/// Bytes that a run may hold for each byte of its input: an argument of one byte costs a span and a copy, an element of
/// an answer a value, and everything is read twice and compared.
const PER_BYTE: usize = 2048;

/// One thing to fuzz.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: of the binary in `fuzz/`, of its seeds, of what it found.
    pub name: &'static str,
    /// Takes any bytes and panics if a promise is broken.
    pub run: fn(&[u8]),
    /// Bytes that a run may hold whatever its input.
    base: usize,
}

impl Target {
    /// A target of this name. `base` is what a run may hold whatever its input, bytes.
    pub const fn new(name: &'static str, run: fn(&[u8]), base: usize) -> Self {
        Self { name, run, base }
    }

    /// Bytes that a run over `len` bytes may hold at once. A length that is only announced must not reach it.
    pub fn allowance(&self, len: usize) -> usize {
        len.saturating_mul(PER_BYTE).saturating_add(self.base)
    }
}

/// All of this crate that is fuzzed; what `primacy-host` has is among its own.
pub const TARGETS: &[Target] = &[
    Target::new("resp", resp::run, 1 << 20),
    Target::new("rdb", rdb::run, 2 << 20),
    Target::new("config", config::run, 4 << 20),
    Target::new("sentinel_conf", sentinel_conf::run, 4 << 20),
    Target::new("acl", acl::run, 8 << 20),
    Target::new("scrape", scrape::run, 8 << 20),
    Target::new("hello", hello::run, 8 << 20),
    Target::new("sentinel", sentinel::run, 32 << 20),
    Target::new("handshake", handshake::run, 2 << 20),
    Target::new("master", master::run, 4 << 20),
    Target::new("node", node::run, 256 << 20),
    Target::new("roundtrip", roundtrip::run, 128 << 20),
    Target::new("journal", journal::run, 4 << 20),
    Target::new("world", world::run, 256 << 20),
];

/// Fails on purpose, if the fuzzer is able to find out how: whoever runs targets runs this one to see that a failure is
/// noticed. It is in no list.
pub const CANARY: Target = Target::new("canary", canary::run, 1 << 20);

/// The target of this name, the canary among them.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().chain([&CANARY]).find(|target| target.name == name)
}
