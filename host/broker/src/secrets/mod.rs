//! Secrets, the references that stand for them, injection and scrubbing.
//!
//! A [`SecretTable`] belongs to one plugin instance. Plugins hold references: random names that mean nothing in any other table. Values are
//! put in as a request leaves (`inject.rs`), if the secret is bound to where it goes, and taken out of whatever comes back (`scrub.rs`), in
//! every form in which a service is likely to repeat them (`forms.rs`).
//!
//! Scrubbing catches honest services that echo what they were sent. It is no defence against a service that conspires with a plugin: that is
//! what bindings are for.

mod forms;
mod inject;
mod scrub;

use std::sync::{Arc, PoisonError, RwLock};

use secrecy::{ExposeSecret as _, SecretString};

pub use inject::Place;

use crate::origin::{Origin, OriginPattern};
use crate::{BrokerError, ErrorKind};
use scrub::Scrubber;

/// What every reference begins with.
pub const REFERENCE_PREFIX: &str = "bootmachine-ref-";

/// Hexadecimal digits after the prefix: 128 random bits.
const REFERENCE_DIGITS: usize = 32;

/// Values of fewer bytes are put into requests like any other but not looked for in responses: taking every `a` or `42` out of a response
/// would destroy it. Where the place of such a value is known (a capture), it is replaced all the same.
pub const SHORTEST_SCRUBBED: usize = 4;

/// The longest value that is captured, in bytes; far beyond any token there is. A longer secret of the operator's (a key file) is put in like
/// any other and scrubbed as it is and as JSON writes it, in no other form.
pub const LONGEST: usize = 32 * 1024;

/// How many secrets a table keeps at most: a plugin that captures without end is stopped here.
const MOST: usize = 1024;

/// Where a secret may be sent to: every group must have a pattern that matches. No group at all leaves it to the plugin's grants, which are
/// checked before in any case; an empty group matches nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    groups: Vec<Vec<OriginPattern>>,
}

impl Binding {
    /// To these origins.
    pub fn origins(patterns: impl IntoIterator<Item = OriginPattern>) -> Self {
        Self {
            groups: vec![patterns.into_iter().collect()],
        }
    }

    /// To every origin that the plugin was granted.
    pub fn granted() -> Self {
        Self { groups: Vec::new() }
    }

    /// Where both allow it.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        for group in &other.groups {
            if !self.groups.contains(group) {
                self.groups.push(group.clone());
            }
        }
        self
    }

    /// Whether the secret may be sent there.
    pub fn allows(&self, origin: &Origin) -> bool {
        self.groups.iter().all(|group| group.iter().any(|pattern| pattern.matches(origin)))
    }
}

/// One secret.
struct Secret {
    /// For messages: the setting's name, or where it was captured.
    label: String,
    reference: String,
    value: SecretString,
    binding: Binding,
}

#[derive(Default)]
struct State {
    secrets: Vec<Secret>,
    /// Rebuilt when it is needed after a secret was added.
    scrubber: Option<Arc<Scrubber>>,
}

/// The secrets of one plugin instance.
#[derive(Default)]
pub struct SecretTable {
    state: RwLock<State>,
}

impl std::fmt::Debug for SecretTable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let labels: Vec<String> = self.read(|state| state.secrets.iter().map(|secret| secret.label.clone()).collect());
        formatter
            .debug_struct("SecretTable")
            .field("labels", &labels)
            .finish_non_exhaustive()
    }
}

impl SecretTable {
    /// No secrets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps a secret and hands out its reference. The same value with the same binding has the same reference. An empty value stands for
    /// itself: there is nothing to keep secret.
    pub fn insert(&self, label: impl Into<String>, value: SecretString, binding: Binding) -> String {
        if value.expose_secret().is_empty() {
            return String::new();
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let known = state
            .secrets
            .iter()
            .find(|secret| secret.value.expose_secret() == value.expose_secret() && secret.binding == binding);
        if let Some(known) = known {
            return known.reference.clone();
        }
        let reference = new_reference();
        state.secrets.push(Secret {
            label: label.into(),
            reference: reference.clone(),
            value,
            binding,
        });
        state.scrubber = None;
        reference
    }

    /// Keeps a value that came in a response. What is known already keeps its binding: asking for a capture of an echoed secret must not
    /// widen where that secret may go, neither alone nor as a part of a longer value.
    pub fn capture(&self, label: impl Into<String>, value: SecretString, binding: Binding) -> Result<String, BrokerError> {
        let label = label.into();
        if value.expose_secret().len() > LONGEST {
            return Err(BrokerError::new(
                ErrorKind::Failed,
                format!("the secret at {label} is longer than {LONGEST} bytes"),
            ));
        }
        if self.read(|state| state.secrets.len()) >= MOST {
            return Err(BrokerError::new(
                ErrorKind::Failed,
                format!("more than {MOST} secrets were captured"),
            ));
        }
        let binding = self.read(|state| {
            let known: Vec<&Secret> = state.secrets.iter().filter(|secret| contains(&value, &secret.value)).collect();
            match known.iter().find(|secret| secret.value.expose_secret() == value.expose_secret()) {
                Some(same) => Err(same.reference.clone()),
                None => Ok(known.iter().fold(binding, |binding, part| binding.and(&part.binding))),
            }
        });
        match binding {
            Err(reference) => Ok(reference),
            Ok(binding) => Ok(self.insert(label, value, binding)),
        }
    }

    /// Puts values in the place of references. `origin` is where the request goes.
    ///
    /// A reference that this table does not know (another plugin's) and a secret that is not bound to the origin are errors.
    pub fn inject(&self, bytes: &[u8], place: Place, origin: &Origin) -> Result<zeroize::Zeroizing<Vec<u8>>, BrokerError> {
        self.read(|state| inject::inject(&state.secrets, bytes, place, origin))
    }

    /// Whether something that looks like a reference stands in it.
    pub fn mentions_reference(bytes: &[u8]) -> bool {
        inject::find(bytes, 0).is_some()
    }

    /// Whether a reference stands in it that was encoded as base64, alone or within something longer: `user:REF`. No value could be put there.
    pub fn mentions_encoded_reference(bytes: &[u8]) -> bool {
        inject::mentions_encoded(bytes)
    }

    /// Takes every known secret, in every form that it may have, out of these bytes and puts its reference there.
    pub fn scrub(&self, bytes: &[u8]) -> Vec<u8> {
        self.scrubber().map_or_else(|| bytes.to_vec(), |scrubber| scrubber.scrub(bytes))
    }

    /// The same for text: log lines, error messages, audit entries.
    pub fn scrub_text(&self, text: &str) -> String {
        self.scrubber().map_or_else(
            || text.to_owned(),
            |scrubber| String::from_utf8_lossy(&scrubber.scrub(text.as_bytes())).into_owned(),
        )
    }

    /// Scrubs an error's message and hint.
    #[must_use]
    pub fn scrub_error(&self, mut error: BrokerError) -> BrokerError {
        error.message = self.scrub_text(&error.message);
        error.hint = error.hint.map(|hint| self.scrub_text(&hint));
        error
    }

    fn read<T>(&self, with: impl FnOnce(&State) -> T) -> T {
        with(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// None: there is nothing to scrub.
    fn scrubber(&self) -> Option<Arc<Scrubber>> {
        let ready = self.read(|state| {
            if state.secrets.is_empty() {
                Some(None)
            } else {
                state.scrubber.clone().map(Some)
            }
        });
        if let Some(ready) = ready {
            return ready;
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.scrubber.is_none() {
            let scrubber = Scrubber::new(
                state
                    .secrets
                    .iter()
                    .map(|secret| (secret.value.expose_secret(), secret.reference.as_str())),
            );
            state.scrubber = Some(Arc::new(scrubber));
        }
        state.scrubber.clone()
    }
}

fn new_reference() -> String {
    use rand::TryRngCore as _;
    use std::fmt::Write as _;
    let mut random = [0_u8; REFERENCE_DIGITS / 2];
    let mut reference = REFERENCE_PREFIX.to_owned();
    rand::rngs::OsRng
        .try_fill_bytes(&mut random)
        .expect("the operating system has random numbers");
    for byte in random {
        // Writing to a string can not fail.
        let _ = write!(reference, "{byte:02x}");
    }
    reference
}

/// Whether a known secret stands in a value. Very short ones are found everywhere and say nothing.
fn contains(value: &SecretString, known: &SecretString) -> bool {
    let (value, known) = (value.expose_secret(), known.expose_secret());
    value == known || (known.len() >= SHORTEST_SCRUBBED && memchr::memmem::find(value.as_bytes(), known.as_bytes()).is_some())
}
