//! The program as its user meets it: whole outputs, exit codes, hermetic.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails says where")]

mod config;
mod demo;
mod existing;
mod generated;
mod help;
mod init;
mod kills;
mod output;
mod plugins;
mod program;
mod questions;
mod scene;
mod ssh;
mod terminal;
