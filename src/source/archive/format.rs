//! The format of an archive, recognized by its content.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;

use super::stream::BLOCK;
use super::tar_members::is_header;
use crate::format::ranges::{Rest, Stored};

/// Bytes read from a compressed file at once.
const CHUNK: usize = 256 << 10;

/// Format of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) enum Format {
    /// A plain tar.
    Tar,
    /// A tar compressed by gzip.
    Gzip,
    /// A tar compressed by Zstandard.
    Zstd,
    /// A zip.
    Zip,
}

impl Format {
    /// The format of a file that begins like this; none if it is no archive. Reads more of the file if it is compressed.
    pub(super) fn of(head: &[u8], path: &Path, open: impl FnOnce() -> io::Result<Stored>) -> Option<Format> {
        match head {
            // The others are an empty zip, and one that was to be split.
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] | [b'P', b'K', 7, 8, ..] => Some(Format::Zip),
            [0x1f, 0x8b, 8, ..] => Format::Gzip.if_tar(path, open),
            // The second are frames to skip, which pzstd begins with.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Format::Zstd.if_tar(path, open),
            _ => is_tar(head, path).then_some(Format::Tar),
        }
    }

    /// The format, if the file is a tar below the compression.
    fn if_tar(self, path: &Path, open: impl FnOnce() -> io::Result<Stored>) -> Option<Format> {
        let file = open().ok()?.front_to_back();
        let mut head = Vec::new();
        let read = self.unpack(file.from(0)).ok()?.take(BLOCK as u64).read_to_end(&mut head);
        (read.is_ok() && is_tar(&head, path)).then_some(self)
    }

    /// The bytes of a file without its compression.
    pub(super) fn unpack(self, file: Rest) -> io::Result<Box<dyn Read>> {
        let file = BufReader::with_capacity(CHUNK, file);
        Ok(match self {
            Format::Gzip => Box::new(Gzip::new(file)),
            // A window of more than 128 MiB is an error, which bounds memory.
            Format::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
            Format::Tar | Format::Zip => Box::new(file),
        })
    }
}

/// Whether a file begins like a tar: with a header, or with the zeros of an empty one.
fn is_tar(head: &[u8], path: &Path) -> bool {
    let Some(block) = head.first_chunk::<BLOCK>() else { return false };
    is_header(block) || block.iter().all(|byte| *byte == 0) && is_named_as_tar(path)
}

fn is_named_as_tar(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.zstd", ".tzst"].iter().any(|end| name.ends_with(end))
}

/// All members of a gzip file, as pigz and bgzip write them, up to zeros that fill up a tape.
struct Gzip {
    /// None at the end.
    member: Option<GzDecoder<BufReader<Rest>>>,
}

impl Gzip {
    fn new(file: BufReader<Rest>) -> Gzip {
        Gzip { member: Some(GzDecoder::new(file)) }
    }
}

impl Read for Gzip {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            if let Some(ended) = self.member.take() {
                let mut file = ended.into_inner();
                self.member = skip_zeros(&mut file)?.then(|| GzDecoder::new(file));
            }
        }
        Ok(0)
    }
}

/// Goes past zeros; returns whether anything follows.
fn skip_zeros(file: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(false);
        }
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let is_all = zeros == bytes.len();
        file.consume(zeros);
        if !is_all {
            return Ok(true);
        }
    }
}
