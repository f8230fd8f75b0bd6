//! Worlds of small machines: what a world promises, and each law with a machine that breaks it.

mod faults;
mod laws;
mod machines;
mod net;
mod runs;
mod story;
