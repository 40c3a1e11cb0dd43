//! Whole conversations with a scripted machine.
