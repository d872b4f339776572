//! The step that an input failed at.

/// The step that an input failed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Listing the source.
    Discover,
    /// Reading the file and turning it into pixels.
    Decode,
    /// Scaling the pixels.
    Resize,
}

impl Stage {
    /// Its word in a list of rejects.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Discover => "discover",
            Stage::Decode => "decode",
            Stage::Resize => "resize",
        }
    }
}
