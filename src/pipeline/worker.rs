//! One thread's share of the work: decodes and resizes images straight into the pages that it takes.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use arrow_array::{ArrayRef, UInt32Array};
use arrow_select::take::take;

use super::Job;
use super::ahead::Ahead;
use super::window::{Taken, Window};
use crate::error::RecordError;
use crate::format::columns::Row;
use crate::format::page::{Page, PageBuffer};
use crate::format::sha256::Sha256;
use crate::image::decode::{Decoder, Raw, Wanted};
use crate::image::elements::Filler;
use crate::image::encode::Encoder;
use crate::image::moments::{RowMoments, moments_of};
use crate::image::recipe::{Further, Product};
use crate::image::resize::View;
use crate::image::room::Room;
use crate::plan::PagePlan;
use crate::run::Memory;
use crate::source::{Files, ImageRef};
use crate::spec::Spec;

/// The rows of a filled page, ready to be written.
pub(super) struct Filled<'a> {
    pub(super) number: usize,
    pub(super) plan: PagePlan<'a>,
    /// Page of every tensor column; empty if no row is left, or if images are stored as files.
    pub(super) pages: Vec<Page>,
    /// All other columns, of this page and those before it that have none.
    pub(super) others: Vec<ArrayRef>,
    /// Input of the statistics, for each row.
    pub(super) facts: Vec<Facts>,
    pub(super) rejects: Vec<(String, RecordError)>,
    /// Bytes of the tensors or image files of the rows.
    pub(super) bytes: usize,
}

/// The facts about a row that enter the statistics.
pub(super) struct Facts {
    pub(super) elements: RowMoments,
    pub(super) label: Option<u32>,
    pub(super) source_width: u32,
    pub(super) source_height: u32,
    /// Whether a file of the row ends before its image does.
    pub(super) is_truncated: bool,
}

/// One thread's share of the work, with its buffers.
pub(super) struct Worker<'a> {
    job: &'a Job<'a>,
    files: Files,
    /// Images still to be read, in order.
    unread: VecDeque<ImageRef<'a>>,
    /// Images that were read, in the same order.
    read: VecDeque<ReadImage<'a>>,
    makers: Makers,
    room: Room,
    /// Whether pages are small, and handed over together.
    is_small: bool,
}

/// What makes rows of images. Its buffers grow with the largest image.
struct Makers {
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
    pub(super) fn new(job: &'a Job<'a>, memory: &Arc<Memory>) -> Worker<'a> {
        Worker {
            job,
            files: Files::new(memory),
            unread: VecDeque::new(),
            read: VecDeque::new(),
            makers: Makers::new(job),
            room: Room::new(memory),
            is_small: job.has_small_pages(),
        }
    }

    pub(super) fn fill_pages<I: Iterator<Item = PagePlan<'a>>>(
        mut self,
        window: &Window<I>,
        ahead: &Ahead<impl Iterator<Item = u32>>,
        results: Sender<Vec<Filled<'a>>>,
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
            let pages = window.take(|| self.rest());
            if pages.is_empty() {
                return;
            }
            ahead.taken(self.job, pages.last().map_or(0, |page| page.end));
            let records = pages.iter().flat_map(|page| page.plan.rows);
            let records = records.map(|&index| &self.job.listing.records[index as usize]);
            let images = 0..=self.makers.further.len();
            self.unread.extend(records.flat_map(|record| images.clone().map(|image| ImageRef { record, image })));
            let (mut batch, mut rows, mut left) = (Vec::new(), Vec::new(), pages.len());
            for page in pages {
                left -= 1;
                let is_last = left == 0 || page.plan.ends_row_group || !self.is_small;
                let mut filled = self.fill(page, &mut rows);
                if self.job.options.progress.is_stopped() {
                    return;
                }
                if is_last {
                    filled.others = self.other_arrays(std::mem::take(&mut rows));
                }
                batch.push(filled);
                if is_last && results.send(std::mem::take(&mut batch)).is_err() {
                    return;
                }
            }
        }
    }

    /// Fills a page. Appends its rows, with the indices of their records, to `rows`.
    fn fill(&mut self, Taken { number, plan, buffers, .. }: Taken<'a>, rows: &mut Vec<(u32, Row<'a>)>) -> Filled<'a> {
        let columns = self.job.columns.tensors().iter().zip(buffers);
        let mut pages: Vec<PageBuffer> = columns.map(|(column, buffer)| column.pages.buffer(buffer)).collect();
        let (mut facts, mut rejects, mut bytes) = (Vec::with_capacity(plan.rows.len()), Vec::new(), 0);
        for &index in plan.rows {
            if self.job.options.progress.is_stopped() {
                break;
            }
            let row = self.make_row(index as usize, &mut pages);
            self.job.options.progress.advance(row.is_err());
            match row {
                Ok((row, facts_of_row)) => {
                    bytes += row.image.len() + pages.iter_mut().map(|page| page.slot().len()).sum::<usize>();
                    facts.push(facts_of_row);
                    rows.push((index, row));
                    pages.iter_mut().for_each(PageBuffer::keep);
                }
                Err(error) => rejects.push((self.job.listing.records[index as usize].key.clone().into(), error)),
            }
        }
        let pages = if facts.is_empty() { Vec::new() } else { pages.into_iter().map(PageBuffer::finish).collect() };
        Filled { number, plan, pages, others: Vec::new(), facts, rejects, bytes }
    }

    /// All columns except the tensors, for rows with the indices of their records.
    fn other_arrays(&self, rows: Vec<(u32, Row<'a>)>) -> Vec<ArrayRef> {
        let listing = self.job.listing;
        let stored = UInt32Array::from_iter_values(rows.iter().map(|(index, _)| listing.records[*index as usize].row));
        let of_rows = |column: &ArrayRef| take(column, &stored, None).expect("every record has a row in its columns");
        let typed: Vec<ArrayRef> = listing.columns.iter().map(of_rows).collect();
        let labels = listing.labels.as_ref().map(|labels| of_rows(&labels.values));
        let rows: Vec<Row<'_>> = rows.into_iter().map(|(_, row)| row).collect();
        self.job.columns.other_arrays(&rows, labels, &typed)
    }

    /// Makes a row, and writes its tensors to the next slots of the pages.
    fn make_row(&mut self, index: usize, pages: &mut [PageBuffer]) -> Result<(Row<'a>, Facts), RecordError> {
        let mut made = self.make_first(index, pages);
        for column in 0..self.makers.further.len() {
            // The image has to be taken even if the row is already rejected.
            let further = self.make_further(column, pages);
            made = made.and_then(|(row, facts)| {
                let is_truncated = facts.is_truncated | further?;
                Ok((row, Facts { is_truncated, ..facts }))
            });
        }
        if self.room.is_wanted() {
            self.empty();
        }
        made
    }

    /// Makes the row of a record, with its main tensor or file, from the record's first image.
    fn make_first(&mut self, index: usize, pages: &mut [PageBuffer]) -> Result<(Row<'a>, Facts), RecordError> {
        let ReadImage { image, number, sha256 } = self.next_image();
        let (record, sha256) = (image.record, sha256?);
        if self.job.hashes.get(index).is_some_and(|earlier| *earlier != sha256) {
            return Err(RecordError::Changed);
        }
        let image = ReadImage { image, number, sha256: Ok(sha256) };
        let spec = self.job.recipe.spec();
        let (raw, number) = self.decode(image, spec)?;
        let Makers { decoder, product, .. } = &mut self.makers;
        let pixels = decoder.pixels(&raw, spec)?;
        let (image, elements) = match (product, pages) {
            (Images::Tensors(filler), [page, ..]) => {
                filler.fill(&pixels, &View::default(), page.slot())?;
                (Vec::new(), moments_of(page.slot(), spec))
            }
            (Images::Encoded(filler, encoder, buffer), _) => {
                filler.fill(&pixels, &View::default(), buffer)?;
                (encoder.encode(buffer), moments_of(buffer, spec))
            }
            (Images::Originals, _) if self.files.pixels(number).is_some() => return Err(RecordError::NotStorable),
            (Images::Originals, _) => (self.files.bytes(number).to_vec(), RowMoments::default()),
            (Images::Tensors(_), []) => unreachable!("tensors have pages"),
        };
        let row = Row {
            path: &record.key,
            label: record.label,
            source_height: pixels.source_height,
            source_width: pixels.source_width,
            sha256,
            image,
        };
        let Row { label, source_width, source_height, .. } = row;
        let is_truncated = raw.is_truncated();
        Ok((row, Facts { elements, label, source_width, source_height, is_truncated }))
    }

    /// Makes the tensor of a further column, from the next image of the record. Returns whether that is truncated.
    fn make_further(&mut self, column: usize, pages: &mut [PageBuffer]) -> Result<bool, RecordError> {
        let image = self.next_image();
        let spec = &self.job.recipe.further[column].spec;
        let (raw, _) = self.decode(image, spec)?;
        let pixels = self.makers.decoder.pixels(&raw, spec)?;
        self.makers.further[column].fill(&pixels, &View::default(), pages[column + 1].slot())?;
        Ok(raw.is_truncated())
    }

    /// Decodes an image, and returns its index among the images in memory. Waits for memory if others hold it; a large
    /// file is then read anew.
    fn decode(&mut self, image: ReadImage<'a>, spec: &Spec) -> Result<(Raw, usize), RecordError> {
        let ReadImage { image, mut number, sha256 } = image;
        let sha256 = sha256?;
        let path = Path::new(&*image.record.key);
        loop {
            let of_file = self.files.held();
            let mut admit = |claim| self.room.admit(claim, of_file);
            let (bytes, decoder) = (self.files.bytes(number), &mut self.makers.decoder);
            let decoded = match self.files.pixels(number) {
                Some(pixels) => decoder.take(bytes, pixels, spec, &mut admit),
                None => decoder.read(bytes, path, spec, &mut |_, _| Wanted::whole(spec), &mut admit),
            };
            let Some(missing) = self.room.missing() else { return Ok((decoded?, number)) };
            self.empty();
            if of_file == 0 {
                self.room.wait(missing, 0);
                continue;
            }
            self.unread_group(image);
            let share = self.room.wait(missing, of_file);
            self.files.hold(share);
            let again = self.next_image();
            number = again.number;
            if again.sha256? != sha256 {
                return Err(RecordError::Changed);
            }
        }
    }

    /// Drops the group of images in memory, from this one on, to be read again.
    fn unread_group(&mut self, image: ImageRef<'a>) {
        let read = std::iter::once(image).chain(self.read.drain(..).map(|read| read.image));
        let unread: VecDeque<_> = read.chain(self.unread.drain(..)).collect();
        self.unread = unread;
        self.files.release();
    }

    /// Gives back all memory before the thread waits for its next pages. Every image that it has read is done.
    fn rest(&mut self) {
        self.files.release();
        if self.room.is_held() {
            self.empty();
        }
    }

    /// Drops all buffers, and gives back their memory.
    fn empty(&mut self) {
        self.makers = Makers::new(self.job);
        self.room.leave();
    }

    /// The next image. Reads a group of images into memory when none is left.
    fn next_image(&mut self) -> ReadImage<'a> {
        if self.read.is_empty() {
            let images = self.unread.make_contiguous();
            let (makers, room) = (&mut self.makers, &mut self.room);
            // What `empty` does.
            let release = || {
                *makers = Makers::new(self.job);
                room.leave();
            };
            let read = self.files.read(self.job.source, images, &self.job.recipe.spec().limits, release);
            let images = self.unread.drain(..read.len());
            let read = images.zip(read).enumerate().inspect(|(number, (_, sha256))| {
                if sha256.is_ok() {
                    self.job.options.progress.read(self.files.bytes(*number).len());
                }
            });
            self.read.extend(read.map(|(number, (image, sha256))| ReadImage { image, number, sha256 }));
        }
        self.read.pop_front().expect("every image of a page is read")
    }
}

impl Makers {
    fn new(job: &Job<'_>) -> Makers {
        let further = job.recipe.further.iter().map(Further::filler).collect();
        Makers { decoder: Decoder::default(), product: Images::new(job), further }
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
