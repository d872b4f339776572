//! Shards as Arrow IPC files: how they are written, and how their footers are read back.

mod footer;
mod writer;

pub(super) use footer::ArrowFooter;
pub(super) use writer::ArrowShard;
