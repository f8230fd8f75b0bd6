//! A part of a value, as it lies in its record.

use alloc::vec::Vec;

use super::{Running, array, list, stream};
use crate::rdb::cursor::Stop;
use crate::rdb::item::{Element, Item, ModuleId, ModuleValue};
use crate::rdb::template::Templates;
use crate::rdb::text::{Head, Text};

/// A part of a value, of module data, or of a key's metadata.
#[derive(Clone, Copy, Debug)]
pub(in crate::rdb) enum Part {
    /// Gives no item.
    Noted,
    /// The whole is complete.
    End,
    /// Raw bytes of a long string.
    Piece(Text),
    /// Bytes of a long string, which [`Running`] has unpacked.
    Unpacked,
    ElementEnd(Option<u64>),
    Member(Text),
    LongMember(Head),
    Scored {
        member: Text,
        score: f64,
    },
    Field {
        field: Name,
        value: Text,
        expire_at_ms: Option<u64>,
    },
    LongField {
        field: Name,
        head: Head,
    },
    Block(list::Block),
    Stream(stream::Made),
    ArrayItem {
        index: u64,
        content: array::Content,
    },
    Module(Op),
    ModuleAux {
        module: ModuleId,
        when: u64,
    },
    KeyMeta {
        class: u32,
    },
}

/// A field's name.
#[derive(Clone, Copy, Debug)]
pub(in crate::rdb) enum Name {
    /// It stands with its value.
    Text(Text),
    /// It is the one at `index` of a template.
    Template { id: u64, index: usize },
}

/// One thing that a module wrote.
#[derive(Clone, Copy, Debug)]
pub(in crate::rdb) enum Op {
    Number(ModuleValue<'static>),
    String(Text),
}

/// Where bytes are made that do not lie in the input as they are.
#[derive(Debug)]
pub(in crate::rdb) struct Scratch<'a> {
    pub(in crate::rdb) names: &'a mut Vec<u8>,
    pub(in crate::rdb) values: &'a mut Vec<u8>,
    pub(in crate::rdb) templates: &'a Templates,
}

impl Name {
    #[inline]
    fn bytes<'a>(self, record: &'a [u8], names: &'a mut Vec<u8>, templates: &'a Templates) -> Result<&'a [u8], Stop> {
        match self {
            Self::Text(text) => text.bytes(record, names),
            Self::Template { id, index } => Ok(templates.field(id, index)),
        }
    }
}

impl Part {
    /// The item; its bytes are in `record` or in the scratch.
    #[inline]
    pub(in crate::rdb) fn item<'a>(
        self,
        record: &'a [u8],
        scratch: Scratch<'a>,
        running: Option<&'a Running>,
    ) -> Result<Item<'a>, Stop> {
        let Scratch { names, values, templates } = scratch;
        Ok(match self {
            // The reader keeps these two from coming here.
            Self::Noted | Self::End => Item::EntryEnd,
            Self::Piece(text) => Item::Piece(text.bytes(record, values)?),
            Self::Unpacked => Item::Piece(running.map(Running::unpacked).unwrap_or_default()),
            Self::ElementEnd(expire_at_ms) => Item::ElementEnd { expire_at_ms },
            Self::Member(text) => Item::Element(Element::Member(text.bytes(record, values)?)),
            Self::LongMember(head) => Item::Element(Element::LongMember(head.len())),
            Self::Scored { member, score } => {
                Item::Element(Element::Scored { member: member.bytes(record, values)?, score })
            }
            Self::Field { field, value, expire_at_ms } => Item::Element(Element::Field {
                field: field.bytes(record, names, templates)?,
                value: value.bytes(record, values)?,
                expire_at_ms,
            }),
            Self::LongField { field, head } => {
                let field = field.bytes(record, names, templates)?;
                Item::Element(Element::LongField { field, len: head.len() })
            }
            Self::Block(block) => Item::Block(block.compact(record, values)?),
            Self::Stream(made) => Item::Stream(made.part(record, values)?),
            Self::ArrayItem { index, content } => Item::ArrayItem { index, value: content.bytes(record, values)? },
            Self::Module(Op::Number(value)) => Item::Module(value),
            Self::Module(Op::String(text)) => Item::Module(ModuleValue::String(text.bytes(record, values)?)),
            Self::ModuleAux { module, when } => Item::ModuleAux { module, when },
            Self::KeyMeta { class } => Item::KeyMeta { class },
        })
    }
}
