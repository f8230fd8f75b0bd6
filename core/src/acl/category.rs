//! Categories of commands.

use crate::client::commands::facts;
use crate::dataset::{Flags, Spec};

/// The categories in the order in which they are shown; a set of them has a bit for each.
pub(crate) const CATEGORIES: [&str; 21] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

/// The category of a group of commands.
fn category_of(group: &str) -> Option<&'static str> {
    Some(match group {
        "generic" => "keyspace",
        "transactions" => "transaction",
        "pubsub" => "pubsub",
        "connection" => "connection",
        "string" => "string",
        "hash" => "hash",
        "list" => "list",
        "set" => "set",
        "sorted-set" => "sortedset",
        "stream" => "stream",
        "bitmap" => "bitmap",
        "hyperloglog" => "hyperloglog",
        "geo" => "geo",
        "scripting" => "scripting",
        _ => return None,
    })
}

/// The bit of the category of this name, in whatever case.
pub(super) fn bit(name: &[u8]) -> Option<u32> {
    CATEGORIES.iter().position(|c| name.eq_ignore_ascii_case(c.as_bytes())).map(|i| 1 << i)
}

/// The categories of a command, as bits in the order of [`CATEGORIES`].
pub(crate) fn categories(spec: &Spec) -> u32 {
    let f = spec.flags;
    let one = |name: &str| bit(name.as_bytes()).unwrap_or(0);
    // A container is none of its subcommands; SORT has the types that it sorts.
    let plain = !f.has(Flags::CONTAINER)
        && !spec.name.starts_with("sort")
        && !matches!(spec.name, "wait" | "waitaof" | "pubsub|help");
    let mut set = category_of(spec.group).filter(|_| plain).map_or(0, one);
    for category in facts::categories(spec.name) {
        set |= one(category.trim_start_matches('@'));
    }
    for (flag, names) in [
        (Flags::WRITE, "write"),
        (Flags::ADMIN, "admin"),
        (Flags::ADMIN, "dangerous"),
        (Flags::PUBSUB, "pubsub"),
        (Flags::BLOCKING, "blocking"),
    ] {
        if f.has(flag) {
            set |= one(names);
        }
    }
    if f.has(Flags::READONLY) && spec.group != "scripting" {
        set |= one("read");
    }
    set | one(if f.has(Flags::FAST) { "fast" } else { "slow" })
}
