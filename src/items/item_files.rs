//! Files of items: items one after the other, then where each begins and the last ends, as 8 bytes each.

use crate::error::Error;
use crate::format::files::Files;
use crate::items::run_files::RunFiles;

/// Bytes at which a file is full.
const FULL: usize = 8 << 20;

/// Files of items, while they are written.
#[derive(Debug)]
pub(crate) struct ItemFiles<'a> {
    run: &'a dyn RunFiles,
    /// First item of every file.
    firsts: Vec<usize>,
    bytes: Vec<u8>,
    /// Where the items of the file begin.
    starts: Vec<u64>,
    items: usize,
}

impl<'a> ItemFiles<'a> {
    pub(crate) fn new(run: &'a dyn RunFiles) -> ItemFiles<'a> {
        ItemFiles { run, firsts: Vec::new(), bytes: Vec::new(), starts: Vec::new(), items: 0 }
    }

    /// Adds the bytes of the next item.
    ///
    /// # Errors
    /// If a file can't be written.
    pub(crate) fn add(&mut self, item: &[u8]) -> Result<(), Error> {
        if self.starts.is_empty() {
            self.firsts.push(self.items);
        }
        self.starts.push(self.bytes.len() as u64);
        self.bytes.extend_from_slice(item);
        self.items += 1;
        if self.bytes.len() >= FULL { self.write() } else { Ok(()) }
    }

    /// Writes the last file. Returns the first item of every file.
    ///
    /// # Errors
    /// If it can't be written.
    pub(crate) fn finish(mut self) -> Result<Vec<usize>, Error> {
        if !self.starts.is_empty() {
            self.write()?;
        }
        Ok(self.firsts)
    }

    fn write(&mut self) -> Result<(), Error> {
        let end = self.bytes.len() as u64;
        for place in self.starts.drain(..).chain([end]) {
            self.bytes.extend_from_slice(&place.to_le_bytes());
        }
        self.run.put(&name(self.firsts.len() - 1), &self.bytes)?;
        self.bytes.clear();
        Ok(())
    }
}

/// The bytes of an item of a run whose files are below `folder`. `firsts` are the first items of every file, and `items`
/// is the number of all.
///
/// # Errors
/// If they can't be read.
pub(super) fn read(
    files: &dyn Files,
    folder: &str,
    firsts: &[usize],
    items: usize,
    item: usize,
) -> Result<Vec<u8>, Error> {
    let number = firsts.partition_point(|first| *first <= item).saturating_sub(1);
    let end = firsts.get(number + 1).copied().unwrap_or(items);
    let first = firsts.get(number).copied().unwrap_or(0);
    let (count, place) = ((end - first) as u64, (item - first) as u64);
    let name = format!("{folder}/{}", name(number));
    let stored = files.open(&name)?;
    let unread = |error| Error::io("read", files.path(&name))(error);
    let damaged = || Error::damaged(&files.path(&name), "it is no file of items");
    let table = stored.len().checked_sub((count + 1) * 8).ok_or_else(damaged)?;
    let mut ends = [0; 16];
    stored.read_at(table + place * 8, &mut ends).map_err(unread)?;
    let (start, end) = ends.split_at(8);
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    let (start, end) = (number(start), number(end));
    if start > end || end > table {
        return Err(damaged());
    }
    stored.bytes(start..end).map(Vec::from).map_err(unread)
}

fn name(file: usize) -> String {
    format!("items/{file:05}.items")
}
