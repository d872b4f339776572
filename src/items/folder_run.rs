//! The files of a run in a folder, on a local or a shared file system: exclusive creation and renaming are enough.

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::error::Error;
use crate::format::disk;
use crate::format::files::{Files, Folder};
use crate::format::new_file::{DiskFile, NewFile};
use crate::items::run_files::{Attempt, RUNS, RunFiles};

/// The folders in that of a run.
const FOLDERS: [&str; 3] = ["items", "attempts", "done"];

/// The files of a run in a folder.
#[derive(Debug)]
pub(super) struct FolderRun {
    /// Folder of the dataset.
    out: PathBuf,
    name: String,
    files: Arc<dyn Files>,
}

impl FolderRun {
    pub(super) fn new(out: &Path, name: String) -> FolderRun {
        FolderRun { out: out.to_owned(), name, files: Arc::new(Folder(out.to_owned())) }
    }

    fn folder(&self) -> PathBuf {
        self.out.join(&self.name)
    }
}

impl RunFiles for FolderRun {
    fn files(&self) -> &Arc<dyn Files> {
        &self.files
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn create(&self) -> Result<(), Error> {
        for folder in FOLDERS {
            disk::create_folder(&self.folder().join(folder))?;
        }
        Ok(disk::sync_folder(&self.folder())?)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let to = self.folder().join(name);
        let from = self.folder().join("attempts").join(format!("{}-{}", name.replace('/', "-"), drawn()));
        disk::write_file(&from, bytes).map_err(|error| error.or_disk_full(bytes.len() as u64))?;
        disk::rename(&from, &to).map_err(Error::io("create", &to))?;
        Ok(disk::sync_folder(to.parent().unwrap_or(&to))?)
    }

    fn begin(&self, item: usize, shard: &str) -> Result<Box<dyn Attempt>, Error> {
        let extension = shard.rsplit('.').next().unwrap_or_default();
        let name = format!("{}/attempts/{item:06}-{}.{extension}", self.name, drawn());
        Ok(Box::new(FileAttempt { path: self.out.join(&name), name }))
    }

    fn has(&self, staged: &str, bytes: u64) -> Result<bool, Error> {
        let path = self.out.join(staged);
        match fs::metadata(&path) {
            Ok(file) => Ok(file.len() == bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io("read", path)(error)),
        }
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        Ok(disk::remove_file(&self.folder().join(name))?)
    }

    fn remove_all(&self) -> Result<(), Error> {
        /// Others may still be adding files, or have one open, whose name NFS keeps so long.
        const ATTEMPTS: usize = 10;
        const PAUSE: Duration = Duration::from_millis(20);
        let runs = self.out.join(RUNS);
        for attempt in 1.. {
            match fs::remove_dir_all(&runs) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && !runs.exists() => break,
                Err(error) if attempt == ATTEMPTS => return Err(Error::io("remove", runs)(error)),
                Err(_) => thread::sleep(PAUSE),
                Ok(()) => break,
            }
        }
        Ok(())
    }
}

/// A file of its own.
#[derive(Debug)]
struct FileAttempt {
    path: PathBuf,
    /// Its path in the folder of the dataset.
    name: String,
}

impl Attempt for FileAttempt {
    fn file(&self) -> Result<Box<dyn NewFile>, Error> {
        Ok(DiskFile::create(&self.path)?)
    }

    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    fn staged(&self) -> Result<String, Error> {
        // No record may be on disk without the name of what it names.
        disk::sync_folder(self.path.parent().unwrap_or(&self.path))?;
        Ok(self.name.clone())
    }

    fn abandon(&self) {
        // What can't be removed now is removed by the commit.
        let _ = fs::remove_file(&self.path);
    }
}

/// Digits that nobody else draws.
pub(super) fn drawn() -> String {
    // The keys of a hasher are drawn by the system, once for a process and those that are forked from it.
    format!("{:016x}-{:x}", RandomState::new().build_hasher().finish(), std::process::id())
}
