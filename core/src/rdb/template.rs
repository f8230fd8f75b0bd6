//! Templates of hashes (Redis >= 8.10): names of fields that many hashes share. They are kept while a snapshot is read.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::compact::{Compact, ListpackWriter, Scalar};
use super::cursor::{Cursor, Stop};
use super::error::Flaw;
use super::reader::ReaderLimits;
use super::text::Text;

/// What a template or a field counts against the limit beside its bytes.
const OVERHEAD: usize = 32;

/// The templates of a snapshot.
#[derive(Debug, Default)]
pub(super) struct Templates {
    by_id: BTreeMap<u64, Template>,
    /// Memory of them, bytes.
    held: usize,
    /// Where a hash is made of a template and its values.
    made: Vec<u8>,
    /// Where names are made that do not lie in the input as they are.
    scratch: Vec<u8>,
}

#[derive(Debug, Default)]
struct Template {
    /// The names, one behind the other.
    names: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Template {
    fn field(&self, i: usize) -> Option<&[u8]> {
        let start = i.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.names.get(start..*self.ends.get(i)?)
    }
}

/// A template whose fields are still to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growing {
    id: u64,
    left: u64,
}

impl Growing {
    pub(super) fn is_done(self) -> bool {
        self.left == 0
    }
}

impl Templates {
    /// Whether none was told of.
    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Takes what is before the fields.
    pub(super) fn begin(&mut self, cursor: &mut Cursor<'_>, limits: &ReaderLimits) -> Result<Growing, Stop> {
        let at = cursor.at();
        let (id, left) = (cursor.len()?, cursor.len()?);
        if left == 0 {
            return Err(Stop::Broken(at, Flaw::Empty("hash template")));
        }
        if self.by_id.contains_key(&id) {
            return Err(Stop::Broken(at, Flaw::TemplateTwice(id)));
        }
        self.hold(0, at, limits)?;
        self.by_id.insert(id, Template::default());
        Ok(Growing { id, left })
    }

    /// Takes the next field; what is left to come.
    pub(super) fn grow(
        &mut self,
        Growing { id, left }: Growing,
        cursor: &mut Cursor<'_>,
        limits: &ReaderLimits,
    ) -> Result<Growing, Stop> {
        let at = cursor.at();
        let name = Text::take(cursor, limits.whole)?;
        let mut scratch = core::mem::take(&mut self.scratch);
        let added = name.bytes(cursor.bytes(), &mut scratch).and_then(|name| self.add(id, name, at, limits));
        self.scratch = scratch;
        added.map(|()| Growing { id, left: left.saturating_sub(1) })
    }

    fn add(&mut self, id: u64, name: &[u8], at: usize, limits: &ReaderLimits) -> Result<(), Stop> {
        self.hold(name.len(), at, limits)?;
        let template = self.by_id.entry(id).or_default();
        let last = template.ends.len().checked_sub(1).and_then(|last| template.field(last));
        if last.is_some_and(|last| (last.len(), last) >= (name.len(), name)) {
            return Err(Stop::Broken(at, Flaw::TemplateOrder(id)));
        }
        template.names.extend_from_slice(name);
        template.ends.push(template.names.len());
        Ok(())
    }

    /// Counts `bytes` more, if they are within the limit.
    fn hold(&mut self, bytes: usize, at: usize, limits: &ReaderLimits) -> Result<(), Stop> {
        let held = self.held.saturating_add(bytes).saturating_add(OVERHEAD);
        if held > limits.whole {
            return Err(Stop::Broken(at, Flaw::TooLong { len: held as u64, limit: limits.whole as u64 }));
        }
        self.held = held;
        Ok(())
    }

    /// How many fields a template has.
    pub(super) fn fields(&self, id: u64) -> Option<usize> {
        self.by_id.get(&id).map(|template| template.ends.len())
    }

    /// Field `i` of a template; empty if there is none.
    pub(super) fn field(&self, id: u64, i: usize) -> &[u8] {
        self.by_id.get(&id).and_then(|template| template.field(i)).unwrap_or_default()
    }

    /// The hash of a listpack that holds a template's id and a value for each of its fields.
    pub(super) fn compose(&mut self, blob: &[u8]) -> Result<Compact<'_>, Flaw> {
        let pack = Compact::from_listpack(blob, 1)?;
        let mut values = pack.iter();
        let id = match values.next() {
            Some(Scalar::Int(id)) => id as u64,
            _ => return Err(Flaw::Empty("hash of a template")),
        };
        let template = self.by_id.get(&id).ok_or(Flaw::NoTemplate(id))?;
        let fields = template.ends.len();
        if values.len() != fields {
            return Err(Flaw::TemplateValues { values: values.len(), fields });
        }
        self.made.clear();
        let mut writer = ListpackWriter::new(&mut self.made);
        for (i, value) in values.enumerate() {
            writer.string(template.field(i).unwrap_or_default());
            writer.push(value);
        }
        writer.finish()?;
        Ok(Compact::from_listpack(&self.made, 2)?)
    }

    /// Memory in bytes.
    pub(super) fn memory(&self) -> usize {
        self.held + self.made.capacity() + self.scratch.capacity()
    }

    /// Gives back buffers that are larger than this.
    pub(super) fn trim(&mut self, kept: usize) {
        for buffer in [&mut self.made, &mut self.scratch] {
            if buffer.capacity() > kept {
                *buffer = Vec::new();
            }
        }
    }
}
