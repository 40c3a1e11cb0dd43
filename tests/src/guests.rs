//! The plugins of `tests/guests`, as the build script built them.

include!(concat!(env!("OUT_DIR"), "/guests.rs"));
