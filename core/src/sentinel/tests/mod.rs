//! The machine among scripted servers and sentinels, in virtual time.

mod commands;
mod detection;
mod exhaustive;
mod failovers;
mod metrics;
mod rig;
mod start;
