//! Where new rows go in a split.

/// Where the rows of a shard go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Into a new shard behind the others of its split.
    New,
    /// Behind the rows of its split's last shard.
    Tail,
}
