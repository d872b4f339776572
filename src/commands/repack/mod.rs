//! Rewrites the tables of other tools with verbatim pages in their tensor columns, step by step. Every file
//! becomes one file, and every row keeps its place.

mod column;
mod files;
mod packer;
mod schema;
mod tensors;
mod times;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use arrow_schema::Schema;
use serde::Serialize;

use crate::commit::new_folder::NewFolder;
use crate::commit::overlap::refuse_overlap;
use crate::error::{Error, RepackError, StoreError};
use crate::format::shard::ShardInfo;
use crate::read::{SourceFile, SourceFileError};
use crate::remote::is_url;
use crate::run::Progress;
use crate::spec::{RepackSpec, Shape};
use column::Column;
use packer::Packer;
use tensors::Tensors;

/// The result of [`repack`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RepackSummary {
    /// Number of files written.
    pub files: usize,
    /// Number of rows in all files.
    pub rows: usize,
    /// Number of row groups in all files.
    pub row_groups: usize,
    /// Total length of the files, in bytes.
    pub bytes: u64,
    /// Name of the main tensor column.
    pub column: String,
    /// Shape of every tensor.
    pub shape: Shape,
    /// NumPy's name of the element type, such as `uint8`.
    pub dtype: &'static str,
    /// Duration from the start to the end of the commit, in seconds.
    pub seconds: f64,
    /// Throughput: bytes of tensors per second.
    pub tensor_bytes_per_second: f64,
}

/// Rewrites Parquet and Arrow files that have a tensor column as Parquet files with verbatim pages, in the
/// folder `out`. [`Table`](crate::Table) reads them at memory speed, and any Parquet reader can read them.
///
/// Sources are files, or folders with files below them. Output files keep their relative paths, with the
/// extension `parquet`. Rows, their order and all other columns are unchanged. Tensors are lists of fixed or
/// equal length, nested or not, or bytes; neither tensors nor elements may be null.
///
/// The folder appears, complete, once everything is written.
///
/// # Errors
/// If a setting, a source or the output folder is unsuitable, or the run is stopped. Nothing is written then.
pub fn repack<P: AsRef<Path>>(
    sources: &[P],
    out: impl AsRef<Path>,
    spec: &RepackSpec,
    progress: &Progress,
) -> Result<RepackSummary, Error> {
    let (begin, out) = (Instant::now(), out.as_ref());
    let sources: Vec<PathBuf> = sources.iter().map(|source| source.as_ref().to_owned()).collect();
    let files = files::find(&sources)?;
    if is_url(out) {
        return Err(Error::Store { place: out.to_owned(), reason: StoreError::DiskOnly });
    }
    refuse_overlap(&sources, out)?;
    let folder = NewFolder::claim(out)?;
    let (tensors, rows) = look(&files, spec, progress)?;
    progress.begin(rows, 0);
    let (mut written, mut left) = (Vec::new(), (rows * tensors.row_bytes()) as u64);
    for (name, path) in &files {
        folder.make_room(name)?;
        let file = repack_file(path, name, folder.path(), &tensors, spec, progress);
        let file = file.map_err(|error| error.or_disk_full(left))?;
        left = left.saturating_sub((file.rows * tensors.row_bytes()) as u64);
        written.push(file);
    }
    folder.commit()?;
    Ok(summary(&written, &tensors, begin))
}

/// Inspects all files before anything is written. Returns their tensors and their total number of rows.
fn look(files: &BTreeMap<String, PathBuf>, spec: &RepackSpec, progress: &Progress) -> Result<(Tensors, usize), Error> {
    let mut first: Option<(&PathBuf, Column)> = None;
    let (mut tensors, mut rows) = (None, 0);
    for path in files.values() {
        if progress.is_stopped() {
            return Err(Error::Abandoned);
        }
        let file = SourceFile::open(path).map_err(unread(path))?;
        let unfit = Error::repack;
        let (index, column) = Column::find(file.schema(), spec).map_err(unfit(path))?;
        if let Some(column) = file.unreadable_column() {
            return Err(unfit(path)(RepackError::EmptyLists(column.to_owned())));
        }
        match &first {
            Some((other, first)) if !first.fits(&column, spec) => {
                return Err(unfit(path)(RepackError::OtherTensors((*other).clone())));
            }
            _ => {}
        }
        if tensors.is_none() {
            let batch = file
                .batches(1)
                .map_err(unread(path))?
                .find(|batch| !batch.as_ref().is_ok_and(|batch| batch.num_rows() == 0));
            let array = batch.transpose().map_err(unread(path))?.map(|batch| batch.column(index).clone());
            tensors = Tensors::of(&column, spec, array.as_ref()).map_err(unfit(path))?;
        }
        if let Some(tensors) = &tensors {
            let further = further(file.schema(), index).map_err(unfit(path))?;
            schema::repacked(file.schema(), &all(index, tensors, &further)).map_err(unfit(path))?;
        }
        rows += file.rows().map_err(unread(path))?;
        first.get_or_insert((path, column));
    }
    let (path, column) = first.expect("there is a file");
    let unknown = || Error::repack(path)(RepackError::NoRows(column.name));
    tensors.map(|tensors| (tensors, rows)).ok_or_else(unknown)
}

/// Repacks one file to `folder/name`.
fn repack_file(
    path: &Path,
    name: &str,
    folder: &Path,
    tensors: &Tensors,
    spec: &RepackSpec,
    progress: &Progress,
) -> Result<ShardInfo, Error> {
    let file = SourceFile::open(path).map_err(unread(path))?;
    let (index, _) = Column::find(file.schema(), spec).map_err(Error::repack(path))?;
    let further = further(file.schema(), index).map_err(Error::repack(path))?;
    let tensors = all(index, tensors, &further);
    let schema = schema::repacked(file.schema(), &tensors).map_err(Error::repack(path))?;
    let mut in_order = tensors;
    in_order.sort_by_key(|(index, _)| *index);
    let mut packer = Packer::begin(folder, name, schema, &in_order, spec)?;
    let rows = packer.rows_at_a_time();
    for batch in file.batches(rows).map_err(unread(path))? {
        let batch = batch.map_err(unread(path))?;
        for start in (0..batch.num_rows()).step_by(rows) {
            if progress.is_stopped() {
                return Err(Error::Abandoned);
            }
            let piece = batch.slice(start, rows.min(batch.num_rows() - start));
            packer.add(&piece, path)?;
            progress.add(piece.num_rows());
        }
    }
    packer.finish()
}

/// The error for a file that can't be read, for `map_err`.
fn unread(path: &Path) -> impl FnOnce(SourceFileError) -> Error {
    move |error| match error {
        SourceFileError::Io(error) => error.into(),
        SourceFileError::UnknownFormat => Error::repack(path)(RepackError::UnknownFormat),
        SourceFileError::Codec(codec) => Error::repack(path)(RepackError::Codec(codec)),
        SourceFileError::Damaged(reason) => Error::repack(path)(RepackError::Damaged(reason)),
        other => Error::repack(path)(RepackError::Damaged(other.to_string())),
    }
}

/// The tensor columns besides the main one, with their indices in the schema.
fn further(schema: &Schema, main: usize) -> Result<Vec<(usize, Tensors)>, RepackError> {
    let columns = Column::further(schema, main).into_iter();
    let tensors = columns.map(|(at, column)| Ok((at, Tensors::of(&column, &RepackSpec::default(), None)?)));
    let tensors = tensors.collect::<Result<Vec<_>, RepackError>>()?;
    Ok(tensors.into_iter().filter_map(|(at, tensors)| Some((at, tensors?))).collect())
}

/// All tensor columns, the main one first, with their indices in the schema.
fn all<'a>(main: usize, tensors: &'a Tensors, further: &'a [(usize, Tensors)]) -> Vec<(usize, &'a Tensors)> {
    [(main, tensors)].into_iter().chain(further.iter().map(|(at, tensors)| (*at, tensors))).collect()
}

fn summary(written: &[ShardInfo], tensors: &Tensors, begin: Instant) -> RepackSummary {
    let rows = written.iter().map(|file| file.rows).sum();
    let seconds = begin.elapsed().as_secs_f64();
    RepackSummary {
        files: written.len(),
        rows,
        row_groups: written.iter().map(|file| file.row_groups).sum(),
        bytes: written.iter().map(|file| file.bytes).sum(),
        column: tensors.column.clone(),
        shape: tensors.shape.clone(),
        dtype: tensors.dtype.numpy_name(),
        seconds,
        tensor_bytes_per_second: (rows * tensors.row_bytes()) as f64 / seconds,
    }
}
