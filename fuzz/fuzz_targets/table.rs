//! Any bytes as a file of tensors: reading never panics, never takes memory without bound, and gives
//! the pixels that the parquet crate gives where both can read the file.

#![no_main]

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt8Type;
use inlaid_format::Table;
use libfuzzer_sys::fuzz_target;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::NamedTempFile;

/// Limit of rows, because a damaged footer may claim any number.
const MOST_BYTES: usize = 1 << 20;

/// Number of encoded images that are read.
const MOST_FILES: usize = 1 << 10;

thread_local! {
    static FILE: RefCell<NamedTempFile> = RefCell::new(NamedTempFile::new().unwrap());
    /// Whether the parquet crate is reading on its own: its panics are no findings.
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

fuzz_target!(init: let_contained_panics_pass(), |bytes: &[u8]| FILE.with_borrow(|file| {
    fs::write(file.path(), bytes).unwrap();
    let Ok(table) = Table::open(file.path()) else { return };
    let Some(column) = table.tensor_column() else {
        (0..table.len().min(MOST_FILES)).for_each(|row| drop(table.image_file(row)));
        return;
    };
    let rows = table.len().min(MOST_BYTES / column.row_bytes().max(1));
    for name in ["label", "path", "sha256"] {
        let _ = (rows == table.len()).then(|| table.column(name));
    }
    let tensors = table.copy(&(0..rows).collect::<Vec<_>>());
    ALONE.set(true);
    let decoded = panic::catch_unwind(AssertUnwindSafe(|| decoded(file.path(), &column.name)));
    ALONE.set(false);
    if let (Ok(tensors), Ok(Some(decoded))) = (tensors, decoded)
        && decoded.len() == tensors.len()
    {
        assert!(*decoded == *tensors, "the parquet crate reads other pixels");
    }
}));

/// The fuzzer takes every panic for a bug, even one that is turned into an error.
fn let_contained_panics_pass() {
    let fail = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !inlaid_format::format::catch_panic::is_contained() && !ALONE.get() {
            fail(info);
        }
    }));
}

/// The tensors as the parquet crate reads them, if it can.
fn decoded(path: &Path, column: &str) -> Option<Vec<u8>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).ok()?).ok()?;
    let bounded = reader.metadata().file_metadata().num_rows() < 1 << 16;
    let mut tensors = Vec::new();
    for batch in bounded.then(|| reader.build().ok())?? {
        let batch = batch.ok()?;
        let images = batch.column_by_name(column)?;
        if let Some(list) = images.as_fixed_size_list_opt() {
            let values = list.values().as_primitive_opt::<UInt8Type>().filter(|values| values.null_count() == 0)?;
            tensors.extend_from_slice(values.values());
        } else {
            images.as_fixed_size_binary_opt()?.iter().for_each(|row| tensors.extend(row.unwrap_or_default()));
        }
        if tensors.len() > MOST_BYTES {
            return None;
        }
    }
    Some(tensors)
}
