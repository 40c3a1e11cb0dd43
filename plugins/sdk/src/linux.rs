//! What distros of the usual kind have in common: systemd, signing keys checked with gpg, sets of installed packages.

mod keys;
mod locale;
mod lock;
mod packages;
mod systemd;

pub use keys::{SigningKeyFile, signing_key};
pub use locale::{generate_locale, set_locale_conf};
pub use lock::locked;
pub use packages::{Installed, check_names, check_repository, unknown_package};
pub use systemd::{service, timezone};
