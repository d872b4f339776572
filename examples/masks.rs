//! A source of one's own: photos, the masks beside them, and a value for each row.
//!
//!     cargo run --release --example masks -- PHOTOS MASKS OUT
//!
//! Every file in PHOTOS needs one of the same name in MASKS. The dataset in OUT has two columns of tensors, `image`
//! (32x32x3) and `mask` (16x16x1, no value that the mask does not have), and the length of the photo's file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use inlaid::arrow_array::{ArrayRef, Int64Array};
use inlaid::{
    ByteSize, ColumnSpec, ColumnType, Error, Files, ImageRef, Limits, Listing, Record, RecordError, RunOptions, Source,
    Spec, TensorSpec, convert_from,
};

/// Two folders with files of the same names.
struct Pairs {
    folders: [PathBuf; 2],
    names: Vec<String>,
}

impl Pairs {
    fn new(photos: &str, masks: &str) -> std::io::Result<Pairs> {
        let entries = fs::read_dir(photos)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let mut names = entries.collect::<std::io::Result<Vec<String>>>()?;
        names.sort();
        Ok(Pairs { folders: [photos, masks].map(PathBuf::from), names })
    }

    fn path(&self, folder: usize, record: &Record) -> PathBuf {
        self.folders[folder].join(&*record.key)
    }
}

impl Source for Pairs {
    fn list(&self, _spec: &Spec) -> Result<Listing, Error> {
        let records = self.names.iter().zip(0..);
        let records = records.map(|(name, place)| Record::new(&**name, place));
        let records: Vec<Record> = records.collect();
        let bytes: Int64Array = records.iter().map(|record| self.length(record).map(|bytes| bytes as i64)).collect();
        Ok(Listing::new(records, Vec::new(), vec![Arc::new(bytes) as ArrayRef]))
    }

    fn read(&self, images: &[ImageRef<'_>], _limits: &Limits, files: &mut Files) {
        for ImageRef { record, image } in images {
            let read = |buffer: &mut Vec<u8>| {
                let bytes = fs::read(self.path(*image, record)).map_err(RecordError::Unreadable)?;
                buffer.extend_from_slice(&bytes);
                Ok(())
            };
            if !files.add(read) {
                return;
            }
        }
    }

    fn length(&self, record: &Record) -> Option<u64> {
        fs::metadata(self.path(0, record)).ok().map(|file| file.len())
    }

    fn paths(&self) -> &[PathBuf] {
        &self.folders
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [photos, masks, out] = &arguments[..] else { return Err("give PHOTOS MASKS OUT".into()) };
    let mut spec = Spec::new("32".parse()?);
    spec.tensors = vec![TensorSpec::mask("mask", "16".parse()?)];
    spec.columns = vec![ColumnSpec::new("photo_bytes", ColumnType::Int64)];
    // Small, so that even a small dataset has several row groups.
    spec.row_group_bytes = ByteSize(1 << 15);
    let summary = convert_from(&Pairs::new(photos, masks)?, Path::new(out), &spec, &RunOptions::default())?;
    println!("{} rows, {} rejects", summary.rows, summary.rejects);
    Ok(())
}
