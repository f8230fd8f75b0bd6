//! What nobody uses any more, freed in slices.

use alloc::vec::Vec;

use super::entry::Slot;
use super::table::Table;
use crate::dataset::Progress;

/// Detached tables and heavy values on their way to the allocator.
#[derive(Debug, Default)]
pub(super) struct Graveyard {
    tables: Vec<Table>,
    heavy: Vec<Slot>,
    freed: u64,
}

impl Graveyard {
    /// Takes a whole table.
    pub(super) fn bury_table(&mut self, mut table: Table) {
        table.keep_stamps(false);
        if table.memory() > 0 {
            self.tables.push(table);
        }
    }

    /// Takes an entry, which is freed at once unless it is heavy.
    #[inline]
    pub(super) fn bury(&mut self, slot: Slot) {
        if slot.is_heavy() {
            self.heavy.push(slot);
        }
    }

    /// Frees about `budget` keys or parts of heavy values.
    pub(super) fn free(&mut self, budget: usize) -> Progress {
        let mut budget = budget.max(1);
        while budget > 0 {
            if let Some(slot) = self.heavy.last_mut() {
                budget -= 1;
                if !slot.dismantle() {
                    self.heavy.pop();
                    self.freed += 1;
                }
            } else if let Some(table) = self.tables.last_mut() {
                let heavy = self.heavy.len();
                let keys = table.dismantle(budget, &mut self.heavy);
                self.freed += (keys - (self.heavy.len() - heavy)) as u64;
                if keys == 0 {
                    self.tables.pop();
                }
                budget = budget.saturating_sub(keys.max(1));
            } else {
                return Progress::Done;
            }
        }
        if self.heavy.is_empty() && self.tables.is_empty() { Progress::Done } else { Progress::More }
    }

    /// Memory in bytes that waits.
    pub(super) fn memory(&self) -> usize {
        self.tables.iter().map(Table::memory).sum::<usize>() + self.heavy.iter().map(Slot::memory).sum::<usize>()
    }

    /// How many keys and heavy values wait, about: those of tables are not counted as they go.
    pub(super) fn waiting(&self) -> u64 {
        (self.heavy.len() + self.tables.iter().map(Table::len).sum::<usize>()) as u64
    }

    /// How many values were freed here.
    pub(super) fn freed(&self) -> u64 {
        self.freed
    }

    /// Counts anew.
    pub(super) fn reset(&mut self) {
        self.freed = 0;
    }
}
