//! Salt on simulated machines: the operator's own SLS files are rendered, ordered and applied as Salt does it, by the machine's own
//! programs, so that what a state says really comes about (or does not). What is not modelled is answered as Salt answers what it does
//! not know.
//!
//! The words and the JSON are those of Salt 3008, recorded.

mod compile;
mod highstate;
mod host;
mod minion;
mod modules;
mod programs;
mod render;
mod states;

pub use programs::register;
