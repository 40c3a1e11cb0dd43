//! Identifiers: by chance from the cloud's seed, or by name for what every practice cloud has, so that notes and configuration that name
//! an image keep working.

use rand::Rng;
use rand::rngs::StdRng;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// A version 4 UUID from the cloud's seed.
pub fn fresh(rng: &mut StdRng) -> String {
    Builder::from_random_bytes(rng.random()).into_uuid().to_string()
}

/// 32 hexadecimal digits from the cloud's seed, as Keystone's identifiers are.
pub fn fresh_hex(rng: &mut StdRng) -> String {
    hex::encode(rng.random::<[u8; 16]>())
}

/// The UUID that belongs to this name in every practice cloud.
pub fn named(name: &str) -> String {
    Builder::from_random_bytes(digest(name)).into_uuid().to_string()
}

/// The 32 hexadecimal digits that belong to this name in every practice cloud.
pub fn named_hex(name: &str) -> String {
    hex::encode(digest(name))
}

/// Whether OpenStack takes this for a UUID: with or without hyphens, braces or `urn:uuid:`.
pub fn is_uuid(text: &str) -> bool {
    Uuid::try_parse(text).is_ok()
}

fn digest(name: &str) -> [u8; 16] {
    let all = Sha256::digest(format!("bootmachine practice {name}").as_bytes());
    let mut first = [0; 16];
    first.copy_from_slice(&all[..16]);
    first
}
