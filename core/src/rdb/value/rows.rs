//! Types 1 to 5, 22, 24 and 32: elements one after the other, each a string or two with what belongs to them.

use super::part::Name;
use super::quick::{Quick, plain};
use super::{Begun, Part};
use crate::rdb::compact::{EXPIRY_MAX, number};
use crate::rdb::cursor::{Cursor, Stop};
use crate::rdb::error::Flaw;
use crate::rdb::item::{Kind, Magic};
use crate::rdb::reader::ReaderLimits;
use crate::rdb::template::Templates;
use crate::rdb::text::{Head, Text};

/// How an element is stored.
#[derive(Clone, Copy, Debug)]
enum Form {
    List,
    Set,
    /// A member, and its score as text.
    TextScore,
    /// A member, and its score as the bytes of a double.
    Score,
    Hash,
    /// An expiry, counted from this time; a field, a value.
    ExpiryFirst(Base),
    /// A field, a value, an expiry.
    ExpiryLast,
    /// A value; the fields are those of this template.
    Templated(u64),
}

/// What expiries are counted from.
#[derive(Clone, Copy, Debug)]
enum Base {
    Zero,
    /// 1 is this time, 2 the ms behind it.
    At(u64),
}

/// Elements that are still to come.
#[derive(Clone, Copy, Debug)]
pub(in crate::rdb) struct Rows {
    form: Form,
    left: u64,
    /// How many came.
    came: usize,
    /// Expiry of the long value under way.
    due: Option<u64>,
}

/// Takes the number of elements, and what else is before them.
pub(super) fn begin(number: u8, magic: Magic, cursor: &mut Cursor<'_>) -> Result<Begun, Stop> {
    let form = match (number, magic) {
        (1, _) => Form::List,
        (2, _) => Form::Set,
        (3, _) => Form::TextScore,
        (5, _) => Form::Score,
        (22, Magic::Redis) => Form::ExpiryFirst(Base::Zero),
        (22, Magic::Valkey) => Form::ExpiryLast,
        (24, _) => Form::ExpiryFirst(Base::At(u64::from_le_bytes(cursor.array()?))),
        _ => Form::Hash,
    };
    Ok(rows(form, cursor.len()?))
}

/// Takes the template's id: it says how many values there are.
pub(super) fn begin_templated(cursor: &mut Cursor<'_>, templates: &Templates) -> Result<Begun, Stop> {
    let at = cursor.at();
    let id = cursor.len()?;
    let fields = templates.fields(id).ok_or(Stop::Broken(at, Flaw::NoTemplate(id)))?;
    Ok(rows(Form::Templated(id), fields as u64))
}

fn rows(form: Form, left: u64) -> Begun {
    if left == 0 { Begun::Empty } else { Begun::Rows(Rows { form, left, came: 0, due: None }) }
}

impl Rows {
    pub(super) fn kind(&self) -> Kind {
        match self.form {
            Form::List => Kind::List,
            Form::Set => Kind::Set,
            Form::TextScore | Form::Score => Kind::Zset,
            Form::Hash | Form::ExpiryFirst(_) | Form::ExpiryLast | Form::Templated(_) => Kind::Hash,
        }
    }

    /// How many elements are still to come.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// The next element, or the beginning of a long one.
    #[inline]
    pub(super) fn take(&mut self, cursor: &mut Cursor<'_>, limits: &ReaderLimits) -> Result<Part, Stop> {
        if self.left == 0 {
            return Ok(Part::End);
        }
        let whole = limits.whole;
        let part = match self.form {
            Form::List => {
                let head = Head::take(cursor)?;
                if head.len() > limits.value as u64 {
                    Part::LongMember(head)
                } else {
                    Part::Member(Text::body(head, cursor)?)
                }
            }
            Form::Set => Part::Member(Text::take(cursor, whole)?),
            Form::Score => {
                let member = Text::take(cursor, whole)?;
                let at = cursor.at();
                scored(member, at, f64::from_le_bytes(cursor.array()?))?
            }
            Form::TextScore => {
                let member = Text::take(cursor, whole)?;
                scored(member, cursor.at(), text_score(cursor)?)?
            }
            Form::Hash => self.field(None, cursor, limits)?,
            Form::ExpiryFirst(base) => {
                let at = cursor.at();
                self.due = expiry(base, cursor.len()?).map_err(|flaw| Stop::Broken(at, flaw))?;
                self.field(self.due, cursor, limits)?
            }
            Form::ExpiryLast => match self.field(None, cursor, limits)? {
                Part::Field { field, value, .. } => {
                    Part::Field { field, value, expire_at_ms: self.expiry_behind(cursor)? }
                }
                long => long,
            },
            Form::Templated(id) => value(Name::Template { id, index: self.came }, None, cursor, limits)?,
        };
        self.left -= 1;
        self.came += 1;
        Ok(part)
    }

    /// The next element by the short way.
    #[inline]
    pub(super) fn quick<'i>(&mut self, input: &mut &'i [u8], limits: &ReaderLimits) -> Option<Quick<'i>> {
        let all = *input;
        let left = self.left.checked_sub(1)?;
        let (element, rest) = match self.form {
            Form::List => plain(all, limits.value).map(|(member, rest)| (Quick::Member(member), rest))?,
            Form::Set => plain(all, limits.whole).map(|(member, rest)| (Quick::Member(member), rest))?,
            Form::Score => {
                let (member, rest) = plain(all, limits.whole)?;
                let (score, rest) = rest.split_first_chunk()?;
                let score = Some(f64::from_le_bytes(*score)).filter(|score| !score.is_nan())?;
                (Quick::Scored(member, score), rest)
            }
            Form::Hash => {
                let (field, rest) = plain(all, limits.whole)?;
                let (value, rest) = plain(rest, limits.value)?;
                (Quick::Field(field, value), rest)
            }
            _ => return None,
        };
        (self.left, self.came) = (left, self.came + 1);
        *input = rest;
        Some(element)
    }

    #[inline]
    fn field(&self, expiry: Option<u64>, cursor: &mut Cursor<'_>, limits: &ReaderLimits) -> Result<Part, Stop> {
        let field = Name::Text(Text::take(cursor, limits.whole)?);
        value(field, expiry, cursor, limits)
    }
}

impl Rows {
    /// The expiry that belongs to a long value, at its end.
    pub(super) fn expiry_behind(&self, cursor: &mut Cursor<'_>) -> Result<Option<u64>, Stop> {
        match self.form {
            Form::ExpiryLast => {
                let at = cursor.at();
                match i64::from_le_bytes(cursor.array()?) {
                    -1 => Ok(None),
                    t @ 0..=0xffff_ffff_ffff => Ok(Some(t as u64)),
                    _ => Err(Stop::Broken(at, Flaw::Expiry)),
                }
            }
            Form::ExpiryFirst(_) => Ok(self.due),
            _ => Ok(None),
        }
    }
}

/// Takes the value of a field, or the head of a long one.
#[inline]
fn value(field: Name, expire_at_ms: Option<u64>, cursor: &mut Cursor<'_>, limits: &ReaderLimits) -> Result<Part, Stop> {
    let head = Head::take(cursor)?;
    if head.len() > limits.value as u64 {
        return Ok(Part::LongField { field, head });
    }
    Text::body(head, cursor).map(|value| Part::Field { field, value, expire_at_ms })
}

fn scored(member: Text, at: usize, score: f64) -> Result<Part, Stop> {
    if score.is_nan() { Err(Stop::Broken(at, Flaw::Score)) } else { Ok(Part::Scored { member, score }) }
}

/// A score as text behind its length; three lengths stand for what has no digits.
fn text_score(cursor: &mut Cursor<'_>) -> Result<f64, Stop> {
    let at = cursor.at();
    match cursor.u8()? {
        253 => Ok(f64::NAN),
        254 => Ok(f64::INFINITY),
        255 => Ok(f64::NEG_INFINITY),
        n => number(cursor.take(n.into())?).ok_or(Stop::Broken(at, Flaw::Score)),
    }
}

/// The expiry that is stored as `t`, 0 for none.
fn expiry(base: Base, t: u64) -> Result<Option<u64>, Flaw> {
    let Some(ms) = t.checked_sub(1) else { return Ok(None) };
    let at = match base {
        Base::Zero => Some(t),
        Base::At(base) => base.checked_add(ms),
    };
    at.filter(|&at| at <= EXPIRY_MAX).map(Some).ok_or(Flaw::Expiry)
}
