//! Behavior, tested through the real binary and the public API.

mod access;
mod append;
mod append_rejects;
mod arrays;
mod card;
mod checksums;
mod cli;
mod columns;
mod compact;
mod compat;
// Without the feature the binary can't be killed at a given step.
#[cfg(all(feature = "failpoints", unix))]
mod crash;
mod determinism;
mod differential;
mod discover;
mod dtype;
mod encoded;
mod failures;
mod folders;
mod foreign;
mod harness;
mod image_tables;
mod info;
mod layout;
mod links;
mod load;
mod memory;
mod messages;
mod output;
mod pipes;
mod plan;
mod plan_schedules;
mod read;
mod refusals;
mod repack;
#[cfg(feature = "report")]
mod report;
mod resize;
mod resume;
mod rollback;
mod rooms;
#[cfg(feature = "report")]
mod show;
#[cfg(unix)]
mod signals;
mod small_classes;
mod split;
mod stored_images;
mod system_files;
mod tail;
mod verify;
mod wrong_manifest;
