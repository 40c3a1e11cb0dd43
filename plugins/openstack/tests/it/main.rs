//! The plugin against services that these tests play: every request that it sends, and what it makes of the answers.

#![allow(clippy::unwrap_used)]

mod checking;
mod cloud;
mod creating;
mod ending;
mod garbage;
mod listing;
mod login;
mod manifest;
