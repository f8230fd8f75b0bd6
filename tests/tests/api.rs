//! The public interface of every library is a text in `tests/tests/api`, so that a change of it is seen in the diff that makes
//! it; and what breaks users needs a version that says so, once there was a release.
//!
//! It is read from the sources: every `pub` item is public, or the lint `unreachable_pub` would say so. What macros make
//! is not seen, nor are the bounds behind an `impl Trait`. `PRIMACY_WRITE=1 cargo test -p primacy-tests --test api` writes the
//! texts anew.
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc, reason = "std is at home here")]

#[path = "api/listing.rs"]
mod listing;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The libraries, and where their sources begin.
const LIBRARIES: [(&str, &str); 4] = [
    ("primacy-core", "core/src/lib.rs"),
    ("primacy-host", "core/host/src/lib.rs"),
    ("primacy-mio", "runtime-mio/src/lib.rs"),
    ("primacy-async-std", "runtime-async-std/src/lib.rs"),
];
const ADVICE: &str = "PRIMACY_WRITE=1 cargo test -p primacy-tests --test api";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api")
}

fn now(source: &str) -> BTreeSet<String> {
    listing::of(&root().join(source)).unwrap_or_else(|e| panic!("{source}: {e}"))
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).map(str::to_owned).collect()
}

/// What a user's program may not survive: what is gone or changed, and what is new where everything had to be named.
fn breaking<'a>(before: &'a BTreeSet<String>, after: &'a BTreeSet<String>) -> Vec<&'a String> {
    let owner = |line: &str| line.split_once(listing::REQUIRED).map(|(owner, _)| owner.to_owned());
    let known: BTreeSet<_> = before.iter().filter_map(|l| owner(l)).collect();
    let required = after.difference(before).filter(|l| owner(l).is_some_and(|o| known.contains(&o)));
    before.difference(after).chain(required).collect()
}

/// Whether a version says that it breaks users of another (Semantic Versioning; before 1.0 by its second number).
fn may_break(from: &str, to: &str) -> bool {
    let of = |v: &str| v.split('.').map(|n| n.parse().unwrap_or_default()).collect::<Vec<u32>>();
    let (from, to) = (of(from), of(to));
    to[0] > from[0] || (to[0] == 0 && from[0] == 0 && to[1] > from[1])
}

#[test]
fn the_public_interface_is_what_is_written_down() {
    let mut wrong = Vec::new();
    for (name, source) in LIBRARIES {
        let (file, after) = (folder().join(format!("{name}.txt")), now(source));
        if std::env::var_os("PRIMACY_WRITE").is_some() {
            let all: Vec<_> = after.iter().map(String::as_str).collect();
            let head = format!("# What {name} shows to its users, by tests/tests/api.rs.");
            fs::write(&file, format!("{head}\n{}\n", all.join("\n"))).unwrap();
            continue;
        }
        let before = lines(&fs::read_to_string(&file).unwrap_or_default());
        let breaks = breaking(&before, &after);
        wrong.extend(breaks.iter().map(|l| format!("breaks users: {name}: {l}")));
        wrong.extend(after.difference(&before).filter(|l| !breaks.contains(l)).map(|l| format!("new: {name}: {l}")));
    }
    let wrong = wrong.join("\n");
    assert!(wrong.is_empty(), "{wrong}\nIf this is meant: {ADVICE}, and a line in CHANGELOG.md");
}

/// `api/released/NAME-VERSION.txt` are copies of the texts as they were released: see CONTRIBUTING.md.
#[test]
fn what_breaks_users_of_a_release_has_a_version_that_says_so() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let version = manifest.lines().find_map(|l| l.strip_prefix("version = ")).unwrap().trim_matches('"').to_owned();
    for entry in fs::read_dir(folder().join("released")).into_iter().flatten() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().and_then(|s| s.to_str()).unwrap();
        let (name, released) = stem.rsplit_once('-').expect("NAME-VERSION.txt");
        let (_, source) = LIBRARIES.into_iter().find(|(n, _)| *n == name).expect("a library's name");
        let (before, after) = (lines(&fs::read_to_string(&path).unwrap()), now(source));
        let breaks = breaking(&before, &after);
        assert!(
            breaks.is_empty() || may_break(released, &version),
            "{name} {version} breaks users of {released}: {breaks:#?}\nRaise the version in Cargo.toml, or keep these."
        );
    }
}

/// An enum that tells something may tell more one day. One to which users must answer, or an alphabet that is closed, is
/// exhaustive, and has its reason in `api/exhaustive.txt`.
#[test]
fn public_enums_are_non_exhaustive_or_have_a_reason() {
    let text = fs::read_to_string(folder().join("exhaustive.txt")).unwrap();
    // MODULE: enum NAME: REASON
    let parts = |line: &'static str| line.splitn(3, ": ").collect::<Vec<_>>();
    let rows: Vec<_> = text.leak().lines().filter(|l| !l.starts_with('#')).map(parts).collect();
    assert!(rows.iter().all(|r| r.len() == 3 && r[2].len() > 10), "a line is MODULE: enum NAME: REASON");
    let known: BTreeSet<_> = rows.iter().map(|r| r[..2].join(": ")).collect();
    let exhaustive = |line: String| line.strip_suffix(listing::EXHAUSTIVE).map(str::to_owned);
    let found: BTreeSet<_> = now(LIBRARIES[0].1).into_iter().filter_map(exhaustive).collect();
    let lacking: Vec<_> = found.difference(&known).collect();
    assert!(
        lacking.is_empty(),
        "these need #[non_exhaustive], or a line in tests/tests/api/exhaustive.txt: {lacking:#?}"
    );
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(gone.is_empty(), "these are not exhaustive any more; take them out of exhaustive.txt: {gone:#?}");
}

#[test]
fn what_breaks_is_told_from_what_is_new() {
    let listed = |text: &str| listing::of_text("c", text).unwrap();
    let before =
        listed("pub enum E { A } #[non_exhaustive] pub enum N { A } pub trait T { fn f(&self); } pub fn g(x: u8) {}");
    for (text, breaks) in [
        (
            "pub enum E { A } #[non_exhaustive] pub enum N { A } pub trait T { fn f(&self); } pub fn g(x: u8) { drop(x) }",
            false,
        ),
        (
            "pub enum E { A } #[non_exhaustive] pub enum N { A, B } pub trait T { fn f(&self); fn h(&self) {} } pub fn g(x: u8) {} pub fn i() {}",
            false,
        ),
        (
            "pub enum E { A, B } #[non_exhaustive] pub enum N { A } pub trait T { fn f(&self); } pub fn g(x: u8) {}",
            true,
        ),
        (
            "pub enum E { A } #[non_exhaustive] pub enum N { A } pub trait T { fn f(&self); fn h(&self); } pub fn g(x: u8) {}",
            true,
        ),
        ("pub enum E { A } #[non_exhaustive] pub enum N { A } pub trait T { fn f(&self); } pub fn g(x: u16) {}", true),
        ("pub enum E { A } pub enum N { A } pub trait T { fn f(&self); } pub fn g(x: u8) {}", true),
        ("pub enum E { A } #[non_exhaustive] pub enum N { A } pub trait T { fn f(&self); }", true),
        // A new enum has new variants, and breaks nobody.
        (
            "pub enum E { A } #[non_exhaustive] pub enum N { A } pub trait T { fn f(&self); } pub fn g(x: u8) {} pub enum M { A }",
            false,
        ),
    ] {
        let after = listed(text);
        let found = breaking(&before, &after);
        assert_eq!(!found.is_empty(), breaks, "{text}: {found:?}");
    }
    for (from, to, may) in
        [("0.1.0", "0.1.9", false), ("0.1.0", "0.2.0", true), ("1.4.0", "1.5.0", false), ("0.9.0", "1.0.0", true)]
    {
        assert_eq!(may_break(from, to), may, "{from} to {to}");
    }
}
