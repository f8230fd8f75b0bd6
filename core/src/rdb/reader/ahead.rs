//! A second reader that goes on further behind, so that two can work on one input.

use super::{Begun, Reader, Said, State, Step};

impl Reader {
    /// Whether the next byte begins a key (or an opcode before one).
    pub fn is_between_keys(&self) -> bool {
        matches!(self.state, State::Records) && (self.held.is_empty() || self.spent) && self.failed.is_none()
    }

    /// A second reader in the same place, for the same input. `None` if this one is not
    /// [between keys](Self::is_between_keys), or has seen what only it can go on with (a key's metadata, templates).
    pub fn twin(&self) -> Option<Self> {
        if !self.is_between_keys() || self.lone || self.said.meta || !self.templates.is_empty() {
            return None;
        }
        Some(Self {
            state: State::Records,
            magic: self.magic,
            version: self.version,
            crc: self.crc,
            summed: self.summed,
            taken: self.taken,
            said: self.said,
            number: self.number,
            empty_skipped: self.empty_skipped,
            ..Self::new(self.limits)
        })
    }

    /// Passes over whole keys, up to the first end of one at or behind byte `least` of `input`, which is where
    /// [`Item::Entry`](crate::rdb::Item::Entry) of a whole value or [`Item::EntryEnd`](crate::rdb::Item::EntryEnd) is
    /// handed out; advances `input`. They are neither unpacked nor looked into.
    ///
    /// Whether it came there: not if the input ends before, or if anything but databases and keys comes before. Then this
    /// reader is good for nothing more.
    pub fn pass_keys(&mut self, input: &mut &[u8], least: usize) -> bool {
        let all = input.len();
        if all > self.summed {
            self.crc.update(&input[self.summed..]);
            self.summed = all;
        }
        while self.pass_key(input).is_some() {
            if all - input.len() >= least {
                return true;
            }
        }
        false
    }

    fn pass_key(&mut self, input: &mut &[u8]) -> Option<()> {
        loop {
            if matches!(self.state, State::Records) && self.quick_string(input).is_some() {
                return Some(());
            }
            let (step, used) = self.parse(input).ok()?;
            *input = input.get(used..)?;
            self.take(used);
            let begun = match step {
                Step::Entry { value, .. } => value.running(&self.limits),
                Step::Waited(list) => Begun::List(list).running(&self.limits),
                Step::EntryEnd => return Some(()),
                Step::Noted | Step::Resize { .. } | Step::SlotInfo { .. } => continue,
                _ => return None,
            };
            self.said = Said { db: self.said.db, ..Said::default() };
            let Some(running) = begun else { return Some(()) };
            self.state = State::Value(running);
            self.skipping = true;
        }
    }
}
