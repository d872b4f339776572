//! Behaviour through the real binary and the public API.

mod append;
mod cli;
mod determinism;
mod discover;
mod harness;
mod layout;
mod output;
mod split;
mod verify;
