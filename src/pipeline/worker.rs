//! One thread's share of the work: decodes and resizes straight into the pages that it takes.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::Sender;

use super::Job;
use super::window::{Taken, Window};
use crate::dataset::moments::Moments;
use crate::error::RecordError;
use crate::format::columns::Row;
use crate::format::page::{Page, PageBuffer};
use crate::format::sha256::Sha256;
use crate::image::decode::Decoder;
use crate::image::elements::Filler;
use crate::image::encode::Encoder;
use crate::image::moments::moments_of;
use crate::image::recipe::Product;
use crate::plan::PagePlan;
use crate::source::files::Files;

/// A page that was filled, or lost its rows.
pub(super) struct Filled<'a> {
    pub(super) number: usize,
    pub(super) plan: PagePlan<'a>,
    /// None if no row is left, or images are encoded.
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
    images: Images,
}

/// What becomes of decoded images.
enum Images {
    /// The tensors of pages.
    Tensors(Filler),
    /// Files; resized pixels lie in the buffer.
    Encoded(Filler, Encoder, Vec<u8>),
    /// Nothing: the files that they were decoded from are stored.
    Originals,
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
            images: Images::of(job),
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
        let mut page = self.job.pages.map(|pages| pages.buffer(buffer));
        let (mut rows, mut moments) = (Vec::with_capacity(plan.rows.len()), Vec::with_capacity(plan.rows.len()));
        let mut rejects = Vec::new();
        for &index in plan.rows {
            if self.job.options.progress.is_stopped() {
                break;
            }
            let row = self.make_row(index as usize, page.as_mut());
            self.job.options.progress.advance(row.is_err());
            match row {
                Ok((row, of_row)) => {
                    rows.push(row);
                    moments.push(of_row);
                }
                Err(error) => rejects.push((self.job.discovery.records[index as usize].key.clone().into(), error)),
            }
        }
        let page = page.filter(|_| !rows.is_empty()).map(PageBuffer::finish);
        Filled { number, plan, page, rows, moments, rejects }
    }

    /// Makes a row, whose tensor lies in the page then.
    fn make_row(&mut self, index: usize, page: Option<&mut PageBuffer>) -> Result<(Row, Moments), RecordError> {
        let ReadFile { path, number, sha256 } = self.next_file();
        let sha256 = sha256?;
        if self.job.hashes.get(index).is_some_and(|earlier| *earlier != sha256) {
            return Err(RecordError::Changed);
        }
        let (file, spec) = (self.files.bytes(number), self.job.recipe.spec());
        let pixels = self.decoder.decode(file, &path, spec)?;
        let (image, moments) = match (&mut self.images, page) {
            (Images::Tensors(filler), Some(page)) => {
                filler.fill(&pixels, page.slot())?;
                let moments = moments_of(page.slot(), spec);
                page.keep();
                (Vec::new(), moments)
            }
            (Images::Encoded(filler, encoder, buffer), _) => {
                filler.fill(&pixels, buffer)?;
                (encoder.encode(buffer), moments_of(buffer, spec))
            }
            (Images::Originals, _) => (file.to_vec(), Moments::of_unknown()),
            (Images::Tensors(_), None) => unreachable!("tensors have pages"),
        };
        let record = &self.job.discovery.records[index];
        let row = Row {
            path: record.key.clone(),
            label: record.label,
            source_height: pixels.source_height,
            source_width: pixels.source_width,
            sha256,
            image,
        };
        Ok((row, moments))
    }

    /// The file of the next record; reads as many of those to come as lie in memory together.
    fn next_file(&mut self) -> ReadFile {
        if self.read.is_empty() {
            let discovery = self.job.discovery;
            let path = |&index: &u32| discovery.path(&discovery.records[index as usize]);
            let paths: Vec<PathBuf> = self.unread.iter().map(path).collect();
            let read = self.files.read(&paths, &self.job.recipe.spec().limits);
            self.unread.drain(..read.len());
            let read = read.into_iter().zip(paths).enumerate();
            self.read.extend(read.map(|(number, (sha256, path))| ReadFile { path, number, sha256 }));
        }
        self.read.pop_front().expect("a file is read for every record of a page")
    }
}

impl Images {
    fn of(job: &Job<'_>) -> Images {
        match (job.recipe.product, job.recipe.filler()) {
            (Product::Tensor(..), Some(filler)) => Images::Tensors(filler),
            (Product::File(elements, _, encoder), Some(filler)) => {
                Images::Encoded(filler, encoder, vec![0; elements.tensor_bytes()])
            }
            (Product::Original, _) | (_, None) => Images::Originals,
        }
    }
}
