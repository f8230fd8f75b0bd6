//! What modules wrote: carried as it is and written again, for there is no module here that knows what it means.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use super::entry::allocated;
use crate::rdb::{Body, ModuleId, ModuleValue, Options};

/// The things that a module wrote, encoded as they are in a snapshot. A clone shares them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Opaque {
    module: ModuleId,
    values: Vec<Bytes>,
}

impl Opaque {
    /// The module's name, as `TYPE` answers.
    pub(super) fn name(&self) -> String {
        String::from_utf8_lossy(&self.module.name()).into_owned()
    }

    /// Which module it was.
    pub(super) fn module(&self) -> ModuleId {
        self.module
    }

    /// What it wrote.
    pub(super) fn values(&self) -> &[Bytes] {
        &self.values
    }

    /// Memory in bytes.
    pub(super) fn memory(&self) -> usize {
        self.values.iter().map(|part| allocated(part.len()) + size_of::<Bytes>()).sum()
    }
}

/// The same on its way in.
#[derive(Debug)]
pub(super) struct Growing {
    module: ModuleId,
    body: Body,
}

impl Growing {
    /// Of this module, nothing yet.
    pub(super) fn new(module: ModuleId) -> Self {
        Self { module, body: Body::new(Options { compress: true }) }
    }

    /// Takes the next thing.
    pub(super) fn push(&mut self, value: ModuleValue<'_>) {
        self.body.module_value(value);
    }

    /// All is there.
    pub(super) fn finish(self) -> Opaque {
        Opaque { module: self.module, values: self.body.into_bytes().collect() }
    }

    /// Memory in bytes.
    pub(super) fn memory(&self) -> usize {
        self.body.len() as usize
    }
}

/// What a module wrote beside the keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Aux {
    /// 1: before the keys; 2: behind them.
    pub(super) when: u64,
    pub(super) data: Opaque,
}
