//! Identifiers that cross the door, none of which is ever used twice in the life of a machine; and the ids that servers
//! and sentinels give themselves.

use core::fmt;

mod run_id;

pub use run_id::{BadRunId, RunId};

/// A connection. The runtime numbers those it accepted (even), the machine those it opened (odd).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(u64);

impl ConnId {
    /// The `n`-th connection that the runtime accepted.
    pub const fn accepted(n: u64) -> Self {
        Self(n << 1)
    }

    /// The `n`-th connection that the machine opened.
    pub const fn opened(n: u64) -> Self {
        Self((n << 1) | 1)
    }

    /// Whether the machine opened it.
    pub const fn is_opened(self) -> bool {
        self.0 & 1 == 1
    }

    /// The number itself.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The id of this number, as [`ConnId::as_u64`] gave it.
    pub const fn from_u64(n: u64) -> Self {
        Self(n)
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_opened() { "out#" } else { "in#" }, self.0 >> 1)
    }
}

/// A job that the machine asked the runtime to do; every start is answered by exactly one `Done`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(u64);

impl OpId {
    /// The id of this number.
    pub const fn from_u64(n: u64) -> Self {
        Self(n)
    }

    /// The number itself.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "op#{}", self.0)
    }
}

/// Hands out the ids that a machine chooses: its outgoing connections and its jobs.
#[derive(Debug, Default)]
pub struct Ids {
    conns: u64,
    ops: u64,
}

impl Ids {
    /// A fresh odd connection id.
    pub fn conn(&mut self) -> ConnId {
        self.conns += 1;
        ConnId::opened(self.conns)
    }

    /// A fresh job id.
    pub fn op(&mut self) -> OpId {
        self.ops += 1;
        OpId(self.ops)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_never_collide() {
        let mut ids = Ids::default();
        let (a, b) = (ids.conn(), ids.conn());
        assert_ne!(a, b);
        assert!(a.is_opened() && !ConnId::accepted(1).is_opened());
        assert_ne!(ids.op(), ids.op());
        assert_eq!(ConnId::from_u64(a.as_u64()), a);
    }
}
