//! What the end-to-end tests share: a practice cloud, an operator with a directory of their own, and a fleet over both.
//!
//! Everything is hermetic: no environment, no home, no network but loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails says where")]

pub mod echo;
pub mod guests;
pub mod leaks;
pub mod operator;
pub mod recorder;
pub mod shown;
pub mod stage;
pub mod world;

pub use echo::Echo;
pub use operator::Operator;
pub use recorder::Recorder;
pub use stage::Stage;
pub use world::World;
