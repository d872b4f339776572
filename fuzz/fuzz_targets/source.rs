//! Any bytes as a file to convert: an archive, an array, or a table. Conversion never panics, waits, takes memory
//! without bound or writes outside of its folder. What it writes is sound, is what its summary says, and does not
//! depend on the number of threads.

#![no_main]

mod contained;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use flate2::Compression;
use flate2::write::GzEncoder;
use inlaid::{ByteSize, Dataset, Limits, Mode, RunOptions, Spec, open_source};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// Names of the file, chosen by the first byte: content and name together decide how it is read. Only the end of this
/// list may grow, or the files of the corpus become others.
const NAMES: [&str; 16] = [
    "a.tar",
    "a.tgz",
    "a.zip",
    "images.npy",
    "a.npz",
    "train-images-idx3-ubyte",
    "data_batch_1.bin",
    "metadata.csv",
    "metadata.jsonl",
    "a.parquet",
    "a.arrow",
    "a.tar.zst",
    "t10k-images-idx3-ubyte.gz",
    "train.bin",
    SEALED_TAR,
    SEALED_GZIP,
];

/// A tar whose headers get the right checksums, which hardly any change of bytes would leave right.
const SEALED_TAR: &str = "train.tar";

/// Such a tar, compressed.
const SEALED_GZIP: &str = "train.tar.gz";

/// Files beside it: images that a table may name, and labels of arrays.
const BESIDE: [(&str, &[u8]); 5] = [
    ("1.pgm", b"P5 2 2 255\n\x00\x40\x80\xff"),
    ("2.pgm", b"P5 3 1 255\n\x00\x40\x80"),
    ("more/1.pgm", b"P5 1 3 255\n\x00\x40\x80"),
    ("labels.csv", b"file_name,label\n1.pgm,cat\n2.pgm,dog\n"),
    ("train-labels-idx1-ubyte", b"\x00\x00\x08\x01\x00\x00\x00\x02\x07\x03"),
];

thread_local! {
    static FOLDER: RefCell<TempDir> = RefCell::new(folder());
}

fuzz_target!(init: contained::let_contained_panics_pass(), |input: &[u8]| FOLDER.with_borrow(|folder| {
    let Some((name, bytes)) = input.split_first() else { return };
    let name = NAMES[usize::from(*name) % NAMES.len()];
    let path = folder.path().join("in").join(name);
    let bytes = match name {
        SEALED_TAR => sealed(bytes),
        SEALED_GZIP => compressed(&sealed(bytes)),
        _ => bytes.to_owned(),
    };
    fs::write(&path, &bytes).unwrap();
    convert_twice(folder.path(), &path);
    assert!(fs::read(&path).unwrap() == bytes, "the source was changed");
    fs::remove_file(&path).unwrap();
    for out in ["out", "again"] {
        let _ = fs::remove_dir_all(folder.path().join(out));
    }
    assert_eq!(entries(folder.path()), ["in"], "something was written outside");
    assert_eq!(entries(&folder.path().join("in")).len(), BESIDE.len(), "something was written into the source");
}));

/// A tar with the checksum of each of its headers.
fn sealed(tar: &[u8]) -> Vec<u8> {
    let mut tar = tar.to_owned();
    for block in tar.chunks_exact_mut(512).filter(|block| block[257..].starts_with(b"ustar")) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    tar
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// A folder in memory, if possible.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    for (name, bytes) in BESIDE {
        let path = folder.path().join("in").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn options(threads: usize) -> RunOptions {
    let mut options = RunOptions::default();
    options.threads = NonZeroUsize::new(threads);
    options
}

fn spec() -> Spec {
    let mut spec = Spec::new("4".parse().unwrap());
    spec.row_group_bytes = "192".parse().unwrap();
    spec.shard_bytes = "4 KiB".parse().unwrap();
    spec.limits = Limits { file_bytes: ByteSize(1 << 16), pixels: 1 << 12, side: 1 << 10 };
    spec
}

/// Converts the file, and checks what comes out of it. An error is what most files end in.
fn convert_twice(folder: &Path, path: &Path) {
    let (out, again) = (folder.join("out"), folder.join("again"));
    let mut dry = options(1);
    dry.mode = Mode::DryRun;
    let foreseen = inlaid::convert(&[path], &out, &spec(), &dry);
    assert!(!out.exists(), "a dry run writes");
    let Ok(summary) = inlaid::convert(&[path], &out, &spec(), &options(1)) else { return };
    assert_eq!(foreseen.unwrap().inputs, summary.inputs, "a dry run finds other inputs");
    assert_eq!(summary.rows + summary.rejects, summary.inputs, "not every input is a row or a reject");
    assert_eq!(summary.rejects_by_reason.values().sum::<usize>(), summary.rejects);

    let source = open_source(&[path], &options(1).source).unwrap();
    let verification = inlaid::verify(&out, Some(&*source), &options(1)).unwrap();
    assert_eq!(verification.problems, [], "the dataset is not sound");
    assert_eq!((verification.rows, verification.unfinished), (summary.rows, false));

    let dataset = Dataset::open(&out).unwrap();
    assert_eq!(dataset.rejects().len(), summary.rejects);
    let mut keys = HashSet::new();
    for table in dataset.into_splits().values() {
        let paths = table.column("path").unwrap();
        assert!(
            paths.as_string::<i32>().iter().flatten().all(|path| keys.insert(path.to_owned())),
            "a key is repeated"
        );
        table.copy(&(0..table.len()).collect::<Vec<_>>()).unwrap();
    }
    assert_eq!(keys.len(), summary.rows, "a row has no key");

    inlaid::convert(&[path], &again, &spec(), &options(2)).unwrap();
    assert!(files(&out) == files(&again), "two threads write other files");
}

/// Sorted names of what is in a folder.
fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut entries: Vec<String> = entries.collect();
    entries.sort();
    entries
}

/// All files below a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(folder).unwrap().to_owned();
                    files.insert(name, fs::read(&path).unwrap());
                }
            }
        }
    }
    files
}
