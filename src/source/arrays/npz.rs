//! The arrays of a `.npz` file: a zip archive of `.npy` files, stored or deflated.

use std::io::BufReader;
use std::path::Path;

use zip::{CompressionMethod, ZipArchive};

use super::array::Array;
use super::stored::{Place, Stored};
use crate::error::{Error, SourceError};
use crate::format::open;

/// Most members of an archive: a handle of each is held.
const MOST: usize = 10_000;

/// The arrays of a `.npz` file, by name. Members that are no arrays are left out.
///
/// # Errors
/// If the archive or an array is damaged, or is encrypted or compressed in another way.
pub(super) fn arrays(path: &Path) -> Result<Vec<Array>, Error> {
    let damaged = |reason: String| Error::source(path)(SourceError::Damaged(reason));
    let file = open::regular(path).map_err(Error::io("open", path))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| damaged(error.to_string()))?;
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
        let place = match member.compression() {
            CompressionMethod::Stored => Place::Plain { offset, length: member.size() },
            CompressionMethod::Deflated => {
                Place::Deflated { offset, compressed: member.compressed_size(), crc: member.crc32() }
            }
            other => return Err(damaged(format!("`{name}` is compressed with {other}"))),
        };
        arrays.push(Array::of_npy(Stored::new(path.to_owned(), place), name.to_owned())?);
    }
    arrays.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(arrays)
}
