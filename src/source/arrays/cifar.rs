//! The binary version of CIFAR-10 and CIFAR-100: records of one or two labels and 32x32 pixels, planes of red, green
//! and blue.
//!
//! Source: <https://www.cs.toronto.edu/~kriz/cifar.html>.

use std::path::Path;

use super::array::Array;
use super::element::Element;
use super::stored::Stored;
use crate::error::{Error, SourceError};
use crate::remote::Stores;
use crate::spec::Split;

/// Bytes of the pixels of an image.
const PIXELS: u64 = 3 * 32 * 32;

/// Longest list of class names that is read.
const LONGEST_NAMES: usize = 1 << 16;

/// One of the two datasets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cifar {
    Ten,
    Hundred,
}

/// What a file of this name is.
pub(super) fn of_name(name: &str) -> Option<(Cifar, Split)> {
    match name {
        "data_batch_1.bin" | "data_batch_2.bin" | "data_batch_3.bin" | "data_batch_4.bin" | "data_batch_5.bin" => {
            Some((Cifar::Ten, Split::Train))
        }
        "test_batch.bin" => Some((Cifar::Ten, Split::Test)),
        "train.bin" => Some((Cifar::Hundred, Split::Train)),
        "test.bin" => Some((Cifar::Hundred, Split::Test)),
        _ => None,
    }
}

/// Whether a file of this name belongs to the version for Python, which is pickled.
pub(super) fn is_pickled(name: &str, head: &[u8]) -> bool {
    let is_batch = name.strip_prefix("data_batch_").is_some_and(|number| number.parse::<u8>().is_ok());
    head.starts_with(&[0x80]) && (is_batch || matches!(name, "test_batch" | "train" | "test"))
}

/// Whether a file only describes others.
pub(super) fn is_description(name: &str) -> bool {
    matches!(
        name,
        "batches.meta.txt"
            | "fine_label_names.txt"
            | "coarse_label_names.txt"
            | "readme.html"
            | "batches.meta"
            | "meta"
    )
}

impl Cifar {
    /// Length of a record, in bytes.
    pub(super) fn record(self) -> u64 {
        self.labels() + PIXELS
    }

    /// Number of labels of a record.
    fn labels(self) -> u64 {
        match self {
            Cifar::Ten => 1,
            Cifar::Hundred => 2,
        }
    }

    /// The images of a file.
    ///
    /// # Errors
    /// If it can't be opened, or is no whole number of records.
    pub(super) fn images(self, path: &Path, stores: &Stores) -> Result<Array, Error> {
        self.part(path, self.labels(), &[3, 32, 32], stores)
    }

    /// The labels of a file: those of the 10 or the 100 classes.
    ///
    /// # Errors
    /// As [`Self::images`].
    pub(super) fn classes(self, path: &Path, stores: &Stores) -> Result<Array, Error> {
        self.part(path, self.labels() - 1, &[], stores)
    }

    /// The labels of the 20 groups of classes; none if there are no such labels.
    ///
    /// # Errors
    /// As [`Self::images`].
    pub(super) fn groups(self, path: &Path, stores: &Stores) -> Result<Option<Array>, Error> {
        match self {
            Cifar::Ten => Ok(None),
            Cifar::Hundred => self.part(path, 0, &[], stores).map(Some),
        }
    }

    fn part(self, path: &Path, first: u64, row: &[u64], stores: &Stores) -> Result<Array, Error> {
        let stored = Stored::whole(path, stores)?;
        let (bytes, stride) = (stored.length().unwrap_or(0), self.record());
        if bytes == 0 || bytes % stride != 0 {
            let reason = format!("its {bytes} bytes are no whole number of records of {stride} bytes");
            return Err(Error::source(path)(SourceError::Damaged(reason)));
        }
        let shape = [&[bytes / stride], row].concat();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Array { stored, name, element: Element::BYTE, shape, is_fortran: false, first, stride })
    }

    /// The names of the classes, from the list beside a file; none if there is no list.
    ///
    /// # Errors
    /// If the list can't be read, or is too long.
    pub(super) fn names(self, path: &Path, stores: &Stores) -> Result<Option<Vec<String>>, Error> {
        let list = path.with_file_name(match self {
            Cifar::Ten => "batches.meta.txt",
            Cifar::Hundred => "fine_label_names.txt",
        });
        if !stores.is_file(&list) {
            return Ok(None);
        }
        let file = stores.open(&list).map_err(Error::io("open", &list))?;
        let mut text = vec![0; file.len().min(LONGEST_NAMES as u64 + 1) as usize];
        file.read_at(0, &mut text).map_err(Error::io("read", &list))?;
        if text.len() > LONGEST_NAMES {
            return Err(Error::source(&list)(SourceError::Damaged("it is too long for names of classes".to_owned())));
        }
        let text = String::from_utf8_lossy(&text);
        let names = text.lines().map(str::trim).filter(|name| !name.is_empty());
        Ok(Some(names.map(str::to_owned).collect()))
    }
}
