//! What stands beside the keys: function libraries and what modules wrote; and the values of modules.

use bytes::Bytes;

use super::{Body, PACKED_MAX, Small, share};
use crate::rdb::item::{ModuleId, ModuleValue};
use crate::rdb::kinds;

/// The mark behind the last thing that a module wrote.
const END: u8 = 0;
/// An unsigned number of a module's.
const UNSIGNED: u8 = 2;

impl Body {
    /// Encodes the code of a function library. Readers know it from version 10 (Redis 7.0) on.
    pub fn function(&mut self, code: &Bytes) {
        self.out.append(&[kinds::FUNCTION]);
        if code.len() <= PACKED_MAX {
            return self.text(Small::new(), code);
        }
        self.count(code.len() as u64);
        share(&mut self.out, code.clone());
    }

    /// Encodes one thing that a module wrote, for [`Body::module_aux`] and [`Body::module`].
    pub fn module_value(&mut self, value: ModuleValue<'_>) {
        let mut head = Small::new();
        match value {
            ModuleValue::Signed(n) => {
                head.put(&[1]);
                // The bits of a signed one are stored as if they were unsigned.
                head.len(n as u64);
            }
            ModuleValue::Unsigned(n) => {
                head.put(&[UNSIGNED]);
                head.len(n);
            }
            ModuleValue::Float(bits) => {
                head.put(&[3]);
                head.put(&bits.to_le_bytes());
            }
            ModuleValue::Double(bits) => {
                head.put(&[4]);
                head.put(&bits.to_le_bytes());
            }
            ModuleValue::String(text) => {
                head.put(&[5]);
                if text.len() > PACKED_MAX {
                    head.len(text.len() as u64);
                    self.out.append(head.bytes());
                    return self.out.append(text);
                }
                return self.text(head, text);
            }
        }
        self.out.append(head.bytes());
    }

    /// Encodes what a module wrote beside the keys; `values` are of [`Body::module_value`]. `when` is 1 before the keys and
    /// 2 behind them, where it has to be encoded, too.
    pub fn module_aux(&mut self, module: ModuleId, when: u64, values: &[Bytes]) {
        let mut head = Small::new();
        head.put(&[kinds::MODULE_AUX]);
        head.len(module.0);
        head.put(&[UNSIGNED]);
        head.len(when);
        self.out.append(head.bytes());
        self.values(values);
    }

    /// Encodes a key with the value of a module; `values` are of [`Body::module_value`].
    pub fn module(&mut self, db: u32, key: &[u8], expire_at_ms: Option<i64>, module: ModuleId, values: &[Bytes]) {
        self.key(db, key, expire_at_ms, kinds::MODULE);
        self.count(module.0);
        self.values(values);
    }

    fn values(&mut self, values: &[Bytes]) {
        values.iter().for_each(|part| share(&mut self.out, part.clone()));
        self.out.append(&[END]);
    }

    /// Takes all bytes out.
    pub fn into_bytes(mut self) -> impl Iterator<Item = Bytes> {
        self.out.drain().collect::<alloc::vec::Vec<_>>().into_iter()
    }
}
