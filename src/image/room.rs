//! The memory that a thread holds for its images: none while they are small.

use std::sync::Arc;

use super::decode::Claim;
use crate::error::RecordError;
use crate::run::{Memory, SMALL, Share};

/// The memory that a thread holds for the buffers of its images.
#[derive(Debug)]
pub(crate) struct Room {
    memory: Arc<Memory>,
    share: Option<Share>,
    /// Memory that the last image needs, if it was not left at that moment.
    missing: Option<u64>,
}

impl Room {
    pub(crate) fn new(memory: &Arc<Memory>) -> Room {
        Room { memory: memory.clone(), share: None, missing: None }
    }

    /// Makes room for an image, whose file holds `of_file` bytes.
    ///
    /// # Errors
    /// If there is none at the moment, in which case [`Self::missing`] says how much is needed, or if there can't ever
    /// be enough.
    pub(crate) fn admit(&mut self, claim: Claim, of_file: u64) -> Result<(), RecordError> {
        if claim.with_kept <= SMALL {
            return Ok(());
        }
        let total = claim.fresh.saturating_add(of_file);
        self.memory.check(total)?;
        let fits = match &mut self.share {
            Some(share) => share.try_grow(claim.with_kept),
            None => {
                self.share = self.memory.try_take(claim.with_kept);
                self.share.is_some()
            }
        };
        if fits {
            return Ok(());
        }
        self.missing = Some(claim.fresh);
        Err(RecordError::Memory { bytes: total, limit: u64::MAX })
    }

    /// Memory that the image needs that was just refused, if only because others hold it.
    pub(crate) fn missing(&mut self) -> Option<u64> {
        self.missing.take()
    }

    /// Waits for room for an image, and returns the part for its file. The thread must hold no memory.
    pub(crate) fn wait(&mut self, bytes: u64, of_file: u64) -> Share {
        let (file, image) = self.memory.take(bytes + of_file).split(of_file);
        self.share = Some(image);
        file
    }

    /// Whether the thread holds memory.
    pub(crate) fn is_held(&self) -> bool {
        self.share.is_some()
    }

    /// Whether another thread waits for memory that this one holds.
    pub(crate) fn is_wanted(&self) -> bool {
        self.is_held() && self.memory.is_awaited()
    }

    /// Gives back what the thread holds. Its buffers must be gone.
    pub(crate) fn leave(&mut self) {
        self.share = None;
    }
}
