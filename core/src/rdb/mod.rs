//! The snapshot format: a push reader (bytes in at any split, items out) and a writer.
//!
//! - [`Reader`] takes bytes as they come and hands out [`Item`]s; memory is bounded by a named limit, not by the values.
//! - [`Body`] encodes entries into shared blocks; [`Writer`] frames bodies with header, AUX fields, end and checksum.
//! - [`Payload`] is one value outside a snapshot, as `DUMP` and `RESTORE` have it.
//!
//! It reads what Redis 1.2 to 8.10 and Valkey 7.2 to 9.2 write.
//!
//! ```
//! use bytes::Bytes;
//! use primacy_core::machine::Chunks;
//! use primacy_core::rdb::{Body, Item, Options, Reader, ReaderLimits, Value, Writer};
//!
//! let mut body = Body::new(Options::default());
//! body.string(0, b"key", None, b"value");
//! let mut writer = Writer::new(Writer::DEFAULT_VERSION, true);
//! writer.absorb(&mut body);
//! writer.finish();
//!
//! let mut chunks = Chunks::new();
//! writer.out().read(0, usize::MAX, &mut chunks);
//! let mut reader = Reader::new(ReaderLimits::default());
//! let mut keys = 0;
//! for chunk in chunks.iter() {
//!     let mut input = &chunk[..];
//!     while let Some(item) = reader.next(&mut input).unwrap() {
//!         if let Item::Entry(entry) = item {
//!             assert_eq!((entry.key, entry.value), (&b"key"[..], Value::String(b"value")));
//!             keys += 1;
//!         }
//!     }
//! }
//! reader.finish().unwrap();
//! assert_eq!(keys, 1);
//! ```

mod aside;
pub mod aux;
mod body;
mod compact;
mod crc64;
mod cursor;
mod error;
mod item;
mod kinds;
mod lzf;
mod payload;
mod reader;
mod template;
mod text;
mod value;
mod writer;

pub use body::{Body, Nodes, Options, StreamMeta};
pub use compact::{
    Compact, CompactBuf, CompactError, Layout, ListpackWriter, Scalar, Scalars, StreamEntries, StreamEntry,
    StreamFields, StreamNode, StreamNodeBuf,
};
pub use crc64::Crc64;
pub use error::{Flaw, RdbError};
pub use item::{Element, Entry, Item, Kind, Magic, ModuleId, ModuleValue, StreamId, StreamPart, Value};
pub use lzf::LzfError;
pub use payload::Payload;
pub use reader::{Reader, ReaderLimits};
pub use writer::Writer;
