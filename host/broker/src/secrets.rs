//! Secrets, the references that stand for them, injection and scrubbing.
