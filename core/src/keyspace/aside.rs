//! What a dataset holds beside its keys: function libraries and the data of modules. Keys come and go without it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::functions::Libraries;
use super::module::Aux;
use crate::rdb::Body;

/// All of it. A clone shares what is large.
#[derive(Clone, Default, Debug)]
pub(super) struct Aside {
    pub(super) libraries: Libraries,
    pub(super) modules: Vec<Aux>,
}

impl Aside {
    /// Memory in bytes.
    pub(super) fn memory(&self) -> usize {
        self.libraries.memory() + self.modules.iter().map(|aux| aux.data.memory()).sum::<usize>()
    }
}

/// It on its way into a snapshot, as it was when that began.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    before: VecDeque<Record>,
    behind: VecDeque<Record>,
}

#[derive(Debug)]
enum Record {
    Library(bytes::Bytes),
    Module(Aux),
}

impl Leaving {
    pub(super) fn new(aside: &Aside) -> Self {
        let libraries = aside.libraries.iter().map(|library| Record::Library(library.code().clone()));
        let modules = |behind: bool| {
            let of_it = move |aux: &&Aux| (aux.when == BEHIND) == behind;
            aside.modules.iter().filter(of_it).cloned().map(Record::Module)
        };
        Self { before: libraries.chain(modules(false)).collect(), behind: modules(true).collect() }
    }

    /// Encodes what stands before the keys until `out` has `until` bytes; whether that was all.
    pub(super) fn before(&mut self, out: &mut Body, until: u64) -> bool {
        encode(&mut self.before, out, until)
    }

    /// The same of what stands behind them.
    pub(super) fn behind(&mut self, out: &mut Body, until: u64) -> bool {
        encode(&mut self.behind, out, until)
    }
}

/// When a module's data stands behind the keys.
const BEHIND: u64 = 2;

fn encode(records: &mut VecDeque<Record>, out: &mut Body, until: u64) -> bool {
    while out.len() < until
        && let Some(record) = records.pop_front()
    {
        match record {
            Record::Library(code) => out.function(&code),
            Record::Module(Aux { when, data }) => out.module_aux(data.module(), when, data.values()),
        }
    }
    records.is_empty()
}
