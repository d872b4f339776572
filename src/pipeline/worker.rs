//! One thread's share of the work: decodes and resizes images straight into the pages that it takes.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::mpsc::Sender;

use arrow_array::{ArrayRef, UInt32Array};
use arrow_select::take::take;

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
use crate::image::recipe::{Further, Product};
use crate::plan::PagePlan;
use crate::source::{Files, ImageRef};

/// The rows of a filled page, ready to be written.
pub(super) struct Filled<'a> {
    pub(super) number: usize,
    pub(super) plan: PagePlan<'a>,
    /// Page of every tensor column; empty if no row is left, or if images are stored as files.
    pub(super) pages: Vec<Page>,
    /// All other columns.
    pub(super) others: Vec<ArrayRef>,
    /// Input of the statistics, for each row.
    pub(super) facts: Vec<Facts>,
    pub(super) rejects: Vec<(String, RecordError)>,
}

/// The facts about a row that enter the statistics.
pub(super) struct Facts {
    pub(super) elements: Moments,
    pub(super) label: Option<u32>,
    pub(super) source_width: u32,
    pub(super) source_height: u32,
}

/// One thread's share of the work, with its buffers.
pub(super) struct Worker<'a> {
    job: &'a Job<'a>,
    files: Files,
    /// Images still to be read, in order.
    unread: VecDeque<ImageRef<'a>>,
    /// Images that were read, in the same order.
    read: VecDeque<ReadImage<'a>>,
    decoder: Decoder,
    product: Images,
    /// Fillers of the further tensor columns.
    further: Vec<Filler>,
}

/// The product made from decoded images.
enum Images {
    /// Tensors in pages.
    Tensors(Filler),
    /// Encoded files, and the buffer for resized pixels.
    Encoded(Filler, Encoder, Vec<u8>),
    /// The original files, unchanged.
    Originals,
}

/// An image that is in memory or could not be read.
struct ReadImage<'a> {
    image: ImageRef<'a>,
    /// Index among the images in memory.
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
            product: Images::new(job),
            further: job.recipe.further.iter().map(Further::filler).collect(),
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
            let records = pages.iter().flat_map(|page| page.plan.rows);
            let records = records.map(|&index| &self.job.listing.records[index as usize]);
            let images = 0..=self.further.len();
            self.unread.extend(records.flat_map(|record| images.clone().map(|image| ImageRef { record, image })));
            for page in pages {
                let filled = self.fill(page);
                if self.job.options.progress.is_stopped() || results.send(filled).is_err() {
                    return;
                }
            }
        }
    }

    fn fill(&mut self, Taken { number, plan, buffers }: Taken<'a>) -> Filled<'a> {
        let columns = self.job.columns.tensors().iter().zip(buffers);
        let mut pages: Vec<PageBuffer> = columns.map(|(column, buffer)| column.pages.buffer(buffer)).collect();
        let (mut rows, mut facts) = (Vec::with_capacity(plan.rows.len()), Vec::with_capacity(plan.rows.len()));
        let mut rejects = Vec::new();
        for &index in plan.rows {
            if self.job.options.progress.is_stopped() {
                break;
            }
            let row = self.make_row(index as usize, &mut pages);
            self.job.options.progress.advance(row.is_err());
            match row {
                Ok((row, elements)) => {
                    let Row { label, source_width, source_height, .. } = row;
                    facts.push(Facts { elements, label, source_width, source_height });
                    rows.push((index, row));
                    pages.iter_mut().for_each(PageBuffer::keep);
                }
                Err(error) => rejects.push((self.job.listing.records[index as usize].key.clone().into(), error)),
            }
        }
        let pages = if rows.is_empty() { Vec::new() } else { pages.into_iter().map(PageBuffer::finish).collect() };
        Filled { number, plan, pages, others: self.other_arrays(rows), facts, rejects }
    }

    /// All columns except the tensors, for rows with the indices of their records.
    fn other_arrays(&self, rows: Vec<(u32, Row)>) -> Vec<ArrayRef> {
        let listing = self.job.listing;
        let places =
            UInt32Array::from_iter_values(rows.iter().map(|(index, _)| listing.records[*index as usize].place));
        let typed = listing.columns.iter().map(|column| take(column, &places, None));
        let typed: Vec<ArrayRef> = typed.collect::<Result<_, _>>().expect("every record has a place in its columns");
        let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
        self.job.columns.other_arrays(&rows, &typed)
    }

    /// Makes a row, and writes its tensors to the next slots of the pages.
    fn make_row(&mut self, index: usize, pages: &mut [PageBuffer]) -> Result<(Row, Moments), RecordError> {
        let mut made = self.make_first(index, pages);
        for column in 0..self.further.len() {
            // The image has to be taken even if the row is already rejected.
            let further = self.make_further(column, pages);
            made = made.and_then(|made| further.map(|()| made));
        }
        made
    }

    /// Makes the row of a record, with its main tensor or file, from the record's first image.
    fn make_first(&mut self, index: usize, pages: &mut [PageBuffer]) -> Result<(Row, Moments), RecordError> {
        let ReadImage { image: ImageRef { record, .. }, number, sha256 } = self.next_image();
        let sha256 = sha256?;
        if self.job.hashes.get(index).is_some_and(|earlier| *earlier != sha256) {
            return Err(RecordError::Changed);
        }
        let (file, spec) = (self.files.bytes(number), self.job.recipe.spec());
        let pixels = self.decoder.decode(file, Path::new(&*record.key), spec)?;
        let (image, moments) = match (&mut self.product, pages) {
            (Images::Tensors(filler), [page, ..]) => {
                filler.fill(&pixels, page.slot())?;
                (Vec::new(), moments_of(page.slot(), spec))
            }
            (Images::Encoded(filler, encoder, buffer), _) => {
                filler.fill(&pixels, buffer)?;
                (encoder.encode(buffer), moments_of(buffer, spec))
            }
            (Images::Originals, _) => (file.to_vec(), Moments::of_unknown()),
            (Images::Tensors(_), []) => unreachable!("tensors have pages"),
        };
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

    /// Makes the tensor of a further column, from the next image of the record.
    fn make_further(&mut self, column: usize, pages: &mut [PageBuffer]) -> Result<(), RecordError> {
        let ReadImage { image: ImageRef { record, .. }, number, sha256 } = self.next_image();
        sha256?;
        let spec = &self.job.recipe.further[column].spec;
        let pixels = self.decoder.decode(self.files.bytes(number), Path::new(&*record.key), spec)?;
        self.further[column].fill(&pixels, pages[column + 1].slot())
    }

    /// The next image. Reads a group of images into memory when none is left.
    fn next_image(&mut self) -> ReadImage<'a> {
        if self.read.is_empty() {
            let images = self.unread.make_contiguous();
            let read = self.files.read(self.job.source, images, &self.job.recipe.spec().limits);
            let images = self.unread.drain(..read.len());
            let read = images.zip(read).enumerate();
            self.read.extend(read.map(|(number, (image, sha256))| ReadImage { image, number, sha256 }));
        }
        self.read.pop_front().expect("every image of a page is read")
    }
}

impl Images {
    fn new(job: &Job<'_>) -> Images {
        match (job.recipe.product, job.recipe.filler()) {
            (Product::Tensor(..), Some(filler)) => Images::Tensors(filler),
            (Product::File(elements, _, encoder), Some(filler)) => {
                Images::Encoded(filler, encoder, vec![0; elements.tensor_bytes()])
            }
            (Product::Original, _) | (_, None) => Images::Originals,
        }
    }
}
