//! One thread's share of the work: decodes and resizes straight into the pages that it takes.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::Sender;

use super::Job;
use super::window::{Taken, Window};
use crate::decode::Decoder;
use crate::element::Filler;
use crate::error::RecordError;
use crate::files::Files;
use crate::moments::Moments;
use crate::page::Page;
use crate::plan::PagePlan;
use crate::sha256::Sha256;
use crate::shard::Row;

/// A page that was filled, or lost its rows.
pub(super) struct Filled<'a> {
    pub(super) number: usize,
    pub(super) plan: PagePlan<'a>,
    /// None if no row is left.
    pub(super) page: Option<Page>,
    pub(super) rows: Vec<Row>,
    /// Of the elements of each row.
    pub(super) moments: Vec<Moments>,
    pub(super) rejects: Vec<(String, RecordError)>,
}

/// One thread's share of the work, with its buffers.
pub(super) struct Worker<'a> {
    job: &'a Job<'a>,
    files: Files,
    /// Records whose files are still to be read.
    unread: VecDeque<u32>,
    /// Files that were read, in the order of their records.
    read: VecDeque<ReadFile>,
    decoder: Decoder,
    filler: Filler,
}

/// A file that lies in memory, or could not be read.
struct ReadFile {
    path: PathBuf,
    /// Its place among the files that lie in memory.
    number: usize,
    sha256: Result<Sha256, RecordError>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(job: &'a Job<'a>) -> Worker<'a> {
        Worker {
            job,
            files: Files::default(),
            unread: VecDeque::new(),
            read: VecDeque::new(),
            decoder: Decoder::default(),
            filler: Filler::new(job.spec, job.elements, job.method),
        }
    }

    pub(super) fn fill_pages<I: Iterator<Item = PagePlan<'a>>>(
        mut self,
        window: &Window<I>,
        results: Sender<Filled<'a>>,
    ) {
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
        let (mut rows, mut moments) = (Vec::with_capacity(plan.rows.len()), Vec::with_capacity(plan.rows.len()));
        let mut rejects = Vec::new();
        for &index in plan.rows {
            if self.job.options.progress.is_stopped() {
                break;
            }
            let row = self.make_row(index as usize, page.slot());
            self.job.options.progress.advance(row.is_err());
            match row {
                Ok(row) => {
                    moments.push(Moments::of_tensor(page.slot(), self.job.spec));
                    page.keep();
                    rows.push(row);
                }
                Err(error) => rejects.push((self.job.discovery.records[index as usize].key.clone().into(), error)),
            }
        }
        let page = (!rows.is_empty()).then(|| page.finish());
        Filled { number, plan, page, rows, moments, rejects }
    }

    fn make_row(&mut self, index: usize, slot: &mut [u8]) -> Result<Row, RecordError> {
        let ReadFile { path, number, sha256 } = self.next_file();
        let sha256 = sha256?;
        if self.job.hashes.get(index).is_some_and(|earlier| *earlier != sha256) {
            return Err(RecordError::Changed);
        }
        let pixels = self.decoder.decode(self.files.bytes(number), &path, self.job.spec)?;
        self.filler.fill(&pixels, slot)?;
        let record = &self.job.discovery.records[index];
        Ok(Row {
            path: record.key.clone(),
            label: record.label,
            source_height: pixels.source_height,
            source_width: pixels.source_width,
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
