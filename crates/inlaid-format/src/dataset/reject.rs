//! Rejected inputs, which can't become rows, and the file that lists them.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::dataset::file_info::FileInfo;
use crate::dataset::manifest::Manifest;
use crate::dataset::names::{REJECTS, REJECTS_BEFORE};
use crate::error::{Error, Stage, counted};
use crate::format::files::Files;
use crate::format::open;

/// A rejected input: a line of `rejects.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reject {
    /// Key of the input. If the name is not UTF-8, invalid bytes are replaced.
    pub path: String,
    /// Step that failed.
    pub stage: Stage,
    /// Code of the reason, stable across releases, such as `truncated`.
    pub reason: Cow<'static, str>,
    /// Description of the failure, in words.
    pub detail: String,
}

/// The rejects as JSON Lines: one object on each line.
pub fn to_lines(rejects: &[Reject]) -> String {
    let line = |reject| serde_json::to_string(reject).expect("a reject is made of strings") + "\n";
    rejects.iter().map(line).collect()
}

/// Reads a list of rejects of a dataset, by its name. Empty if the file does not exist.
///
/// # Errors
/// If the file can't be read or is damaged.
pub fn read_rejects(files: &dyn Files, name: &str) -> Result<Vec<Reject>, Error> {
    let text = files.read(name)?;
    text.map_or_else(|| Ok(Vec::new()), |text| parse(&files.path(name), &text))
}

fn parse(path: &Path, text: &[u8]) -> Result<Vec<Reject>, Error> {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let rejects = lines.map(serde_json::from_slice).collect::<Result<_, _>>();
    rejects.map_err(|error| Error::damaged(path, error.to_string()))
}

/// The rejects of a snapshot. They are read when they are asked for, from the file that was there when the snapshot was
/// opened: a commit replaces that file, and does not change it.
#[derive(Debug)]
pub struct RejectList {
    path: PathBuf,
    count: usize,
    /// The file as the manifest describes it; none in format version 1.
    info: Option<FileInfo>,
    /// None if there are no rejects.
    file: Option<io::Result<Listed>>,
}

/// The list as it was when the snapshot was opened.
#[derive(Debug)]
enum Listed {
    File(File),
    /// All bytes of a list that is no file on a disk.
    Read(Vec<u8>),
}

impl Listed {
    fn len(&self) -> io::Result<u64> {
        match self {
            Listed::File(file) => Ok(file.metadata()?.len()),
            Listed::Read(text) => Ok(text.len() as u64),
        }
    }

    fn text(&self) -> io::Result<Cow<'_, [u8]>> {
        match self {
            Listed::Read(text) => Ok(text.into()),
            Listed::File(file) => {
                let mut text = vec![0; file.metadata()?.len() as usize];
                file.read_exact_at(&mut text, 0)?;
                Ok(text.into())
            }
        }
    }
}

impl RejectList {
    /// Opens the list of rejects of the dataset in `folder`.
    pub fn open(folder: &Path, manifest: &Manifest) -> RejectList {
        let (count, info) = (manifest.snapshot.rejects, manifest.files.get(REJECTS).cloned());
        let open = |name: &str| {
            let path = folder.join(name);
            let file = (count > 0).then(|| open::regular(&path).map(Listed::File));
            RejectList { path, count, info: info.clone(), file }
        };
        let list = open(REJECTS);
        if list.is_as_long_as_told() {
            return list;
        }
        // In the middle of a commit it is that of the next snapshot already.
        Some(open(REJECTS_BEFORE)).filter(RejectList::is_as_long_as_told).unwrap_or(list)
    }

    /// Reads the list of rejects of a dataset whose files may be elsewhere: a commit replaces it.
    ///
    /// # Errors
    /// If it can't be read.
    #[doc(hidden)]
    pub fn read_in(files: &dyn Files, manifest: &Manifest) -> Result<RejectList, Error> {
        let (count, info) = (manifest.snapshot.rejects, manifest.files.get(REJECTS).cloned());
        let list = |name: &str, text: Option<Vec<u8>>| {
            let file = text.map(Listed::Read).ok_or_else(|| io::ErrorKind::NotFound.into());
            RejectList { path: files.path(name), count, info: info.clone(), file: Some(file) }
        };
        if count == 0 {
            return Ok(RejectList { file: None, ..list(REJECTS, None) });
        }
        let now = list(REJECTS, files.read(REJECTS)?);
        if now.is_as_told() {
            return Ok(now);
        }
        let before = list(REJECTS_BEFORE, files.read(REJECTS_BEFORE)?);
        Ok(if before.is_as_told() { before } else { now })
    }

    /// Whether the list is what the manifest says, as far as it does.
    fn is_as_told(&self) -> bool {
        let (Some(Ok(list)), Some(info)) = (&self.file, &self.info) else { return self.info.is_none() };
        list.text().is_ok_and(|text| *info == FileInfo::of(&text))
    }

    /// Whether the file is as long as the manifest says, as far as it does.
    fn is_as_long_as_told(&self) -> bool {
        let (Some(file), Some(info)) = (&self.file, &self.info) else { return true };
        let length = file.as_ref().ok().and_then(|file| file.len().ok());
        length == Some(info.bytes)
    }

    /// Number of rejects, as the manifest tells it.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no rejects.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Reads the list.
    ///
    /// # Errors
    /// If the file was missing when the dataset was opened, can't be read, or is not what the manifest describes.
    pub fn read(&self) -> Result<Vec<Reject>, Error> {
        let file = match &self.file {
            None => return Ok(Vec::new()),
            Some(Ok(file)) => file,
            // An error can't be copied; its kind tells what happened.
            Some(Err(error)) => return Err(Error::io("read", &self.path)(error.kind().into())),
        };
        let text = file.text().map_err(Error::io("read", &self.path))?;
        if self.info.as_ref().is_some_and(|info| *info != FileInfo::of(&text)) {
            return Err(Error::damaged(&self.path, "its checksum does not match"));
        }
        let rejects = parse(&self.path, &text)?;
        match rejects.len() == self.count {
            true => Ok(rejects),
            false => {
                let listed = counted(rejects.len(), "input");
                Err(Error::damaged(&self.path, format!("it lists {listed} instead of {}", self.count)))
            }
        }
    }
}
