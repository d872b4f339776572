//! Looks at every image of tables once. Their parts (row groups, record batches) are shared among a few threads, since
//! what is compressed takes longer to read than to copy.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::files::TableFile;
use super::index::{IN_FILE, IN_SPOOL, IN_TABLE, MISSING, TAG};
use super::spool::{Copies, Spool};
use crate::error::{Error, SourceError};
use crate::read::{BytesColumn, Item, Piece, SourceFile, SourceFileError, Value};

/// Most threads: they compete with each other for the disk. Each has a page, or a compressed record batch, in memory.
const THREADS: usize = 4;

/// The images of a part of a table.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) rows: usize,
    /// Number of images of a row; 0 if no row has any.
    pub(super) images: usize,
    /// First row that has images.
    pub(super) first: usize,
    /// Where the images are, as in an index.
    pub(super) offsets: Vec<u64>,
    pub(super) lengths: Vec<u32>,
    /// Files that rows name.
    pub(super) named: Vec<PathBuf>,
    /// Names of files that are not below the folder of the table, by the number of the image.
    pub(super) outside: BTreeMap<usize, String>,
}

/// A table, or a part of one.
struct Task {
    file: usize,
    part: Option<usize>,
}

type Outcome = Result<Vec<Part>, Error>;

/// The parts of each table.
pub(super) fn scan(files: &[TableFile], column: &str, spool: Option<&Spool>) -> Result<Vec<Vec<Part>>, Error> {
    let mut tasks = Vec::new();
    for (number, file) in files.iter().enumerate() {
        match file.kept() {
            Some(table) => tasks.extend((0..table.parts()).map(|part| Task { file: number, part: Some(part) })),
            None => tasks.push(Task { file: number, part: None }),
        }
    }
    let next = AtomicUsize::new(0);
    let outcomes: Vec<Mutex<Option<Outcome>>> = tasks.iter().map(|_| Mutex::default()).collect();
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS).min(tasks.len());
    let work = || -> Result<(), Error> {
        let mut copies = spool.map(Spool::copies);
        // The first task that fails is known in the end, since all before it were taken.
        while let Some((number, task)) = take(&tasks, &next) {
            let outcome = scan_task(&files[task.file], task.part, column, copies.as_mut());
            if outcome.is_err() {
                next.store(tasks.len(), Ordering::Relaxed);
            }
            *outcomes[number].lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        }
        copies.map_or(Ok(()), |mut copies| copies.finish())
    };
    let ends = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        let ends =
            others.into_iter().map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        [own].into_iter().chain(ends).collect::<Vec<_>>()
    });
    let mut parts: Vec<Vec<Part>> = files.iter().map(|_| Vec::new()).collect();
    for (task, outcome) in tasks.iter().zip(outcomes) {
        if let Some(outcome) = outcome.into_inner().unwrap_or_else(PoisonError::into_inner) {
            parts[task.file].extend(outcome?);
        }
    }
    ends.into_iter().collect::<Result<(), Error>>()?;
    Ok(parts)
}

fn take<'a>(tasks: &'a [Task], next: &AtomicUsize) -> Option<(usize, &'a Task)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    tasks.get(number).map(|task| (number, task))
}

fn scan_task(file: &TableFile, part: Option<usize>, name: &str, mut copies: Option<&mut Copies<'_>>) -> Outcome {
    let table = file.open()?;
    let other = || file.unfit()(SourceError::Damaged(format!("it has no images in column `{name}`")));
    let column = table.bytes_column(name).ok_or_else(other)?;
    let parts = part.map_or(0..table.parts(), |part| part..part + 1);
    let read = |part| {
        let read = Scan { part: Part::default(), row: None, items: 0, copies: copies.as_deref_mut() };
        read.read(file, &table, part, column).map_err(|stopped| match stopped {
            Stopped::Unread(error) => file.unread()(error),
            Stopped::Failed(error) => error,
            Stopped::TooMany(row) => {
                let row = row + table.rows_before(part).unwrap_or(0);
                file.unfit()(SourceError::TooManyImages { column: name.to_owned(), row, limit: MOST_IMAGES })
            }
            Stopped::Counts { row, found, expected } => {
                let row = row + table.rows_before(part).unwrap_or(0);
                file.unfit()(SourceError::ImageCounts { column: name.to_owned(), row, found, expected })
            }
        })
    };
    parts.map(read).collect()
}

/// Most images of a row: each has a place in every row, and a column.
const MOST_IMAGES: usize = 64;

/// A scan of a part.
struct Scan<'a, 'b> {
    part: Part,
    /// Row that is being read.
    row: Option<usize>,
    /// Images of that row so far.
    items: usize,
    copies: Option<&'a mut Copies<'b>>,
}

/// Why a scan ended.
enum Stopped {
    Unread(SourceFileError),
    Failed(Error),
    Counts {
        row: usize,
        found: usize,
        expected: usize,
    },
    /// A row has more images than any.
    TooMany(usize),
}

impl From<SourceFileError> for Stopped {
    fn from(error: SourceFileError) -> Stopped {
        Stopped::Unread(error)
    }
}

impl Scan<'_, '_> {
    fn read(mut self, file: &TableFile, table: &SourceFile, part: usize, column: BytesColumn) -> Result<Part, Stopped> {
        let _ = table.visit_bytes(part, column, Piece::Content, |row, value| self.look(row, value))?;
        self.part.rows = self.row.map_or(0, |row| row + 1);
        self.end_row()?;
        let has_gaps = self.part.offsets.iter().any(|offset| offset & TAG == MISSING);
        if column.item == Item::File && has_gaps {
            self.part.name(file, table, part, column)?;
        }
        Ok(self.part)
    }

    fn look(&mut self, row: usize, value: Value<'_>) -> Result<ControlFlow<()>, Stopped> {
        if self.row != Some(row) {
            self.end_row()?;
            self.row = Some(row);
        }
        if value == Value::NoItem {
            return Ok(ControlFlow::Continue(()));
        }
        self.items += 1;
        if self.items > MOST_IMAGES {
            return Err(Stopped::TooMany(row));
        }
        // The end of a row tells how many images it has.
        if self.part.images == 0 || self.items <= self.part.images {
            self.add(value).map_err(Stopped::Failed)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn add(&mut self, value: Value<'_>) -> Result<(), Error> {
        let Value::Bytes { bytes, offset, is_shared } = value else {
            self.part.push(MISSING, 0);
            return Ok(());
        };
        let offset = match (offset.filter(|offset| offset & TAG == 0), &mut self.copies) {
            (Some(offset), _) => IN_TABLE | offset,
            (None, Some(copies)) => IN_SPOOL | copies.add(bytes, is_shared)?,
            (None, None) => IN_SPOOL,
        };
        self.part.push(offset, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        Ok(())
    }

    /// Counts the images of the row that was read last. The first row that has any says how many a row has.
    fn end_row(&mut self) -> Result<(), Stopped> {
        let Some(row) = self.row else { return Ok(()) };
        let found = std::mem::take(&mut self.items);
        match (found, self.part.images) {
            (0, 0) => Ok(()),
            (0, expected) => {
                (0..expected).for_each(|_| self.part.push(MISSING, 0));
                Ok(())
            }
            (found, 0) => {
                (self.part.images, self.part.first) = (found, row);
                let before = row.saturating_mul(found);
                self.part.offsets.splice(0..0, std::iter::repeat_n(MISSING, before));
                self.part.lengths.splice(0..0, std::iter::repeat_n(0, before));
                Ok(())
            }
            (found, expected) if found != expected => Err(Stopped::Counts { row, found, expected }),
            _ => Ok(()),
        }
    }
}

impl Part {
    fn push(&mut self, offset: u64, length: u32) {
        self.offsets.push(offset);
        self.lengths.push(length);
    }

    /// Finds the files that are named where bytes are missing.
    fn name(
        &mut self,
        file: &TableFile,
        table: &SourceFile,
        part: usize,
        column: BytesColumn,
    ) -> Result<(), SourceFileError> {
        let folder = file.path.parent().unwrap_or(Path::new(""));
        let mut number = 0;
        let _ = table.visit_bytes(part, column, Piece::Name, |_, value| {
            let missing = self.offsets.get(number).is_some_and(|offset| offset & TAG == MISSING);
            if let (true, Value::Bytes { bytes, .. }) = (missing, value)
                && !bytes.is_empty()
            {
                let name = String::from_utf8_lossy(bytes);
                match is_below(&name) {
                    true => {
                        self.offsets[number] = IN_FILE | self.named.len() as u64;
                        self.named.push(folder.join(&*name));
                    }
                    false => drop(self.outside.insert(number, name.into_owned())),
                }
            }
            number += if value == Value::NoItem { self.images } else { 1 };
            Ok::<_, SourceFileError>(ControlFlow::Continue(()))
        })?;
        Ok(())
    }
}

/// Whether a name is that of a file below the folder that it is relative to.
fn is_below(name: &str) -> bool {
    let mut parts = Path::new(name).components().peekable();
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    parts.peek().is_some() && parts.all(is_plain) && !name.contains("://") && !name.contains(['\\', '\0'])
}

#[cfg(test)]
mod tests {
    use super::is_below;

    #[test]
    fn only_plain_relative_names_are_below_a_folder() {
        for name in ["a.png", "photos/a.png", "./a.png", "photos/..a"] {
            assert!(is_below(name), "{name}");
        }
        for name in ["", "/a.png", "../a.png", "a/../../b", "http://a/b.png", "a\\b", "a\0"] {
            assert!(!is_below(name), "{name}");
        }
    }
}
