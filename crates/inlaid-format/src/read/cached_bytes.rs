//! The bytes of a file in an object store, of which parts are kept on this machine. They are those that the file had when
//! it was opened, or an error: parts of shards are checked, and other files are read in the version that was opened.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;

use super::per_process::PerProcess;
use super::store_cache::StoreCache;
use super::units::{Unit, Units, digits};
use crate::error::{Error, counted};
use crate::format::files::Files;
use crate::format::ranges::{Ranges, Stored};
use crate::format::shard::{Checksum, Footer, ShardInfo, StoredRowGroup, row_groups_of};
use crate::spec::Format;

/// Bytes at the end that a file is recognized by.
const END: u64 = 64 << 10;

/// Parts that are asked for together.
const TOGETHER: usize = 32;

/// The numbers of files in this process.
static FILES: AtomicU64 = AtomicU64::new(0);

/// The bytes of a file in an object store.
pub(super) struct CachedBytes {
    files: Arc<dyn Files>,
    name: String,
    pub(super) path: PathBuf,
    length: u64,
    number: u64,
    cache: Arc<StoreCache>,
    /// The object as it was opened in this process.
    object: PerProcess<Option<Arc<dyn Ranges>>>,
    /// Its version, if what is read is not checked.
    version: OnceLock<Option<String>>,
    units: OnceLock<Units>,
    /// Ranges that were read while the file was opened, by their beginning.
    opened: Mutex<BTreeMap<u64, Bytes>>,
    /// What of that is read again.
    remembered: OnceLock<BTreeMap<u64, Bytes>>,
    /// Why the last range could not be read.
    failure: PerProcess<Option<Arc<io::Error>>>,
}

/// What is to be opened of a file.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'s> {
    /// A shard that a manifest describes.
    Shard(&'s ShardInfo, Format),
    /// The first bytes, which are all of a file as it was.
    Beginning(u64),
    All,
}

impl CachedBytes {
    /// Opens a file that is not on a disk.
    ///
    /// # Errors
    /// If it can't be read, or is not the shard that it should be.
    pub(super) fn open(
        files: &Arc<dyn Files>,
        name: &str,
        stored: Stored,
        wanted: Wanted<'_>,
        cache: &Arc<StoreCache>,
    ) -> Result<Arc<CachedBytes>, Error> {
        let path = files.path(name);
        let Stored::Elsewhere(object) = stored else {
            return Err(Error::io("read", &path)(io::ErrorKind::Unsupported.into()));
        };
        let length = match wanted {
            Wanted::Shard(shard, _) => shard.bytes,
            Wanted::Beginning(length) => length,
            Wanted::All => object.len(),
        };
        if object.len() < length {
            let bytes = counted(object.len() as usize, "byte");
            return Err(Error::damaged(&path, format!("it has {bytes} instead of {length}")));
        }
        let version = object.version();
        let file = CachedBytes {
            files: files.clone(),
            name: name.to_owned(),
            length,
            number: FILES.fetch_add(1, Ordering::Relaxed),
            cache: cache.clone(),
            object: PerProcess::here(Some(object)),
            version: OnceLock::new(),
            units: OnceLock::new(),
            opened: Mutex::default(),
            remembered: OnceLock::new(),
            failure: PerProcess::default(),
            path,
        };
        let file = Arc::new(file);
        let stored = Stored::Elsewhere(file.clone());
        file.read(file.end()..length).map_err(|error| file.unread(error))?;
        let row_groups = match wanted {
            Wanted::Shard(shard, format) => {
                let footer = Footer::of_stored(&file.path, stored, shard, format);
                Some(footer.map_err(|error| file.blamed(error))?.row_groups().to_vec())
            }
            Wanted::All | Wanted::Beginning(_) if length > 0 => file.row_groups(&stored)?,
            _ => None,
        };
        let units = row_groups.and_then(|groups| Units::of_shard(&groups, length));
        match units {
            Some(units) => drop(file.units.set(units)),
            None => drop(file.version.set(version)),
        }
        Ok(file)
    }

    /// The row groups, if the file is a shard.
    fn row_groups(&self, stored: &Stored) -> Result<Option<Vec<StoredRowGroup>>, Error> {
        let begin = self.read(0..self.length.min(6)).map_err(|error| self.unread(error))?;
        let format = if begin.starts_with(b"ARROW1") { Format::Arrow } else { Format::Parquet };
        let found = row_groups_of(stored, format);
        match (found, self.last_failure()) {
            (None, Some(error)) => Err(self.unread(error)),
            (found, _) => Ok(found),
        }
    }

    /// Says what the units of a file without checksums are, and forgets what was needed only to open it.
    pub(super) fn is_open(&self, chunks: impl FnOnce() -> Vec<Range<u64>>) {
        let version = self.version.get().cloned().flatten();
        self.units.get_or_init(|| Units::of_chunks(chunks(), version.as_deref()));
        let mut opened = std::mem::take(&mut *self.opened.lock().unwrap_or_else(PoisonError::into_inner));
        opened.retain(|start, _| *start == 0 || *start == self.end());
        let _ = self.remembered.set(opened);
    }

    /// Where the last bytes begin, which a file is recognized by.
    fn end(&self) -> u64 {
        self.length.saturating_sub(END)
    }

    /// Digits that files of other names don't have.
    pub(super) fn digits(&self) -> String {
        digits(Checksum::of(self.path.as_os_str().as_encoded_bytes()))
    }

    pub(super) fn unit(&self, number: usize) -> Option<&Unit> {
        self.units.get()?.all.get(number)
    }

    /// Begins to fetch these ranges, and returns how many bytes that are.
    pub(super) fn begin(self: &Arc<Self>, ranges: &[Range<u64>]) -> u64 {
        let Some(units) = self.units.get() else { return 0 };
        let numbers = ranges.iter().filter(|range| !range.is_empty()).flat_map(|range| units.of_range(range));
        let begun = numbers.filter(|number| self.cache.begin((self.number, *number), self));
        begun.map(|number| units.all[number].len()).sum()
    }

    /// Fetches the units that hold a range, unless they are kept.
    pub(super) fn load(&self, range: &Range<u64>) -> io::Result<()> {
        let Some(units) = self.units.get() else { return Ok(()) };
        for number in units.of_range(range) {
            self.cache.get((self.number, number), self, &units.all[number])?;
        }
        Ok(())
    }

    pub(super) fn cache(&self) -> &Arc<StoreCache> {
        &self.cache
    }

    /// Everything of a row group at this place except its tensors; none of other files.
    pub(super) fn without_tensors(&self, row_group: &Range<u64>) -> Option<Vec<Range<u64>>> {
        let columns = self.unit(0).filter(|unit| unit.called.is_none() && !unit.checks.is_empty())?;
        let within = |part: &&Range<u64>| row_group.start <= part.start && part.end <= row_group.end;
        Some(columns.parts.iter().filter(within).cloned().collect())
    }

    /// The error of a step, or why a range that it needed could not be read.
    pub(super) fn blamed(&self, error: Error) -> Error {
        match (&error, self.last_failure()) {
            (Error::Damaged { .. }, Some(failure)) => self.unread(failure),
            _ => error,
        }
    }

    fn last_failure(&self) -> Option<io::Error> {
        let failure = self.failure.with(|failure| failure.clone())?;
        Some(io::Error::new(failure.kind(), Failure(failure)))
    }

    /// The error of a range that can't be read.
    pub(super) fn unread(&self, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Error::damaged(&self.path, error.to_string()),
            _ => Error::io("read", &self.path)(error),
        }
    }

    /// Fetches a unit, and checks it.
    pub(super) fn fetch(&self, unit: &Unit) -> io::Result<Bytes> {
        let fetched = self.fetch_checked(unit);
        self.failure.with(|failure| *failure = None);
        fetched.map_err(|error| {
            let kind = error.kind();
            let shared = Arc::new(error);
            self.failure.with(|failure| *failure = Some(shared.clone()));
            io::Error::new(kind, Failure(shared))
        })
    }

    fn fetch_checked(&self, unit: &Unit) -> io::Result<Bytes> {
        let bytes = self.with_object(|object| {
            if let [part] = &unit.parts[..] {
                return object.read(part.clone());
            }
            let mut bytes = Vec::with_capacity(usize::try_from(unit.len()).unwrap_or(0));
            for parts in unit.parts.chunks(TOGETHER) {
                object.will_need(parts);
                for part in parts.iter().filter(|part| !part.is_empty()) {
                    bytes.extend_from_slice(&object.read(part.clone())?);
                }
            }
            Ok(bytes.into())
        })?;
        let mut rest = &bytes[..];
        for (number, (length, checksum)) in unit.checks.iter().enumerate() {
            let (stretch, later) = rest.split_at_checked(*length as usize).ok_or(io::ErrorKind::UnexpectedEof)?;
            if Checksum::of(stretch) != *checksum {
                let called = unit.called.clone().unwrap_or_else(|| format!("row group {number}"));
                let text = format!("{called} does not match its checksum");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            rest = later;
        }
        Ok(bytes)
    }

    /// Reads from the object. One that was replaced is opened again, if what is read is checked: it may be a longer one,
    /// which begins with all that there was.
    fn with_object<T>(&self, read: impl Fn(&dyn Ranges) -> io::Result<T>) -> io::Result<T> {
        /// Appends that may come between opening an object and reading it.
        const TIMES: usize = 3;
        let mut object = self.object.with(|object| object.clone());
        for _ in 0..TIMES {
            let opened = match object {
                Some(opened) => opened,
                None => {
                    let opened = self.reopened()?;
                    self.object.with(|object| *object = Some(opened.clone()));
                    opened
                }
            };
            match read(&*opened) {
                Err(error) if error.kind() == io::ErrorKind::StaleNetworkFileHandle && self.version.get().is_none() => {
                    self.object.with(|object| *object = None);
                    object = None;
                }
                result => return result,
            }
        }
        read(&*self.reopened()?)
    }

    fn reopened(&self) -> io::Result<Arc<dyn Ranges>> {
        let stored = self.files.open(&self.name).map_err(|error| match error {
            Error::Io { source, .. } => source,
            error => io::Error::other(error),
        })?;
        match stored {
            Stored::Elsewhere(object) if object.len() >= self.length => match self.version.get() {
                Some(version) if object.version() != *version => {
                    Err(io::Error::new(io::ErrorKind::StaleNetworkFileHandle, "it has changed since it was opened"))
                }
                _ => Ok(object),
            },
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "it is shorter than when it was opened")),
        }
    }

    /// Reads a range that no unit holds.
    fn read_object(&self, range: Range<u64>) -> io::Result<Bytes> {
        self.with_object(|object| object.read(range.clone()))
    }

    /// Reads a range while the file is being opened.
    fn read_opening(&self, range: Range<u64>) -> io::Result<Bytes> {
        let opened = || self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = within(&opened(), &range) {
            return Ok(bytes);
        }
        let read = self.read_object(range.clone());
        match read {
            Ok(bytes) => {
                opened().insert(range.start, bytes.clone());
                Ok(bytes)
            }
            Err(error) => {
                let (kind, shared) = (error.kind(), Arc::new(error));
                self.failure.with(|failure| *failure = Some(shared.clone()));
                Err(io::Error::new(kind, Failure(shared)))
            }
        }
    }
}

impl Drop for CachedBytes {
    fn drop(&mut self) {
        self.cache.forget(self.number);
    }
}

/// A range of ranges by their beginning, if one of them holds it.
fn within(held: &BTreeMap<u64, Bytes>, range: &Range<u64>) -> Option<Bytes> {
    let (start, bytes) = held.range(..=range.start).next_back()?;
    let at = usize::try_from(range.start - start).ok()?;
    let end = at.checked_add(usize::try_from(range.end - range.start).ok()?)?;
    (end <= bytes.len()).then(|| bytes.slice(at..end))
}

impl Ranges for CachedBytes {
    fn len(&self) -> u64 {
        self.length
    }

    fn part_end(&self, at: u64) -> u64 {
        self.units.get().and_then(|units| units.end_of(at)).unwrap_or(self.length)
    }

    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let Some(remembered) = self.remembered.get() else { return self.read_opening(range) };
        let Some(units) = self.units.get() else { return self.read_object(range) };
        let of_unit = |(number, at): (usize, u64), length: u64| {
            let bytes = self.cache.get((self.number, number), self, &units.all[number])?;
            Ok::<_, io::Error>(bytes.slice(at as usize..(at + length) as usize))
        };
        if let Some(place) = units.find(&range) {
            return of_unit(place, range.end - range.start);
        }
        // What is recognized, or is of no unit. Bytes of units are only read from them, where they are checked.
        if (range == (self.end()..self.length) || units.of_range(&range).is_empty())
            && let Some(bytes) = within(remembered, &range)
        {
            return Ok(bytes);
        }
        let (mut all, mut rest) = (Vec::new(), range);
        while !rest.is_empty() {
            let (here, place) = units.split(&rest);
            rest.start = here.end;
            all.extend_from_slice(&match place {
                Some(place) => of_unit(place, here.end - here.start)?,
                None => self.read_object(here)?,
            });
        }
        Ok(all.into())
    }
}

/// An error that several readers get.
#[derive(Debug)]
struct Failure(Arc<io::Error>);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

impl fmt::Debug for CachedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedBytes").field("path", &self.path).field("length", &self.length).finish_non_exhaustive()
    }
}
