//! Whether an output folder overlaps a source or another dataset.

use std::path::{Path, PathBuf};

use crate::dataset::names::MANIFEST;
use crate::error::Error;

/// The output must not be found as a source, nor a source be written to; nor may it be part of another
/// dataset.
pub(crate) fn refuse_overlap(sources: &[PathBuf], out: &Path) -> Result<(), Error> {
    let absolute = |path: &Path| {
        // The part that exists is made canonical; the rest, to be created, is appended.
        let path = Path::new(".").join(path);
        let existing = path.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)));
        match existing {
            Some((part, full)) => Ok(full.join(path.strip_prefix(part).expect("an ancestor is a prefix"))),
            None => path.canonicalize(),
        }
    };
    let output = absolute(out).map_err(Error::io("find output folder", out))?;
    if let Some(dataset) = output.ancestors().skip(1).find(|above| above.join(MANIFEST).is_file()) {
        return Err(Error::OutputInDataset { output: out.to_owned(), dataset: dataset.to_owned() });
    }
    for source in sources {
        let folder = absolute(source).map_err(Error::io("read source folder", source))?;
        if output.starts_with(&folder) || folder.starts_with(&output) {
            return Err(Error::OutputInSource { output: out.to_owned(), source_folder: source.clone() });
        }
    }
    Ok(())
}
