//! Files of items: items one after the other; then for each where it begins, as 8 bytes, and its checksum, as 16; then
//! where the last one ends.

use twox_hash::XxHash3_128;

use crate::error::Error;
use crate::format::files::Files;
use crate::items::header::Header;
use crate::items::run_files::RunFiles;

/// Bytes at which a file is full.
const FULL: usize = 8 << 20;

/// Bytes that tell of an item.
const ENTRY: u64 = 24;

/// Files of items, while they are written.
#[derive(Debug)]
pub(crate) struct ItemFiles<'a> {
    run: &'a dyn RunFiles,
    fingerprint: &'a str,
    /// First item of every file.
    firsts: Vec<usize>,
    bytes: Vec<u8>,
    /// Where the items of the file begin, and their checksums.
    entries: Vec<(u64, u128)>,
    items: usize,
}

impl<'a> ItemFiles<'a> {
    pub(crate) fn new(run: &'a dyn RunFiles, fingerprint: &'a str) -> ItemFiles<'a> {
        ItemFiles { run, fingerprint, firsts: Vec::new(), bytes: Vec::new(), entries: Vec::new(), items: 0 }
    }

    /// Adds the bytes of the next item.
    ///
    /// # Errors
    /// If a file can't be written.
    pub(crate) fn add(&mut self, item: &[u8]) -> Result<(), Error> {
        if self.entries.is_empty() {
            self.firsts.push(self.items);
        }
        self.entries.push((self.bytes.len() as u64, XxHash3_128::oneshot(item)));
        self.bytes.extend_from_slice(item);
        self.items += 1;
        if self.bytes.len() >= FULL { self.write() } else { Ok(()) }
    }

    /// Writes the last file. Returns the first item of every file.
    ///
    /// # Errors
    /// If it can't be written.
    pub(crate) fn finish(mut self) -> Result<Vec<usize>, Error> {
        if !self.entries.is_empty() {
            self.write()?;
        }
        Ok(self.firsts)
    }

    fn write(&mut self) -> Result<(), Error> {
        let end = self.bytes.len() as u64;
        for (start, checksum) in self.entries.drain(..) {
            self.bytes.extend_from_slice(&start.to_le_bytes());
            self.bytes.extend_from_slice(&checksum.to_le_bytes());
        }
        self.bytes.extend_from_slice(&end.to_le_bytes());
        self.run.put(&name(self.firsts.len() - 1, self.fingerprint), &self.bytes)?;
        self.bytes.clear();
        Ok(())
    }
}

/// The bytes of an item of a run whose files are below `folder`.
///
/// # Errors
/// If they can't be read, or are damaged.
pub(super) fn read(files: &dyn Files, folder: &str, header: &Header, item: usize) -> Result<Vec<u8>, Error> {
    let Header { files: firsts, items, fingerprint, .. } = header;
    let number = firsts.partition_point(|first| *first <= item).saturating_sub(1);
    let first = firsts.get(number).copied().unwrap_or(0);
    let end = firsts.get(number + 1).copied().unwrap_or(*items);
    let (count, place) = (end.saturating_sub(first) as u64, (item - first) as u64);
    let name = format!("{folder}/{}", name(number, fingerprint));
    let stored = files.open(&name)?;
    let unread = |error| Error::io("read", files.path(&name))(error);
    let damaged = || Error::damaged(&files.path(&name), format!("item {item} is not what was planned"));
    let length = count.checked_mul(ENTRY).and_then(|bytes| bytes.checked_add(8)).ok_or_else(damaged)?;
    let table = stored.len().checked_sub(length).ok_or_else(damaged)?;
    let mut entry = [0; ENTRY as usize + 8];
    stored.read_at(table + place * ENTRY, &mut entry).map_err(unread)?;
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    let (start, end) = (number(&entry[..8]), number(&entry[24..]));
    if start > end || end > table {
        return Err(damaged());
    }
    let bytes = stored.bytes(start..end).map(Vec::from).map_err(unread)?;
    match XxHash3_128::oneshot(&bytes).to_le_bytes() == entry[8..24] {
        true => Ok(bytes),
        false => Err(damaged()),
    }
}

fn name(file: usize, fingerprint: &str) -> String {
    format!("items/{file:05}-{fingerprint}.items")
}
