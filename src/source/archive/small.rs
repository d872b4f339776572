//! Small members of a tar that is on no disk, which are kept while its headers are read: each would be a request later.

use std::collections::HashMap;

use super::member::Entry;
use super::stop::Stop;
use super::stream::{BLOCK, LONGEST_SMALL, Store, Stream, is_named_as_image};
use super::window::Window;
use crate::error::RecordError;

/// Small members, by where they are in the tar.
#[derive(Debug)]
pub(super) struct Small {
    store: Store,
    places: HashMap<u64, u64>,
}

impl Small {
    /// Whether the member at this place was kept.
    pub(super) fn has(&self, offset: u64) -> bool {
        self.places.contains_key(&offset)
    }

    /// Appends the bytes of a member to the buffer; none if it was not kept.
    pub(super) fn read(&self, entry: &Entry, buffer: &mut Vec<u8>) -> Option<Result<(), RecordError>> {
        let place = self.places.get(&entry.offset)?;
        Some(self.store.read(*place, entry.bytes, buffer))
    }
}

/// A tar whose small members are kept while it is read.
pub(super) struct Keeping<'a> {
    window: Window<'a>,
    store: Store,
    places: HashMap<u64, u64>,
}

impl<'a> Keeping<'a> {
    pub(super) fn new(window: Window<'a>, store: Store) -> Keeping<'a> {
        Keeping { window, store, places: HashMap::new() }
    }

    pub(super) fn finish(mut self) -> Small {
        self.places.shrink_to_fit();
        Small { store: self.store, places: self.places }
    }
}

impl Stream for Keeping<'_> {
    fn position(&self) -> u64 {
        self.window.position()
    }

    fn block(&mut self, block: &mut [u8; BLOCK]) -> Result<usize, Stop> {
        self.window.block(block)
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), Stop> {
        Stream::read(&mut self.window, bytes)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Stop> {
        self.window.skip(bytes)
    }

    fn keep(&mut self, name: &[u8], bytes: u64) -> Result<u64, Stop> {
        if bytes > LONGEST_SMALL || is_named_as_image(name) || !self.store.has_room(bytes) {
            return self.window.keep(name, bytes);
        }
        let offset = self.position();
        let mut member = vec![0; bytes as usize];
        Stream::read(self, &mut member)?;
        self.places.insert(offset, self.store.add(&member)?);
        Ok(offset)
    }
}
