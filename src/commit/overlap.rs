//! Where an output folder must not be: in or around a source, or in another dataset.

use std::io;
use std::path::{Path, PathBuf};

use crate::dataset::names::MANIFEST;
use crate::error::Error;
use crate::remote::is_url;
#[cfg(feature = "remote")]
use crate::remote::{Bucket, is_read_only};
#[cfg(feature = "remote")]
use crate::run::StorageOptions;

/// Refuses an output in which a source would be overwritten, or which would be discovered as a source or as part of
/// another dataset.
///
/// # Errors
/// If the output is such a folder, or a path can't be resolved.
pub(crate) fn refuse_overlap(sources: &[PathBuf], out: &Path) -> Result<(), Error> {
    if is_url(out) {
        return refuse_overlap_of_urls(sources, out);
    }
    let output = absolute(out).map_err(Error::io("find output folder", out))?;
    if let Some(dataset) = output.ancestors().skip(1).find(|above| above.join(MANIFEST).is_file()) {
        return Err(Error::OutputInDataset { output: out.to_owned(), dataset: dataset.to_owned() });
    }
    for source in sources.iter().filter(|source| !is_url(source)) {
        let folder = absolute(source).map_err(Error::io("read source", source))?;
        if output.starts_with(&folder) || folder.starts_with(&output) {
            return Err(Error::OutputInSource { output: out.to_owned(), source_folder: source.clone() });
        }
    }
    Ok(())
}

/// As [`refuse_overlap`], for an output in an object store.
fn refuse_overlap_of_urls(sources: &[PathBuf], out: &Path) -> Result<(), Error> {
    #[cfg(feature = "remote")]
    if is_read_only(out) {
        // The error of whoever would write there.
        Bucket::at(out, &StorageOptions::default())?;
    }
    let output = parts_of(out);
    let overlaps = |source: &&PathBuf| {
        let source = parts_of(source);
        output.iter().zip(&source).all(|(a, b)| a == b)
    };
    match sources.iter().filter(|source| is_url(source)).find(overlaps) {
        Some(source) => Err(Error::OutputInSource { output: out.to_owned(), source_folder: source.clone() }),
        None => Ok(()),
    }
}

/// The store, the bucket and the folders of a URL.
fn parts_of(url: &Path) -> Vec<String> {
    let text = url.to_string_lossy();
    let (scheme, rest) = text.split_once("://").unwrap_or(("", &text));
    let store = match scheme.to_ascii_lowercase() {
        scheme if scheme.starts_with("s3") => "s3".to_owned(),
        scheme if scheme.starts_with("abfs") => "az".to_owned(),
        scheme => scheme,
    };
    std::iter::once(store).chain(rest.split('/').filter(|part| !part.is_empty()).map(str::to_owned)).collect()
}

/// Resolves the part of a path that exists, and appends the rest, which is still to be created.
fn absolute(path: &Path) -> io::Result<PathBuf> {
    let path = Path::new(".").join(path);
    match path.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?))) {
        Some((part, full)) => Ok(full.join(path.strip_prefix(part).expect("an ancestor is a prefix"))),
        None => path.canonicalize(),
    }
}
