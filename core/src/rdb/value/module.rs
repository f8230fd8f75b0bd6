//! Type 7, and what modules write beside values: operations, each with a number that says what it is, up to the end mark.

use super::Part;
use super::part::Op;
use crate::rdb::cursor::{Cursor, Stop};
use crate::rdb::error::Flaw;
use crate::rdb::item::ModuleValue;
use crate::rdb::reader::ReaderLimits;
use crate::rdb::text::Text;

/// Operations that are still to come.
#[derive(Clone, Copy, Debug)]
pub(in crate::rdb) struct Ops;

impl Ops {
    /// The next operation, or the end mark.
    pub(in crate::rdb) fn take(self, cursor: &mut Cursor<'_>, limits: &ReaderLimits) -> Result<Part, Stop> {
        let at = cursor.at();
        let number = match cursor.len()? {
            0 => return Ok(Part::End),
            // The bits of a signed one are stored as if they were unsigned.
            1 => ModuleValue::Signed(cursor.len()? as i64),
            2 => ModuleValue::Unsigned(cursor.len()?),
            3 => ModuleValue::Float(u32::from_le_bytes(cursor.array()?)),
            4 => ModuleValue::Double(u64::from_le_bytes(cursor.array()?)),
            5 => return Ok(Part::Module(Op::String(Text::take(cursor, limits.whole)?))),
            number => return Err(Stop::Broken(at, Flaw::Form { what: "operation of a module", number })),
        };
        Ok(Part::Module(Op::Number(number)))
    }
}
