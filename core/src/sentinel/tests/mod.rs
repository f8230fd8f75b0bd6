//! The machine among scripted servers and sentinels, in virtual time.

mod commands;
mod detection;
mod failovers;
mod rig;
