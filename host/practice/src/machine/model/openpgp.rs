//! OpenPGP public keys as far as package managers look at them: ASCII armour with its checksum, packet framing, and the fingerprint of a
//! primary key (RFC 9580, sections 4.2, 5.5.2, 5.5.4 and 6). Signatures are not modelled: what a repository is signed with is known by its
//! key's fingerprint.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::Digest as _;

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

const PUBLIC_KEY: u8 = 6;
const USER_ID: u8 = 13;
const SUBKEY: u8 = 14;

/// A primary key with its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// In upper-case hexadecimal digits.
    pub fingerprint: String,
    /// When it was made, in seconds since 1970.
    pub created: u32,
    /// The number of the algorithm: 1 is RSA, 22 and 27 are Ed25519.
    pub algorithm: u8,
    /// How many bits it has.
    pub bits: usize,
    /// Whose it says it is.
    pub names: Vec<String>,
    /// Its packets, to be written to a keyring.
    pub packets: Vec<u8>,
}

impl Key {
    /// The last sixteen digits of the fingerprint, by which programs name a key in their messages.
    pub fn id(&self) -> &str {
        &self.fingerprint[self.fingerprint.len().saturating_sub(16)..]
    }
}

/// The checksum of armour (RFC 9580, section 6.1).
fn crc24(data: &[u8]) -> u32 {
    data.iter().fold(0x00b7_04ce, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 16), |crc, _| {
            let shifted = crc << 1;
            if shifted & 0x0100_0000 == 0 {
                shifted
            } else {
                shifted ^ 0x0186_4cfb
            }
        }) & 0x00ff_ffff
    })
}

/// Writes packets as text.
pub fn armor(packets: &[u8]) -> String {
    let body = STANDARD.encode(packets);
    let mut text = format!("{BEGIN}\n\n");
    for line in body.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    let sum = crc24(packets).to_be_bytes();
    text + &format!("={}\n{END}\n", STANDARD.encode(&sum[1..]))
}

/// The packets of a file, armoured or not. None where it is damaged or something else.
pub fn dearmor(content: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(content);
    if !text.contains(BEGIN) {
        // The first bit of a packet is always set (RFC 9580, section 4.2).
        return content.first().is_some_and(|first| first & 0x80 != 0).then(|| content.to_vec());
    }
    let mut packets = Vec::new();
    let mut rest = &*text;
    while let Some((_, block)) = rest.split_once(BEGIN) {
        let (block, after) = block.split_once(END)?;
        rest = after;
        // Headers end at the first empty line.
        let lines = block.lines().map(str::trim).skip(1).skip_while(|line| !line.is_empty());
        let (mut body, mut sum) = (String::new(), None);
        for line in lines.filter(|line| !line.is_empty()) {
            match line.strip_prefix('=').filter(|sum| sum.len() == 4) {
                Some(text) => sum = Some(text.to_owned()),
                None => body.push_str(line),
            }
        }
        let data = STANDARD.decode(body).ok()?;
        if let Some(sum) = sum
            && STANDARD.decode(sum).ok()? != crc24(&data).to_be_bytes()[1..]
        {
            return None;
        }
        packets.extend(data);
    }
    (!packets.is_empty()).then_some(packets)
}

/// The next packet: its type, its body, and what it takes with its header.
fn packet(data: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (first, rest) = data.split_first()?;
    if first & 0x80 == 0 {
        return None;
    }
    let number = |bytes: &[u8]| bytes.iter().fold(0usize, |all, byte| all << 8 | usize::from(*byte));
    let (kind, header, length) = if first & 0x40 == 0 {
        let size = match first & 3 {
            0 => 1,
            1 => 2,
            2 => 4,
            _ => return None,
        };
        (first >> 2 & 15, size, number(rest.get(..size)?))
    } else {
        let (size, length) = match *rest.first()? {
            byte @ 0..=191 => (1, usize::from(byte)),
            byte @ 192..=223 => (2, ((usize::from(byte) - 192) << 8) + usize::from(*rest.get(1)?) + 192),
            255 => (5, number(rest.get(1..5)?)),
            // Parts are for data, not for keys.
            _ => return None,
        };
        (first & 63, size, length)
    };
    let body = rest.get(header..)?.get(..length)?;
    Some((kind, body, 1 + header + length))
}

/// The primary keys in a file; none where it is damaged.
pub fn keys(content: &[u8]) -> Option<Vec<Key>> {
    let packets = dearmor(content)?;
    let mut at = 0;
    let mut keys: Vec<Key> = Vec::new();
    let mut in_subkey = false;
    while at < packets.len() {
        let (kind, body, length) = packet(&packets[at..])?;
        let whole = &packets[at..at + length];
        at += length;
        match kind {
            PUBLIC_KEY => {
                let &[4, a, b, c, d, algorithm, ref material @ ..] = body else {
                    return None;
                };
                let mut hash = sha1::Sha1::new();
                hash.update([0x99]);
                hash.update(u16::try_from(body.len()).ok()?.to_be_bytes());
                hash.update(body);
                let bits = material.get(..2).map_or(0, |two| usize::from(u16::from_be_bytes([two[0], two[1]])));
                keys.push(Key {
                    fingerprint: hex::encode_upper(hash.finalize()),
                    created: u32::from_be_bytes([a, b, c, d]),
                    algorithm,
                    bits: if algorithm == 1 { bits } else { 255 },
                    names: Vec::new(),
                    packets: whole.to_vec(),
                });
                in_subkey = false;
                continue;
            }
            USER_ID => keys.last_mut()?.names.push(String::from_utf8_lossy(body).into_owned()),
            SUBKEY => in_subkey = true,
            _ => {}
        }
        let key = keys.last_mut()?;
        if !in_subkey || kind != USER_ID {
            key.packets.extend_from_slice(whole);
        }
    }
    Some(keys)
}

/// The packets of an RSA key of that name, always the same: a key for a simulated repository. Nobody has its secret part, for there is none.
pub fn simulated(name: &str) -> Vec<u8> {
    use sha2::Digest as _;
    let mut modulus: Vec<u8> = (0u8..12)
        .flat_map(|part| sha2::Sha256::digest([name.as_bytes(), &[part]].concat()))
        .collect();
    if let Some(first) = modulus.first_mut() {
        *first |= 0x80;
    }
    if let Some(last) = modulus.last_mut() {
        *last |= 1;
    }
    let mut body = vec![4];
    body.extend(1_600_000_000_u32.to_be_bytes());
    body.push(1);
    body.extend(3072_u16.to_be_bytes());
    body.extend(modulus);
    body.extend([0, 17, 1, 0, 1]);
    let mut packets = vec![0x80 | PUBLIC_KEY << 2 | 1];
    packets.extend(u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes());
    packets.extend(body);
    packets.push(0xc0 | USER_ID);
    let name = &name.as_bytes()[..name.len().min(191)];
    packets.push(u8::try_from(name.len()).unwrap_or(191));
    packets.extend(name);
    packets
}

/// The fingerprint of a simulated key.
pub fn simulated_fingerprint(name: &str) -> String {
    keys(&simulated(name))
        .and_then(|keys| keys.into_iter().next())
        .map(|key| key.fingerprint)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn armour_is_checked() {
        let packets = simulated("Somebody <somebody@example.org>");
        let text = armor(&packets);
        assert_eq!(dearmor(text.as_bytes()), Some(packets.clone()));
        let found = keys(text.as_bytes()).unwrap();
        assert_eq!((found.len(), found[0].bits, found[0].fingerprint.len()), (1, 3072, 40));
        assert_eq!(found[0].names, ["Somebody <somebody@example.org>"]);
        let damaged = text.replacen("mQGNBF", "mQGNBG", 1);
        assert_ne!(damaged, text);
        assert_eq!(dearmor(damaged.as_bytes()), None);
        assert_eq!(keys(b"plain text"), None);
        assert_eq!(keys(&packets[..100]), None);
    }

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // RFC 9580, section 6.1.1 gives the start value for no data at all.
        assert_eq!(crc24(b""), 0x00b7_04ce);
        assert_eq!(crc24(b"123456789"), 0x0021_cf02);
    }
}
