//! The place of new rows in a split.

/// The place of new rows in a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A new shard after the split's last one.
    New,
    /// The end of the split's last shard.
    Tail,
}
