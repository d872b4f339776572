//! Reads input files, some at a time, so that they can be hashed side by side.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::error::RecordError;
use crate::format::sha256::Sha256;
use crate::source::hash_lanes::hash_each;
use crate::spec::Limits;

/// Files are read until they have this many bytes together: enough for eight photos, and little
/// beside a row group.
const TOGETHER: usize = 8 << 20;

/// Files that lie in memory together, one behind the other: so the buffer grows to the most that files
/// take together, not to as many times the longest.
#[derive(Debug, Default)]
pub(crate) struct Files {
    buffer: Vec<u8>,
    ranges: Vec<Range<usize>>,
}

impl Files {
    /// Reads the first of the files, as many as go together but at least one, and says for each
    /// whether it was read, with its digest.
    pub(crate) fn read(&mut self, paths: &[PathBuf], limits: &Limits) -> Vec<Result<Sha256, RecordError>> {
        self.buffer.clear();
        self.ranges.clear();
        let mut outcomes = Vec::with_capacity(paths.len());
        for path in paths {
            let start = self.buffer.len();
            outcomes.push(read_file(path, limits, &mut self.buffer));
            self.ranges.push(start..self.buffer.len());
            if self.buffer.len() >= TOGETHER {
                break;
            }
        }
        let readable = (0..outcomes.len()).filter(|&number| outcomes[number].is_ok());
        let messages: Vec<&[u8]> = readable.map(|number| self.bytes(number)).collect();
        let mut digests = hash_each(&messages).into_iter();
        let mut digest = |()| digests.next().expect("every file that was read is hashed");
        outcomes.into_iter().map(|outcome| outcome.map(&mut digest)).collect()
    }

    /// The bytes of a file that was read last, by its place among them.
    pub(crate) fn bytes(&self, number: usize) -> &[u8] {
        &self.buffer[self.ranges[number].clone()]
    }
}

/// Adds the bytes of a file to the buffer.
fn read_file(path: &Path, limits: &Limits, buffer: &mut Vec<u8>) -> Result<(), RecordError> {
    let limit = limits.file_bytes.0;
    let file = File::open(path).map_err(RecordError::Unreadable)?;
    let bytes = file.metadata().map_err(RecordError::Unreadable)?.len();
    if bytes > limit {
        return Err(RecordError::FileTooLarge { bytes, limit });
    }
    let start = buffer.len();
    buffer.reserve_exact(bytes as usize + 1);
    // One byte more than allowed shows a file that has grown since.
    file.take(limit.saturating_add(1)).read_to_end(buffer).map_err(RecordError::Unreadable)?;
    match (buffer.len() - start) as u64 {
        0 => Err(RecordError::Empty),
        bytes if bytes > limit => Err(RecordError::FileTooLarge { bytes, limit }),
        _ => Ok(()),
    }
}
