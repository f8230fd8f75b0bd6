//! Records that come in parts and are no values: data of modules, metadata of keys, slots under way, templates.

use super::cursor::{Cursor, Stop};
use super::error::Flaw;
use super::item::ModuleId;
use super::reader::ReaderLimits;
use super::template::{Growing, Templates};
use super::text::Text;
use super::value::{Ops, Part};

/// What stands between a module's id and when its data was written, as if a module had written an unsigned number.
const WHEN: u64 = 2;

/// One whose parts are still to come.
#[derive(Clone, Copy, Debug)]
pub(super) enum Aside {
    /// What a module wrote beside the keys.
    ModuleAux,
    /// Metadata of the next key: so many classes to come.
    KeyMeta(u64),
    /// Metadata of the next key, of one class; so many more to come.
    KeyMetaClass(u64),
    /// A slot migration: so many ranges of slots to come. It says nothing of the data.
    SlotImport(u64),
    /// A template of hashes.
    Template(Growing),
}

/// Takes the beginning of MODULE_AUX.
pub(super) fn module_aux(cursor: &mut Cursor<'_>) -> Result<Part, Stop> {
    let module = ModuleId(cursor.len()?);
    let at = cursor.at();
    match cursor.len()? {
        WHEN => Ok(Part::ModuleAux { module, when: cursor.len()? }),
        number => Err(Stop::Broken(at, Flaw::Form { what: "form of a module's data", number })),
    }
}

/// Takes the beginning of SLOT_IMPORT.
pub(super) fn slot_import(cursor: &mut Cursor<'_>, limits: &ReaderLimits) -> Result<Aside, Stop> {
    Text::take(cursor, limits.whole)?;
    cursor.len().map(Aside::SlotImport)
}

impl Aside {
    /// The next part; [`Part::End`] is the end, and takes nothing where the one before it was the last.
    pub(super) fn take(
        &mut self,
        cursor: &mut Cursor<'_>,
        limits: &ReaderLimits,
        templates: &mut Templates,
    ) -> Result<Part, Stop> {
        match *self {
            Self::ModuleAux => Ops.take(cursor, limits),
            Self::KeyMeta(0) | Self::SlotImport(0) => Ok(Part::End),
            Self::KeyMeta(left) => {
                let class = u32::from_le_bytes(cursor.array()?);
                *self = Self::KeyMetaClass(left - 1);
                Ok(Part::KeyMeta { class })
            }
            Self::KeyMetaClass(left) => match Ops.take(cursor, limits)? {
                Part::End => {
                    *self = Self::KeyMeta(left);
                    Ok(Part::Noted)
                }
                part => Ok(part),
            },
            Self::SlotImport(left) => {
                cursor.len()?;
                cursor.len()?;
                *self = Self::SlotImport(left - 1);
                Ok(Part::Noted)
            }
            Self::Template(growing) if growing.is_done() => Ok(Part::End),
            Self::Template(growing) => {
                *self = Self::Template(templates.grow(growing, cursor, limits)?);
                Ok(Part::Noted)
            }
        }
    }
}
