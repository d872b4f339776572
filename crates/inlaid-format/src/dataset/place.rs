//! The place of new rows in a split.

/// The place of new rows in a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A new shard with this number, after the split's last one.
    New(usize),
    /// The end of the split's last shard.
    Tail,
}
