//! Carries out a plan: threads decode and resize into pages, the calling thread puts the pages in
//! order and writes them. The home of `rayon` and of all waiting.
//!
//! A thread takes a page at a time and owns it until it is full. A thread may be at most
//! [`ROW_GROUPS_AHEAD`] row groups ahead of what is written, so memory is bounded by row groups and
//! threads, whatever the number of images, and what is written does not depend on who was faster.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use crate::decode::Decoder;
use crate::discover::{Discovery, Record};
use crate::draft::Draft;
use crate::error::{Error, RecordError};
use crate::files::Files;
use crate::page::{Page, PageLayout};
use crate::plan::{PagePlan, Plan};
use crate::reject::Reject;
use crate::resize::Resizer;
use crate::run::{Progress, RunOptions};
use crate::sha256::Sha256;
use crate::shard::{Row, RowGroup, ShardWriter};
use crate::spec::Spec;

/// Row groups that may be in memory: one being written, and one being filled meanwhile.
const ROW_GROUPS_AHEAD: usize = 2;

/// Pages that every thread may hold beyond that, so that none waits for another.
const PAGES_PER_THREAD: usize = 2;

/// Pages that a thread takes at a time while there are plenty, for their files are hashed side by side:
/// eight files keep 0.59 of the lanes busy, sixteen 0.87.
const PAGES_TOGETHER: usize = 2;

/// Files that a thread hashes at a time where it does nothing else: enough to keep eight lanes busy.
const HASHED_TOGETHER: usize = 32;

/// Everything that a run works on; nothing in it changes.
pub(crate) struct Job<'a> {
    pub(crate) discovery: &'a Discovery,
    pub(crate) plan: &'a Plan,
    pub(crate) spec: &'a Spec,
    pub(crate) pages: PageLayout,
    pub(crate) options: &'a RunOptions,
    /// Of every record's file, where the split was decided by content.
    pub(crate) hashes: &'a [Sha256],
}

/// Starts the threads of a run.
pub(crate) fn threads(options: &RunOptions) -> Result<rayon::ThreadPool, Error> {
    let threads = options.thread_count();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|n| format!("inlaid-worker-{n}"));
    pool.build().map_err(|source| Error::Threads { threads, source })
}

/// Hashes the files of all records; a file that can't be read is rejected and its record removed.
pub(crate) fn hash_contents(
    discovery: &mut Discovery,
    spec: &Spec,
    pool: &rayon::ThreadPool,
    progress: &Progress,
) -> Result<Vec<Sha256>, Error> {
    let hashes = hash_files(discovery, &discovery.records, spec, pool, progress)?;
    let records = std::mem::take(&mut discovery.records);
    let mut kept = Vec::with_capacity(records.len());
    for (record, hash) in records.into_iter().zip(hashes) {
        match hash {
            Ok(hash) => {
                kept.push(hash);
                discovery.records.push(record);
            }
            Err(error) => discovery.rejects.push(Reject::new(record.key.into(), error)),
        }
    }
    Ok(kept)
}

/// Hashes the files of these records.
pub(crate) fn hash_files(
    discovery: &Discovery,
    records: &[Record],
    spec: &Spec,
    pool: &rayon::ThreadPool,
    progress: &Progress,
) -> Result<Vec<Result<Sha256, RecordError>>, Error> {
    let hash = |files: &mut Files, records: &[Record]| {
        let mut paths: Vec<PathBuf> = records.iter().map(|record| discovery.path(record)).collect();
        let mut hashes = Vec::with_capacity(paths.len());
        while !paths.is_empty() && !progress.is_stopped() {
            let read = files.read(&paths, &spec.limits);
            paths.drain(..read.len());
            hashes.extend(read);
        }
        hashes
    };
    let hashes: Vec<Vec<_>> =
        pool.install(|| records.par_chunks(HASHED_TOGETHER).map_init(Files::default, hash).collect());
    match progress.is_stopped() {
        true => Err(Error::Interrupted),
        false => Ok(hashes.into_iter().flatten().collect()),
    }
}

/// Decodes everything and adds the shards to the draft. The rejects of the run: those it begins with,
/// and inputs that turned out unusable.
pub(crate) fn write_shards(
    job: &Job<'_>,
    pool: &rayon::ThreadPool,
    draft: &mut Draft,
    rejects: Vec<Reject>,
) -> Result<Vec<Reject>, Error> {
    let counts = job.plan.counts;
    let width = ROW_GROUPS_AHEAD * (counts.row_group / counts.page) + PAGES_PER_THREAD * pool.current_num_threads();
    let left = job.plan.pages().count();
    let buffers = std::iter::repeat_with(|| job.pages.zeroed()).take(width.min(left)).collect();
    let plenty = 2 * PAGES_TOGETHER * pool.current_num_threads();
    let state = WindowState { pages: job.plan.pages(), left, next: 0, first_unwritten: 0, closed: false, buffers };
    let window = Window { state: Mutex::new(state), moved: Condvar::new(), width, plenty };
    let (sender, receiver) = channel();
    job.options.progress.begin(job.plan.rows(), rejects.len());
    pool.in_place_scope(|scope| {
        for sender in std::iter::repeat_n(sender, pool.current_num_threads()) {
            scope.spawn(|_| Worker::new(job).fill_pages(&window, sender));
        }
        let _closes = CloseOnDrop(&window);
        Writer::new(job, draft, rejects).write_all(receiver, &window)
    })
}

/// The pages that may be filled now: those less than `width` beyond the first unwritten one.
struct Window<I> {
    state: Mutex<WindowState<I>>,
    moved: Condvar,
    width: usize,
    /// With fewer pages left, threads take one at a time, so that all have something to do.
    plenty: usize,
}

struct WindowState<I> {
    pages: I,
    /// How many of them there are.
    left: usize,
    /// The number of the next page to be filled.
    next: usize,
    /// The number of the first page that is not written.
    first_unwritten: usize,
    closed: bool,
    /// A buffer for every page in the window. They take turns, so that all of them are in memory soon:
    /// how much a run needs shows at once and stays the same.
    buffers: VecDeque<Vec<u8>>,
}

impl<'a, I: Iterator<Item = PagePlan<'a>>> Window<I> {
    /// The next pages to fill; waits until the first of them is near enough. None if there is no more.
    fn take(&self) -> Vec<Taken<'a>> {
        let state = self.state();
        let far = |state: &mut WindowState<I>| !state.closed && state.next >= state.first_unwritten + self.width;
        let mut state = self.moved.wait_while(state, far).unwrap_or_else(PoisonError::into_inner);
        let near = (state.first_unwritten + self.width).saturating_sub(state.next);
        let count = if state.left > self.plenty { PAGES_TOGETHER.min(near) } else { 1 };
        let open = !state.closed;
        let next = || {
            let plan = state.pages.next().filter(|_| open)?;
            let taken = Taken { number: state.next, plan, buffer: state.buffers.pop_front().unwrap_or_default() };
            state.next += 1;
            state.left -= 1;
            Some(taken)
        };
        std::iter::from_fn(next).take(count).collect()
    }

    fn written(&self, pages: usize) {
        self.state().first_unwritten += pages;
        self.moved.notify_all();
    }

    fn give_back(&self, buffers: impl Iterator<Item = Vec<u8>>) {
        self.state().buffers.extend(buffers);
    }

    fn close(&self) {
        self.state().closed = true;
        self.moved.notify_all();
    }

    /// The state is whole after every change, also if a thread panicked while holding it.
    fn state(&self) -> MutexGuard<'_, WindowState<I>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets nobody wait for a thread that is gone, however it went.
struct CloseOnDrop<'w, 'a, I: Iterator<Item = PagePlan<'a>>>(&'w Window<I>);

impl<'a, I: Iterator<Item = PagePlan<'a>>> Drop for CloseOnDrop<'_, 'a, I> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A page to fill.
struct Taken<'a> {
    number: usize,
    plan: PagePlan<'a>,
    buffer: Vec<u8>,
}

/// A page that was filled, or lost its rows.
struct Filled<'a> {
    number: usize,
    plan: PagePlan<'a>,
    /// None if no row is left.
    page: Option<Page>,
    rows: Vec<Row>,
    rejects: Vec<(String, RecordError)>,
}

/// One thread's share of the work, with its buffers.
struct Worker<'a> {
    job: &'a Job<'a>,
    files: Files,
    /// Records whose files are still to be read.
    unread: VecDeque<u32>,
    /// Files that were read, in the order of their records.
    read: VecDeque<ReadFile>,
    decoder: Decoder,
    resizer: Resizer,
}

/// A file that lies in memory, or could not be read.
struct ReadFile {
    path: PathBuf,
    /// Its place among the files that lie in memory.
    number: usize,
    sha256: Result<Sha256, RecordError>,
}

impl<'a> Worker<'a> {
    fn new(job: &'a Job<'a>) -> Worker<'a> {
        Worker {
            job,
            files: Files::default(),
            unread: VecDeque::new(),
            read: VecDeque::new(),
            decoder: Decoder::default(),
            resizer: Resizer::of(job.spec),
        }
    }

    fn fill_pages<I: Iterator<Item = PagePlan<'a>>>(mut self, window: &Window<I>, results: Sender<Filled<'a>>) {
        struct CloseOnPanic<F: Fn()>(F);
        impl<F: Fn()> Drop for CloseOnPanic<F> {
            fn drop(&mut self) {
                if std::thread::panicking() {
                    (self.0)();
                }
            }
        }
        let _guard = CloseOnPanic(|| window.close());
        loop {
            let pages = window.take();
            if pages.is_empty() {
                return;
            }
            self.unread.extend(pages.iter().flat_map(|page| page.plan.rows));
            for page in pages {
                let filled = self.fill(page);
                if self.job.options.progress.is_stopped() || results.send(filled).is_err() {
                    return;
                }
            }
        }
    }

    fn fill(&mut self, Taken { number, plan, buffer }: Taken<'a>) -> Filled<'a> {
        let mut page = self.job.pages.buffer(buffer);
        let (mut rows, mut rejects) = (Vec::with_capacity(plan.rows.len()), Vec::new());
        for &index in plan.rows {
            if self.job.options.progress.is_stopped() {
                break;
            }
            let row = self.make_row(index as usize, page.slot());
            self.job.options.progress.advance(row.is_err());
            match row {
                Ok(row) => {
                    page.keep();
                    rows.push(row);
                }
                Err(error) => rejects.push((self.job.discovery.records[index as usize].key.clone().into(), error)),
            }
        }
        let page = (!rows.is_empty()).then(|| page.finish());
        Filled { number, plan, page, rows, rejects }
    }

    fn make_row(&mut self, index: usize, slot: &mut [u8]) -> Result<Row, RecordError> {
        let ReadFile { path, number, sha256 } = self.next_file();
        let sha256 = sha256?;
        if self.job.hashes.get(index).is_some_and(|earlier| *earlier != sha256) {
            return Err(RecordError::Changed);
        }
        let pixels = self.decoder.decode(self.files.bytes(number), &path, self.job.spec)?;
        self.resizer.resize(&pixels, slot)?;
        let record = &self.job.discovery.records[index];
        Ok(Row {
            path: record.key.clone(),
            label: record.label,
            source_height: pixels.height,
            source_width: pixels.width,
            sha256,
        })
    }

    /// The file of the next record; reads as many of those to come as lie in memory together.
    fn next_file(&mut self) -> ReadFile {
        if self.read.is_empty() {
            let discovery = self.job.discovery;
            let path = |&index: &u32| discovery.path(&discovery.records[index as usize]);
            let paths: Vec<PathBuf> = self.unread.iter().map(path).collect();
            let read = self.files.read(&paths, &self.job.spec.limits);
            self.unread.drain(..read.len());
            let read = read.into_iter().zip(paths).enumerate();
            self.read.extend(read.map(|(number, (sha256, path))| ReadFile { path, number, sha256 }));
        }
        self.read.pop_front().expect("a file is read for every record of a page")
    }
}

/// Writes pages in the order of the plan.
struct Writer<'a> {
    job: &'a Job<'a>,
    draft: &'a mut Draft,
    /// Pages that came before their turn.
    early: BTreeMap<usize, Filled<'a>>,
    next: usize,
    group: RowGroup,
    pages_in_group: usize,
    shard: Option<Box<dyn ShardWriter>>,
    /// Of the rows of the shard that were written.
    labels: Vec<Option<u32>>,
    /// Bytes of pixels that are still to be written.
    left: u64,
    rejects: Vec<Reject>,
}

impl<'a> Writer<'a> {
    fn new(job: &'a Job<'a>, draft: &'a mut Draft, rejects: Vec<Reject>) -> Writer<'a> {
        Writer {
            job,
            draft,
            early: BTreeMap::new(),
            next: 0,
            group: RowGroup::default(),
            pages_in_group: 0,
            shard: None,
            labels: Vec::new(),
            left: (job.plan.rows() * job.pages.row_bytes()) as u64,
            rejects,
        }
    }

    fn write_all<I: Iterator<Item = PagePlan<'a>>>(
        mut self,
        results: Receiver<Filled<'a>>,
        window: &Window<I>,
    ) -> Result<Vec<Reject>, Error> {
        for filled in results {
            self.early.insert(filled.number, filled);
            while let Some(filled) = self.early.remove(&self.next) {
                self.next += 1;
                self.add(filled, window).map_err(|error| error.or_disk_full(self.left))?;
            }
        }
        match self.job.options.progress.is_stopped() {
            true => Err(Error::Interrupted),
            false => Ok(self.rejects),
        }
    }

    fn add<I: Iterator<Item = PagePlan<'a>>>(&mut self, filled: Filled<'a>, window: &Window<I>) -> Result<(), Error> {
        let Filled { plan, page, rows, rejects, .. } = filled;
        for (path, error) in rejects {
            self.reject(path, error)?;
        }
        self.group.pages.extend(page);
        self.group.rows.extend(rows);
        self.pages_in_group += 1;
        if plan.ends_row_group {
            self.write_row_group(&plan)?;
            window.give_back(self.group.pages.drain(..).map(Page::into_buffer));
            window.written(std::mem::take(&mut self.pages_in_group));
        }
        if plan.ends_shard {
            let shard = self.shard.take().map(|shard| shard.finish()).transpose()?;
            let labels = std::mem::take(&mut self.labels);
            self.draft.add_shard(plan.split, shard.map(|shard| (shard, labels)), &self.rejects)?;
        }
        self.left -= (plan.rows.len() * self.job.pages.row_bytes()) as u64;
        Ok(())
    }

    fn reject(&mut self, path: String, error: RecordError) -> Result<(), Error> {
        self.rejects.push(Reject::new(path, error));
        self.job.options.check(&self.rejects, self.job.discovery.inputs())
    }

    fn write_row_group(&mut self, plan: &PagePlan<'_>) -> Result<(), Error> {
        if self.group.rows.is_empty() {
            return Ok(());
        }
        let shard = match &mut self.shard {
            Some(shard) => shard,
            none => none.insert(self.draft.begin_shard(plan.split, plan.place)?),
        };
        shard.write_row_group(&mut self.group)?;
        self.labels.extend(self.group.rows.drain(..).map(|row| row.label));
        Ok(())
    }
}
