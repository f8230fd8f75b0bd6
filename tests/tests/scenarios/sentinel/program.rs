//! The program as an operator starts and stops it.

use libtest_mimic::Trial;

pub(crate) fn all() -> Vec<Trial> {
    vec![]
}
