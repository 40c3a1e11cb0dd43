//! Texts that plugins read and write: os-release(5), `key=value` files, lists of names.

mod edit;
mod nearest;
mod os_release;

pub use edit::{ini_get, ini_set};
pub use nearest::nearest;
pub use os_release::OsRelease;
