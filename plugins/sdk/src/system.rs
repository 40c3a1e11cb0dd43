//! Words for a machine's release, packages and services.

pub use crate::bindings::imports::bootmachine::plugin::system::{
    KeySource, Outcome, PackageFormat, Release, Repository, ServiceAction, SigningKey,
};

impl Outcome {
    /// Nothing was changed.
    pub const UNCHANGED: Self = Self {
        changed: false,
        reboot_required: false,
    };

    /// Something was changed, or not; no reboot needed.
    pub fn changed(changed: bool) -> Self {
        Self {
            changed,
            reboot_required: false,
        }
    }

    /// Both, one after the other.
    pub fn and(self, other: Self) -> Self {
        Self {
            changed: self.changed || other.changed,
            reboot_required: self.reboot_required || other.reboot_required,
        }
    }
}
