//! The arrays of a `.npz` file: a zip archive of `.npy` files, stored or deflated.

use std::path::Path;

use zip::{CompressionMethod, ZipArchive};

use super::array::Array;
use super::stored::{Place, Stored};
use crate::error::{Error, SourceError};
use crate::remote::Stores;
use crate::source::archive::Window;

/// Most members of an archive: a handle of each is held.
const MOST: usize = 10_000;

/// The arrays of a `.npz` file, by name. Members that are no arrays are left out.
///
/// # Errors
/// If the archive or an array is damaged, or is encrypted or compressed in another way.
pub(super) fn arrays(path: &Path, stores: &Stores) -> Result<Vec<Array>, Error> {
    let damaged = |reason: String| Error::source(path)(SourceError::Damaged(reason));
    let file = stores.open(path).map_err(Error::io("open", path))?;
    let end = file.len();
    let bytes = file.front_to_back();
    let mut archive = ZipArchive::new(Window::new(&bytes)).map_err(|error| damaged(error.to_string()))?;
    if archive.len() > MOST {
        return Err(damaged(format!("it has {} members", archive.len())));
    }
    let mut arrays = Vec::new();
    for index in 0..archive.len() {
        let member = archive.by_index_raw(index).map_err(|error| damaged(error.to_string()))?;
        let name = String::from_utf8_lossy(member.name_raw()).into_owned();
        let Some(name) = name.strip_suffix(".npy").filter(|_| member.is_file()) else { continue };
        if member.encrypted() {
            return Err(damaged(format!("`{name}` is encrypted")));
        }
        let offset = member.data_start().ok_or_else(|| damaged(format!("`{name}` has no place")))?;
        // A directory may claim any length, and an array has as many rows as it claims.
        if offset.checked_add(member.compressed_size()).is_none_or(|last| last > end) {
            return Err(damaged(format!("it ends before `{name}` does")));
        }
        let place = match member.compression() {
            CompressionMethod::Stored if member.size() != member.compressed_size() => {
                return Err(damaged(format!("`{name}` has another length than its bytes")));
            }
            CompressionMethod::Stored => Place::Plain { offset, length: member.size() },
            CompressionMethod::Deflated => {
                Place::Deflated { offset, compressed: member.compressed_size(), crc: member.crc32() }
            }
            other => return Err(damaged(format!("`{name}` is compressed with {other}"))),
        };
        arrays.push(Array::of_npy(Stored::new(path.to_owned(), &file, place), name.to_owned())?);
    }
    arrays.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(arrays)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::run::StorageOptions;

    /// A `.npz` with an array of three rows, and the place of its lengths in the directory.
    fn npz() -> (Vec<u8>, usize) {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        zip.start_file("images.npy", options).unwrap();
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 1, 1)}\n";
        zip.write_all(&[b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..]].concat()).unwrap();
        zip.write_all(&[header.as_bytes(), &[1, 2, 3]].concat()).unwrap();
        let bytes = zip.finish().unwrap().into_inner();
        let directory = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
        (bytes, directory + 20)
    }

    fn read(bytes: &[u8]) -> Result<Vec<Array>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        arrays(file.path(), &Stores::new(&StorageOptions::default())).map_err(|error| error.to_string())
    }

    #[test]
    fn arrays_that_are_longer_than_the_file_are_refused() {
        let (bytes, lengths) = npz();
        assert_eq!(read(&bytes).unwrap()[0].shape, [3, 1, 1]);
        let claiming = |packed: u32, unpacked: u32| {
            let mut bytes = bytes.clone();
            bytes[lengths..][..4].copy_from_slice(&packed.to_le_bytes());
            bytes[lengths + 4..][..4].copy_from_slice(&unpacked.to_le_bytes());
            read(&bytes).unwrap_err()
        };
        assert!(claiming(1 << 30, 1 << 30).ends_with("it is damaged: it ends before `images` does"));
        assert!(claiming(74, 1 << 30).ends_with("it is damaged: `images` has another length than its bytes"));
    }
}
