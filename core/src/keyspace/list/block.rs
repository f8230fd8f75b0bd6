//! What a large list is made of: elements that lie together, or one long element.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use bytes::Bytes;

use super::super::entry::{SMALL_MAX, allocated};
use super::super::pack::{self, Encoded, Pack};
use super::super::tree::Entry;
use super::{Element, Side};
use crate::rdb::Scalar;

/// How long a run may be in bytes, with the frame that it has in a snapshot: what Redis's default of
/// `list-max-listpack-size` lets a node be. Another value changes no block: it says what is a `listpack`, and no more.
pub(in crate::keyspace) const NODE_MAX: usize = 8 * 1024;
/// What head and end mark of a listpack take, bytes.
pub(super) const FRAME: usize = 7;
/// What Redis estimates that a listpack needs for an element beside its text, bytes.
const OVERHEAD: usize = 8;
/// A run that LSET made longer is halved, bytes.
const RUN_MAX: usize = 2 * NODE_MAX;

/// What elements are compared with.
#[derive(Debug)]
pub(in crate::keyspace) struct Needle<'a> {
    pub(super) text: &'a [u8],
    /// As it lies in a run; empty for one that is too long for any.
    encoded: Encoded,
}

impl<'a> Needle<'a> {
    /// This text, an integer's as an integer.
    pub(in crate::keyspace) fn new(text: &'a [u8]) -> Self {
        let encoded = if text.len() > SMALL_MAX { Encoded::new() } else { pack::encode(text) };
        Self { text, encoded }
    }

    /// The element as a scalar, as elements are kept.
    pub(super) fn scalar(&self) -> Scalar<'_> {
        Pack(&self.encoded).iter().next().unwrap_or(Scalar::Text(self.text))
    }
}

/// The elements of a pack without those that are like the needle: no more than `max` of them, from one side on. `None`
/// if there are none; else with the number of those that are missing.
pub(super) fn without(pack: Pack<'_>, needle: &Needle<'_>, side: Side, max: usize) -> Option<(Vec<u8>, usize)> {
    let like = |span: &Range<usize>| pack.0.get(span.clone()) == Some(&needle.encoded[..]);
    let all = pack.from(0).map(|(span, _)| span).filter(like).count();
    if all == 0 {
        return None;
    }
    let hits = all.min(max);
    let kept = if side == Side::Left { 0 } else { all - hits };
    let mut left = Vec::with_capacity(pack.0.len() - hits * needle.encoded.len());
    let mut from = 0;
    for span in pack.from(0).map(|(span, _)| span).filter(like).skip(kept).take(hits) {
        left.extend_from_slice(&pack.0[from..span.start]);
        from = span.end;
    }
    left.extend_from_slice(&pack.0[from..]);
    Some((left, hits))
}

/// Packed elements.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// Shared, so that the copy of a node that a write makes while a snapshot holds the old one copies no elements.
    elements: Arc<Vec<u8>>,
    count: usize,
}

impl Run {
    fn new(elements: Vec<u8>, count: usize) -> Self {
        Self { elements: Arc::new(elements), count }
    }

    pub(super) fn pack(&self) -> Pack<'_> {
        Pack(&self.elements)
    }

    fn has_room(&self, len: usize) -> bool {
        FRAME + self.elements.len() + len + OVERHEAD <= NODE_MAX
    }

    /// Where element `index` begins, looked for from the nearer end.
    pub(super) fn offset(&self, index: usize) -> usize {
        if index <= self.count / 2 { self.pack().offset(index) } else { self.pack().offset_back(self.count - index) }
    }

    /// Puts bytes in the place of others.
    fn replace(&mut self, at: Range<usize>, with: &[u8]) {
        pack::replace(Arc::make_mut(&mut self.elements), at, with);
    }

    /// Gives back memory if much is unused and nobody else holds it.
    fn tighten(&mut self) {
        if let Some(bytes) = Arc::get_mut(&mut self.elements)
            && bytes.capacity() - bytes.len() > bytes.capacity() / 8
        {
            bytes.shrink_to_fit();
        }
    }

    fn insert(&mut self, index: usize, element: &[u8]) {
        let at = self.offset(index);
        self.replace(at..at, element);
        self.count += 1;
    }

    fn set(&mut self, index: usize, element: &[u8]) {
        let at = self.offset(index);
        let end = self.pack().at(at).map_or(at, |(span, _)| span.end);
        self.replace(at..end, element);
    }

    fn cut(&mut self, range: Range<usize>) {
        let bytes = self.offset(range.start)..self.offset(range.end);
        self.replace(bytes, &[]);
        self.count -= range.len();
        if self.elements.capacity() / 4 > self.elements.len() {
            self.tighten();
        }
    }

    fn split_off(&mut self, index: usize) -> Self {
        let at = self.offset(index);
        let right = Self::new(self.elements[at..].to_vec(), self.count - index);
        Arc::make_mut(&mut self.elements).truncate(at);
        self.count = index;
        right
    }
}

/// Elements that lie together.
#[derive(Clone, Debug)]
pub(super) enum Block {
    /// Some that are packed, at least one.
    Run(Run),
    /// One that is longer than [`SMALL_MAX`].
    Single(Bytes),
}

impl Entry for Block {
    type Mark = ();

    fn mark(&self) {}

    fn weight(&self) -> usize {
        match self {
            Self::Run(run) => run.count,
            Self::Single(_) => 1,
        }
    }

    fn heap(&self) -> usize {
        // An `Arc` holds two counters before what it shares, and so does what shares long bytes.
        const SHARED: usize = allocated(size_of::<Vec<u8>>() + 2 * size_of::<usize>());
        match self {
            Self::Run(run) => allocated(run.elements.capacity()) + SHARED,
            Self::Single(bytes) => allocated(bytes.len()) + SHARED,
        }
    }
}

impl Block {
    /// A block of these packed elements.
    pub(super) fn run(elements: Vec<u8>) -> Self {
        let count = Pack(&elements).len();
        Self::Run(Run::new(elements, count))
    }

    /// A block of these packed elements, so many.
    pub(super) fn counted(elements: Vec<u8>, count: usize) -> Self {
        Self::Run(Run::new(elements, count))
    }

    /// A block of one element.
    pub(super) fn of(element: Element<'_>) -> Self {
        match element {
            Element::Long(bytes) => Self::Single(bytes.clone()),
            Element::Short(Scalar::Text(text)) if text.len() > SMALL_MAX => Self::Single(Bytes::copy_from_slice(text)),
            Element::Short(scalar) => Self::Run(Run::new(pack::encode_scalar(scalar).to_vec(), 1)),
        }
    }

    /// Its elements if they are packed.
    pub(super) fn as_run(&self) -> Option<&Run> {
        match self {
            Self::Run(run) => Some(run),
            Self::Single(_) => None,
        }
    }

    /// Bytes that its elements take in a listpack.
    pub(super) fn packed_len(&self) -> usize {
        match self {
            Self::Run(run) => run.elements.len(),
            Self::Single(bytes) => pack::text_len(bytes.len()),
        }
    }

    /// Whether it takes one more element, by Redis's estimate.
    pub(super) fn takes(&self, element: Element<'_>) -> bool {
        !element.is_long() && self.as_run().is_some_and(|run| run.has_room(element.len()))
    }

    /// Puts an element before the one at `index`. Nothing is done unless [it takes it](Self::takes).
    pub(super) fn insert(&mut self, index: usize, element: Element<'_>) {
        if let (Self::Run(run), Element::Short(scalar)) = (self, element) {
            run.insert(index, &pack::encode_scalar(scalar));
        }
    }

    /// Puts an element in the place of the one at `index`, neither of them long. If it becomes too much for one block, the
    /// second half is returned.
    pub(super) fn set(&mut self, index: usize, element: Element<'_>) -> Option<Self> {
        let (Self::Run(run), Element::Short(scalar)) = (self, element) else { return None };
        run.set(index, &pack::encode_scalar(scalar));
        let half = run.count / 2;
        (run.elements.len() > RUN_MAX && half > 0).then(|| Self::Run(run.split_off(half)))
    }

    /// Removes elements, but not all.
    pub(super) fn cut(&mut self, range: Range<usize>) {
        if let Self::Run(run) = self {
            run.cut(range);
        }
    }

    /// Removes elements like the needle: see [`without`]; how many. A block may be empty afterwards.
    pub(super) fn remove_equal(&mut self, needle: &Needle<'_>, side: Side, max: usize) -> usize {
        match self {
            Self::Run(run) => match without(run.pack(), needle, side, max) {
                Some((left, hits)) => {
                    *run = Run::new(left, run.count - hits);
                    hits
                }
                None => 0,
            },
            Self::Single(bytes) if bytes[..] == *needle.text => {
                *self = Self::Run(Run::new(Vec::new(), 0));
                1
            }
            Self::Single(_) => 0,
        }
    }

    /// Whether an element like the needle is in it.
    pub(super) fn has(&self, needle: &Needle<'_>) -> bool {
        match self {
            Self::Run(run) => run.pack().find(&needle.encoded, 1).is_some(),
            Self::Single(bytes) => bytes[..] == *needle.text,
        }
    }

    /// Takes the elements from `index` on out, if they are packed.
    pub(super) fn split_off(&mut self, index: usize) -> Option<Self> {
        match self {
            Self::Run(run) => Some(Self::Run(run.split_off(index))),
            Self::Single(_) => None,
        }
    }

    /// Whether the elements of both have room in one block.
    pub(super) fn joins(&self, next: &Self) -> bool {
        match (self, next) {
            (Self::Run(a), Self::Run(b)) => FRAME + a.elements.len() + b.elements.len() <= NODE_MAX,
            _ => false,
        }
    }

    /// Takes the elements of the block behind it.
    pub(super) fn join(&mut self, next: &Self) {
        if let (Self::Run(a), Self::Run(b)) = (self, next) {
            Arc::make_mut(&mut a.elements).extend_from_slice(&b.elements);
            a.count += b.count;
        }
    }

    /// Gives back memory that is unlikely to be used soon.
    pub(super) fn tighten(&mut self) {
        if let Self::Run(run) = self {
            run.tighten();
        }
    }
}
