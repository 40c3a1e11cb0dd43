//! The plugin against services that these tests play: every request that it sends, and what it makes of the answers.

mod checking;
mod cloud;
mod creating;
mod ending;
mod garbage;
mod listing;
mod login;
mod manifest;
