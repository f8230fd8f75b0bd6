//! The simulated world (feature `sim`).
pub mod page;
pub mod story;
