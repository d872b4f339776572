//! Reads input files, some at a time, so that they can be hashed side by side.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::RecordError;
use crate::sha256::Sha256;
use crate::spec::Limits;

/// Files are read until they have this many bytes together: enough for eight photos, and little
/// beside a row group.
const TOGETHER: usize = 8 << 20;

/// Buffers for files that lie in memory together.
#[derive(Debug, Default)]
pub(crate) struct Files {
    buffers: Vec<Vec<u8>>,
}

impl Files {
    /// Reads the first of the files, as many as go together but at least one, and says for each
    /// whether it was read, with its digest.
    pub(crate) fn read(&mut self, paths: &[PathBuf], limits: &Limits) -> Vec<Result<Sha256, RecordError>> {
        self.buffers.resize_with(self.buffers.len().max(paths.len()), Vec::new);
        let (mut outcomes, mut total) = (Vec::with_capacity(paths.len()), 0);
        for (path, buffer) in paths.iter().zip(&mut self.buffers) {
            outcomes.push(read_file(path, limits, buffer));
            total += buffer.len();
            if total >= TOGETHER {
                break;
            }
        }
        let readable = outcomes.iter().zip(&self.buffers).filter(|(outcome, _)| outcome.is_ok());
        let messages: Vec<&[u8]> = readable.map(|(_, buffer)| buffer.as_slice()).collect();
        let mut digests = Sha256::of_each(&messages).into_iter();
        let mut digest = |()| digests.next().expect("every file that was read is hashed");
        outcomes.into_iter().map(|outcome| outcome.map(&mut digest)).collect()
    }

    /// The bytes of a file that was read last, by its place among them.
    pub(crate) fn bytes(&self, number: usize) -> &[u8] {
        &self.buffers[number]
    }
}

fn read_file(path: &Path, limits: &Limits, buffer: &mut Vec<u8>) -> Result<(), RecordError> {
    buffer.clear();
    let limit = limits.file_bytes.0;
    let file = File::open(path).map_err(RecordError::Unreadable)?;
    let bytes = file.metadata().map_err(RecordError::Unreadable)?.len();
    if bytes > limit {
        return Err(RecordError::FileTooLarge { bytes, limit });
    }
    buffer.reserve(bytes as usize + 1);
    // One byte more than allowed shows a file that has grown since.
    file.take(limit + 1).read_to_end(buffer).map_err(RecordError::Unreadable)?;
    match buffer.len() as u64 {
        0 => Err(RecordError::Empty),
        bytes if bytes > limit => Err(RecordError::FileTooLarge { bytes, limit }),
        _ => Ok(()),
    }
}
