//! A folder with fetched parts of files in object stores, which all processes of a machine share.
//!
//! A part is a file that is written under another name, then renamed, and never changed. It ends with its checksum. Who
//! fetches a part holds a lock on that other file, which ends with its process. The oldest parts are unlinked when there
//! are too many bytes: whoever has mapped them goes on reading.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use arrow_buffer::MutableBuffer;
use bytes::Bytes;
use rustix::fs::{AtFlags, CWD, FlockOperation, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, flock, utimensat};

use super::input::Owned;
use super::map::map_file;
use crate::format::open;
use crate::format::shard::Checksum;

/// The folder of this layout, below that of the cache.
const LAYOUT: &str = "v1";

/// The file that who adds and removes parts holds a lock on. It holds the number of bytes of all parts, or more.
const LOCK: &str = "lock";

/// What the name of a part ends with while it is written.
const UNFINISHED: &str = ".part";

/// Length of the checksum at the end of a part: `xxh3-128:` and 32 digits.
const SEAL: usize = 41;

/// How long another process is waited for that holds a lock on all, and the pause between two looks.
const PATIENCE: Duration = Duration::from_secs(10);
pub(super) const PAUSE: Duration = Duration::from_millis(5);

/// The share of the bytes that is freed at once: to look at all parts takes time.
const FREED: u64 = 20;

/// A folder of parts.
#[derive(Debug)]
pub(super) struct CacheFolder {
    folder: PathBuf,
    /// Maximum number of bytes.
    pub(super) most: u64,
}

/// A part that this process writes.
pub(super) struct NewPart {
    file: File,
    unfinished: PathBuf,
}

/// A part, and the number of its file.
pub(super) struct Found {
    pub(super) bytes: Bytes,
    pub(super) inode: u64,
    pub(super) is_mapped: bool,
}

impl CacheFolder {
    pub(super) fn new(folder: PathBuf, most: u64) -> CacheFolder {
        CacheFolder { folder, most }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(LAYOUT).join(name.get(..2).unwrap_or("00")).join(name)
    }

    /// The bytes of a part after its padding; none if it is not there. One that is not what it was is removed, unless its
    /// file has the number `known`, and was looked at before.
    pub(super) fn find(&self, name: &str, pad: usize, length: usize, known: Option<u64>) -> Option<Found> {
        let path = self.path(name);
        let file = open::regular(&path).ok()?;
        let metadata = file.metadata().ok()?;
        let whole = pad + length + SEAL;
        let all = (metadata.len() == whole as u64).then(|| match map_file(&file, &path) {
            Ok(map) => Some((map, true)),
            // A process can have some ten thousand maps only.
            Err(_) => {
                let mut copy = MutableBuffer::from_len_zeroed(whole);
                file.read_exact_at(&mut copy, 0).ok()?;
                Some((Bytes::from_owner(Owned(copy.into())), false))
            }
        });
        let inode = metadata.ino();
        if let Some((all, is_mapped)) = all.flatten() {
            let bytes = all.slice(pad..pad + length);
            if known == Some(inode) || Checksum::of(&bytes).to_string().as_bytes() == &all[pad + length..] {
                return Some(Found { bytes, inode, is_mapped });
            }
        }
        let _ = fs::remove_file(&path);
        None
    }

    /// Whether a part is there. It counts as used now.
    pub(super) fn touch(&self, name: &str) -> bool {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        };
        utimensat(CWD, self.path(name), &times, AtFlags::empty()).is_ok()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Begins to write a part; none if somebody else writes it.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub(super) fn begin(&self, name: &str) -> io::Result<Option<NewPart>> {
        let mut unfinished = self.path(name).into_os_string();
        unfinished.push(UNFINISHED);
        let unfinished = PathBuf::from(unfinished);
        if let Some(above) = unfinished.parent() {
            create_folder(above)?;
        }
        loop {
            let file = File::options().read(true).write(true).create(true).truncate(false).open(&unfinished)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                locked => locked?,
            }
            // It may have been renamed before it was locked.
            let there = fs::metadata(&unfinished).map(|there| there.ino()).ok();
            if there == Some(file.metadata()?.ino()) {
                return Ok(Some(NewPart { file, unfinished }));
            }
        }
    }

    /// Writes a part, for which room is made before.
    ///
    /// # Errors
    /// If it can't be written. It is not there then.
    pub(super) fn finish(&self, part: &NewPart, name: &str, pad: usize, bytes: &[u8]) -> io::Result<()> {
        self.make_room(part, (pad + bytes.len() + SEAL) as u64)?;
        part.file.write_all_at(&vec![0; pad], 0)?;
        part.file.write_all_at(bytes, pad as u64)?;
        part.file.write_all_at(Checksum::of(bytes).to_string().as_bytes(), (pad + bytes.len()) as u64)?;
        fs::rename(&part.unfinished, self.path(name))
    }

    /// Gives a part its length, and removes the parts that were used longest ago until there is room for it.
    fn make_room(&self, part: &NewPart, bytes: u64) -> io::Result<()> {
        let path = self.folder.join(LOCK);
        let lock = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let begin = Instant::now();
        while let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK || begin.elapsed() > PATIENCE {
                return Err(error.into());
            }
            thread::sleep(PAUSE);
        }
        let _locked = Locked(&lock);
        part.file.set_len(0)?;
        let mut text = [0; 20];
        let known = lock.read_exact_at(&mut text, 0).ok().and_then(|()| str::from_utf8(&text).ok()?.parse().ok());
        let used = match known {
            Some(used) if bytes.saturating_add(used) <= self.most => used,
            _ => self.shrunk(bytes)?,
        };
        // Counted by others from here on.
        part.file.set_len(bytes)?;
        lock.write_all_at(format!("{:020}", used.saturating_add(bytes)).as_bytes(), 0)
    }

    /// Removes the oldest parts, if there are too many bytes, and counts those of the others.
    fn shrunk(&self, bytes: u64) -> io::Result<u64> {
        let (mut parts, mut used) = (Vec::new(), 0_u64);
        for folder in fs::read_dir(self.folder.join(LAYOUT))? {
            let Ok(files) = fs::read_dir(folder?.path()) else { continue };
            for file in files {
                let path = file?.path();
                // Another process may have removed or renamed it.
                let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
                if !metadata.is_file() {
                    continue;
                }
                let is_unfinished = path.as_os_str().as_encoded_bytes().ends_with(UNFINISHED.as_bytes());
                if is_unfinished && removed_if_abandoned(&path) {
                    continue;
                }
                used += metadata.len();
                if !is_unfinished {
                    parts.push((metadata.modified().ok(), metadata.len(), path));
                }
            }
        }
        if used.saturating_add(bytes) > self.most {
            parts.sort();
            let target = self.most.saturating_sub(bytes.max(self.most / FREED));
            for (_, length, path) in parts {
                if used <= target {
                    break;
                }
                if fs::remove_file(path).is_ok() {
                    used -= length;
                }
            }
        }
        Ok(used)
    }
}

impl Drop for NewPart {
    fn drop(&mut self) {
        // While it is locked: nobody else has begun it. Closing alone would not unlock what a fork has open.
        if fs::metadata(&self.unfinished)
            .is_ok_and(|there| self.file.metadata().is_ok_and(|own| own.ino() == there.ino()))
        {
            let _ = fs::remove_file(&self.unfinished);
        }
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

struct Locked<'f>(&'f File);

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let _ = flock(self.0, FlockOperation::Unlock);
    }
}

/// Removes an unfinished part that nobody writes any more.
fn removed_if_abandoned(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return false;
    }
    // Whoever has opened it since finds that it is gone, and begins another one.
    let is_removed = fs::remove_file(path).is_ok();
    let _ = flock(&file, FlockOperation::Unlock);
    is_removed
}

/// Creates a folder that only its owner reads.
fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}
