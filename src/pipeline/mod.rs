//! Carries out a plan: threads decode and resize into pages; the calling thread puts the pages in
//! order and writes them.
//!
//! A thread takes a few pages at a time and owns them until they are full. It may be at most
//! [`ROW_GROUPS_AHEAD`] row groups ahead of the writer, so memory is bounded by row groups and threads,
//! whatever the number of images, and the output does not depend on the timing of threads.

mod ahead;
mod window;
mod worker;
mod writer;

use std::sync::mpsc::channel;

use rayon::prelude::*;

use crate::commit::transaction::Shards;
use crate::dataset::reject::Reject;
use crate::error::{Error, RecordError};
use crate::format::columns::Columns;
use crate::format::sha256::Sha256;
use crate::image::recipe::Recipe;
use crate::plan::Plan;
use crate::run::{Memory, RunOptions};
use crate::source::Files;
use crate::source::{ImageRef, Listing, Record, Source, reject};
use crate::spec::Spec;
use ahead::Ahead;
use window::{CloseOnDrop, Window};
use worker::Worker;
use writer::Writer;

pub(crate) use writer::Outcome;

/// Number of row groups that may be in memory: one being written, and one being filled.
const ROW_GROUPS_AHEAD: usize = 2;

/// Number of pages that every thread may hold beyond that, so that no thread waits for another. Twice as many for
/// encoded images, which don't wait for their row group.
const PAGES_PER_THREAD: usize = 2;

/// Number of rows that a thread takes at a time while plenty are left, in whole pages. Their files are hashed side by
/// side: eight files keep 0.59 of the lanes busy, sixteen 0.87.
const ROWS_TOGETHER: usize = 16;

/// Bytes of tensors that a thread takes at a time: of small tensors more than that many rows, so that what is done for
/// each page and each hand-over stays negligible.
const BYTES_TOGETHER: usize = 256 << 10;

/// Number of files that a thread hashes at a time when it does nothing else: enough to keep eight lanes busy.
const HASHED_TOGETHER: usize = 32;

/// The immutable data of a run.
pub(crate) struct Job<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) listing: &'a Listing,
    /// Number of inputs, including those that are rows already.
    pub(crate) inputs: usize,
    pub(crate) plan: &'a Plan,
    pub(crate) recipe: &'a Recipe,
    /// Columns of the shards.
    pub(crate) columns: &'a Columns,
    pub(crate) options: &'a RunOptions,
    /// Hash of every record's file if the split was decided by content; otherwise empty.
    pub(crate) hashes: &'a [Sha256],
}

impl Job<'_> {
    /// Size of the largest page of tensors, in bytes of pixels; none if images are stored as files.
    fn page_bytes(&self) -> Option<usize> {
        let rows = self.plan.counts.page;
        self.columns.tensors().iter().map(|column| column.pages.row_bytes() * rows).max()
    }

    /// Whether several pages together are still small.
    fn has_small_pages(&self) -> bool {
        self.page_bytes().is_some_and(|bytes| bytes <= BYTES_TOGETHER / 2)
    }
}

/// Starts the threads of a run, no more than there are `tasks`.
pub(crate) fn threads(options: &RunOptions, tasks: usize) -> Result<rayon::ThreadPool, Error> {
    let threads = options.thread_count()?.min(tasks.max(1));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|n| format!("inlaid-worker-{n}"));
    pool.build().map_err(|error| Error::Threads { threads, source: std::io::Error::other(error) })
}

/// Hashes the files of all records. A record whose file can't be read is moved to the rejects.
pub(crate) fn hash_contents(
    source: &dyn Source,
    listing: &mut Listing,
    spec: &Spec,
    pool: &rayon::ThreadPool,
    options: &RunOptions,
) -> Result<Vec<Sha256>, Error> {
    let hashes = hash_files(source, &listing.records, spec, pool, options, &|_| ())?;
    let records = std::mem::take(&mut listing.records);
    let mut kept = Vec::with_capacity(records.len());
    for (record, hash) in records.into_iter().zip(hashes) {
        match hash {
            Ok(hash) => {
                kept.push(hash);
                listing.records.push(record);
            }
            Err(error) => listing.rejects.push(reject(record.key, &error)),
        }
    }
    Ok(kept)
}

/// Hashes the files of these records. `count` is told how many more of them are done.
pub(crate) fn hash_files(
    source: &dyn Source,
    records: &[Record],
    spec: &Spec,
    pool: &rayon::ThreadPool,
    options: &RunOptions,
    count: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Result<Sha256, RecordError>>, Error> {
    let (memory, progress) = (Memory::new(options), &options.progress);
    let hash = |files: &mut Files, records: &[Record]| {
        let images: Vec<ImageRef<'_>> = records.iter().map(|record| ImageRef { record, image: 0 }).collect();
        let mut hashes = Vec::with_capacity(images.len());
        while hashes.len() < images.len() && !progress.is_stopped() {
            let before = hashes.len();
            hashes.extend(files.read(source, &images[before..], &spec.limits, || ()));
            count(hashes.len() - before);
        }
        files.release();
        hashes
    };
    let hashes: Vec<Vec<_>> =
        pool.install(|| records.par_chunks(HASHED_TOGETHER).map_init(|| Files::new(&memory), hash).collect());
    match source.failure() {
        _ if progress.is_stopped() => Err(Error::Interrupted),
        Some(error) => Err(error),
        None => Ok(hashes.into_iter().flatten().collect()),
    }
}

/// Length of every record's file, in bytes; 0 if it can't be read or is too long, in which case it will be rejected.
pub(crate) fn file_lengths(source: &dyn Source, records: &[Record], spec: &Spec, pool: &rayon::ThreadPool) -> Vec<u32> {
    let length = |record: &Record| {
        let length = source.length(record)?;
        u32::try_from(length).ok().filter(|_| length <= spec.limits.file_bytes.0)
    };
    pool.install(|| records.par_iter().map(|record| length(record).unwrap_or(0)).collect())
}

/// Decodes everything and hands over its shards. The rejects of the outcome are the given ones, and the
/// inputs that turned out to be unusable.
pub(crate) fn write_shards(
    job: &Job<'_>,
    pool: &rayon::ThreadPool,
    shards: &mut dyn Shards,
    rejects: Vec<Reject>,
) -> Result<Outcome, Error> {
    let counts = job.plan.counts;
    let ahead = match job.columns.tensors() {
        [] => PAGES_PER_THREAD * pool.current_num_threads(),
        _ => ROW_GROUPS_AHEAD * (counts.row_group / counts.page),
    };
    let width = ahead + PAGES_PER_THREAD * pool.current_num_threads();
    let window = Window::new(job, width, pool.current_num_threads());
    let ahead = Ahead::new(job);
    let memory = Memory::new(job.options);
    let (sender, receiver) = channel();
    job.options.progress.begin(job.plan.rows(), rejects.len());
    pool.in_place_scope(|scope| {
        for sender in std::iter::repeat_n(sender, pool.current_num_threads()) {
            scope.spawn(|_| Worker::new(job, &memory).fill_pages(&window, &ahead, sender));
        }
        let _closes = CloseOnDrop(&window);
        Writer::new(job, shards, rejects).write_all(receiver, &window)
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    #[test]
    fn no_more_threads_start_than_there_are_tasks() {
        let mut options = RunOptions { threads: NonZeroUsize::new(1024), ..RunOptions::default() };
        assert_eq!([0, 1, 3].map(|tasks| threads(&options, tasks).unwrap().current_num_threads()), [1, 1, 3]);
        options.threads = NonZeroUsize::new(2);
        assert_eq!(threads(&options, 3).unwrap().current_num_threads(), 2);
    }
}
