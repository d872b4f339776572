//! Merges the small shards and row groups that appends leave. Larger row groups are copied unchanged;
//! the rows of small ones are rewritten, as if they had been added together.

use std::path::Path;

use arrow_array::RecordBatch;

use crate::commands::change::Change;
use crate::commit::output::Output;
use crate::dataset::card::About;
use crate::error::{Error, StoreError};
use crate::format::columns::Columns;
use crate::format::disk;
use crate::format::row_counts::RowCounts;
use crate::format::row_layout::RowLayout;
use crate::format::shard::{self, Footer, RowGroupBuilder, ShardInfo, ShardWriter, StoredRow, StoredRowGroup};
use crate::read::Table;
use crate::remote::is_url;
use crate::run::{Progress, RunOptions};
use crate::spec::{Spec, Storage};

/// Merges neighboring small shards of every split of the dataset in `folder`, as far as they fit into one, and
/// neighboring small row groups in them, and drops the history that a rollback needs. Small means less than half of
/// the maximum number of rows, or of bytes if images are encoded. Rows keep their order. Returns what
/// has changed.
///
/// Readers that have listed a split's files before must list them again.
///
/// # Errors
/// If `folder` is not a dataset, a run on it was interrupted, it is damaged, or it can't be written to.
pub fn compact(folder: impl AsRef<Path>) -> Result<Change, Error> {
    compact_with(folder, &Progress::default())
}

/// Compacts a dataset, as [`compact`] does, and counts the rows of the shards that it has dealt with.
///
/// # Errors
/// As [`compact`], and [`Error::Abandoned`] if it was asked to stop.
pub fn compact_with(folder: impl AsRef<Path>, progress: &Progress) -> Result<Change, Error> {
    let folder = folder.as_ref();
    if is_url(folder) {
        return Err(Error::Store { place: folder.to_owned(), reason: StoreError::InPlace("not compacted") });
    }
    let (mut output, there) = Output::open(folder, &RunOptions::default())?;
    if there.unfinished.is_some() {
        return Err(Error::Unfinished(folder.to_owned()));
    }
    let layout = RowLayout::new(&there.spec)?;
    let columns = Columns::new(&layout, &there.spec, &there.snapshot.classes);
    let counts = layout.counts();

    progress.begin(there.snapshot.rows(), 0);
    let (mut next, mut merged_any) = (there.clone(), false);
    for info in next.snapshot.splits.values_mut() {
        for group in groups(std::mem::take(&mut info.shards), &there.spec, counts) {
            let open = |shard: &ShardInfo| Footer::of_dataset(&**output.files(), shard, &columns);
            let footers = group.iter().map(open).collect::<Result<Vec<_>, _>>()?;
            if let ([footer], [alone]) = (&footers[..], &group[..])
                && !has_small_neighbours(footer, &there.spec, counts)
            {
                progress.add(alone.rows);
                info.shards.push(alone.clone());
                continue;
            }
            let name = group[0].file.clone();
            let shard =
                shard::begin(output.create(&name)?, output.scratch().join(&name), name.clone(), &columns, None)?;
            let merged = Merge::new(&columns, &layout, &there.spec, shard).finish(&footers, progress);
            let bytes = group.iter().map(|shard| shard.bytes).sum();
            let merged = merged.map_err(|error| error.or_disk_full(bytes))?;
            match &group[..] {
                // The row groups only look small, because they are compressed.
                [alone] if merged.row_groups >= alone.row_groups => {
                    disk::remove_file(&output.scratch().join(&name))?;
                    info.shards.push(alone.clone());
                }
                _ => {
                    info.shards.push(merged);
                    output.add_merged_shard(name, &group);
                    merged_any = true;
                }
            }
        }
        info.count();
    }
    if !merged_any && there.previous.is_none() {
        return Ok(Change { before: there.snapshot.clone(), after: there.snapshot, card: Vec::new() });
    }
    next.previous = None;
    next.snapshot.dataset_version += 1;
    let card = output.describe(&mut next, &layout, &About::default())?;
    let next = output.commit(next)?;
    Ok(Change { before: there.snapshot, after: next.snapshot, card })
}

/// A shard that is merged from others.
struct Merge<'a> {
    columns: &'a Columns,
    layout: &'a RowLayout,
    spec: &'a Spec,
    shard: Box<dyn ShardWriter>,
    /// Rows not written yet.
    builder: RowGroupBuilder,
}

impl<'a> Merge<'a> {
    fn new(columns: &'a Columns, layout: &'a RowLayout, spec: &'a Spec, shard: Box<dyn ShardWriter>) -> Merge<'a> {
        Merge { columns, layout, spec, shard, builder: RowGroupBuilder::of_dataset(columns, layout) }
    }

    /// Adds the rows of these shards, and counts them.
    fn finish(mut self, footers: &[Footer], progress: &Progress) -> Result<ShardInfo, Error> {
        for footer in footers {
            // Opened when there is a row group to rewrite.
            let mut table = None;
            let mut first = 0;
            for (number, row_group) in footer.row_groups().iter().enumerate() {
                progress.go_on()?;
                if !is_small_group(row_group, self.spec, self.layout.counts()) {
                    self.write()?;
                    self.shard.copy_row_group(footer, number)?;
                } else if self.columns.tensors().is_empty() {
                    self.add_files(footer, number)?;
                } else {
                    let table = match &table {
                        Some(table) => table,
                        None => table.insert(Table::open(footer.path())?),
                    };
                    self.add_tensors(footer, number, table, first)?;
                }
                first += row_group.rows;
                progress.add(row_group.rows);
            }
        }
        self.write()?;
        Ok(self.shard.finish()?)
    }

    /// Adds the rows of a row group. `first` is the number of its first row in the table of its shard.
    fn add_tensors(&mut self, footer: &Footer, number: usize, table: &Table, first: usize) -> Result<(), Error> {
        footer.read_row_group(number, &mut Vec::new())?;
        let names = self.layout.tensors().iter().map(|column| table.tensors(&column.name));
        let tensors = names.collect::<Result<Vec<_>, _>>()?;
        let mut at = first;
        for mut rest in others_of(footer, number)? {
            while rest.num_rows() > 0 {
                let rows = rest.num_rows().min(self.builder.room());
                for row in at..at + rows {
                    let row = tensors.iter().map(|column| column.row(row)).collect::<Result<Vec<_>, _>>()?;
                    self.builder.add_tensors(row.iter().map(|tensor| &**tensor));
                }
                self.builder.add_others(rest.slice(0, rows).columns().to_vec());
                rest = rest.slice(rows, rest.num_rows() - rows);
                at += rows;
                if self.builder.is_full() {
                    self.write()?;
                }
            }
        }
        Ok(())
    }

    /// Adds the rows of a row group of images that are stored as files.
    fn add_files(&mut self, footer: &Footer, number: usize) -> Result<(), Error> {
        for batch in others_of(footer, number)? {
            let Merge { builder, shard, .. } = self;
            builder.add_files(batch.columns(), |group| shard.write_row_group(group))?;
        }
        Ok(())
    }

    /// Writes the rows collected so far.
    fn write(&mut self) -> Result<(), Error> {
        Ok(self.builder.flush(|group| self.shard.write_row_group(group))?)
    }
}

/// Whether a size is less than half of the maximum.
fn is_small(size: u64, most: u64) -> bool {
    size < most.div_ceil(2)
}

/// Whether a row group has less than half of the maximum number of rows, or of bytes if images are encoded.
fn is_small_group(row_group: &StoredRowGroup, spec: &Spec, counts: RowCounts) -> bool {
    match spec.storage {
        Storage::Encoded => is_small(row_group.range.end - row_group.range.start, spec.row_group_bytes.0),
        Storage::Tensor | Storage::Binary => is_small(row_group.rows as u64, counts.row_group as u64),
    }
}

/// All columns of a row group except the tensors.
fn others_of(footer: &Footer, number: usize) -> Result<Vec<RecordBatch>, Error> {
    let (mut batches, mut is_foreign) = (Vec::new(), false);
    footer.visit_others(number, &mut |batch| {
        StoredRow::visit(&batch, &mut |row| is_foreign |= !row.is_ours())?;
        batches.push(batch);
        Ok(())
    })?;
    if is_foreign {
        return Err(Error::damaged(
            footer.path(),
            format!("row group {number} has rows that inlaid could not have written"),
        ));
    }
    Ok(batches)
}

/// Whether a shard has two small row groups side by side.
fn has_small_neighbours(footer: &Footer, spec: &Spec, counts: RowCounts) -> bool {
    let is_small = |row_group: &StoredRowGroup| is_small_group(row_group, spec, counts);
    footer.row_groups().windows(2).any(|pair| pair.iter().all(is_small))
}

/// Divides the shards of a split into groups, each of which becomes one shard.
fn groups(shards: Vec<ShardInfo>, spec: &Spec, counts: RowCounts) -> Vec<Vec<ShardInfo>> {
    let (size, most): (fn(&ShardInfo) -> u64, u64) = match spec.storage {
        Storage::Encoded => (|shard| shard.bytes, spec.shard_bytes.0),
        Storage::Tensor | Storage::Binary => (|shard| shard.rows as u64, counts.shard as u64),
    };
    let is_small = |shard: &ShardInfo| is_small(size(shard), most);
    let mut groups: Vec<Vec<ShardInfo>> = Vec::new();
    for shard in shards {
        match groups.last_mut() {
            Some(group)
                if is_small(&shard)
                    && group.iter().all(is_small)
                    && group.iter().map(size).sum::<u64>() + size(&shard) <= most =>
            {
                group.push(shard);
            }
            _ => groups.push(vec![shard]),
        }
    }
    groups
}
