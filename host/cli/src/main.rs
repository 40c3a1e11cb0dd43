//! `bootmachine`, the program.

use std::process::ExitCode;

fn main() -> ExitCode {
    bootmachine::run(std::env::args_os())
}
