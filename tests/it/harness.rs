//! A scratch folder with images, the binary run in it, and what it wrote read back.

use std::fs::{self, File};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_ipc::reader::FileReader;
use inlaid::Checksum;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use tempfile::TempDir;

/// A folder of its own for a test.
pub struct Scratch(TempDir);

/// A row as it was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRow {
    pub split: &'static str,
    pub path: String,
    pub label: Option<i64>,
}

/// What a run of the binary left.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Scratch {
    pub fn new() -> Scratch {
        Scratch(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a small PNG whose pixels depend on its name.
    pub fn image(&self, name: &str) -> PathBuf {
        let path = self.file(name, &[]);
        let color = name.bytes().fold(7_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
        let pixels = image::RgbImage::from_fn(5, 4, |x, y| image::Rgb([color, x as u8 * 40, y as u8 * 60]));
        pixels.save_with_format(&path, image::ImageFormat::Png).unwrap();
        path
    }

    /// `count` images in each of the folders, numbered from 0.
    pub fn images(&self, folders: &[&str], count: usize) -> &Scratch {
        self.more_images(folders, 0..count)
    }

    /// Images of these numbers in each of the folders.
    pub fn more_images(&self, folders: &[&str], numbers: Range<usize>) -> &Scratch {
        for folder in folders {
            for number in numbers.clone() {
                self.image(&format!("{folder}/{number:03}.png"));
            }
        }
        self
    }

    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// `inlaid convert` with these words, separated by blanks, in this folder.
    pub fn convert(&self, words: &str) -> Ran {
        self.run("convert", words)
    }

    /// A command of `inlaid` with these words, separated by blanks, in this folder.
    pub fn run(&self, command: &str, words: &str) -> Ran {
        Ran::of(self.command(command, words).output().unwrap())
    }

    /// A command of `inlaid`, to be started in this folder.
    pub fn command(&self, command: &str, words: &str) -> Command {
        let mut inlaid = Command::new(env!("CARGO_BIN_EXE_inlaid"));
        inlaid.arg(command).args(words.split_whitespace()).current_dir(self.path());
        inlaid
    }

    /// All rows of the dataset in this folder, split by split, in order.
    pub fn rows(&self, dataset: &str) -> Vec<ReadRow> {
        ["train", "validation", "test"].into_iter().flat_map(|split| self.rows_of(dataset, split)).collect()
    }

    fn rows_of(&self, dataset: &str, split: &'static str) -> Vec<ReadRow> {
        let Ok(shards) = fs::read_dir(self.path().join(dataset).join(split)) else { return Vec::new() };
        let mut shards: Vec<PathBuf> = shards.map(|shard| shard.unwrap().path()).collect();
        shards.sort();
        shards.iter().flat_map(|shard| self.rows_of_shard(shard, split)).collect()
    }

    /// The rows of a shard.
    pub fn rows_of_shard(&self, shard: &Path, split: &'static str) -> Vec<ReadRow> {
        let file = File::open(self.path().join(shard)).unwrap();
        let batches: Vec<RecordBatch> = match shard.extension().unwrap().to_str().unwrap() {
            "arrow" => FileReader::try_new(file, None).unwrap().map(Result::unwrap).collect(),
            _ => {
                let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
                reader.map(Result::unwrap).collect()
            }
        };
        let mut rows = Vec::new();
        for batch in batches {
            let labels = batch.column_by_name("label").unwrap().as_primitive::<Int64Type>();
            let paths = batch.column_by_name("path").unwrap().as_string::<i32>();
            let row = |(label, path): (_, Option<&str>)| ReadRow { split, path: path.unwrap().to_owned(), label };
            rows.extend(labels.iter().zip(paths).map(row));
        }
        rows
    }

    /// How many rows each row group of a Parquet shard has, and its bytes.
    pub fn row_groups(&self, shard: &str) -> Vec<(usize, Vec<u8>)> {
        let bytes = fs::read(self.path().join(shard)).unwrap();
        let bytes_of = |row_group: &RowGroupMetaData| {
            let ranges: Vec<_> = row_group.columns().iter().map(|column| column.byte_range()).collect();
            let (start, end) = (ranges[0].0, ranges.iter().map(|(start, length)| start + length).max().unwrap());
            bytes[start as usize..end as usize].to_vec()
        };
        let metadata = self.metadata(shard);
        metadata.row_groups().iter().map(|group| (group.num_rows() as usize, bytes_of(group))).collect()
    }

    /// What the footer of a Parquet shard holds under this key.
    pub fn footer_value(&self, shard: &str, key: &str) -> String {
        let metadata = self.metadata(shard);
        let mut pairs = metadata.file_metadata().key_value_metadata().unwrap().iter();
        pairs.find(|pair| pair.key == key).unwrap().value.clone().unwrap()
    }

    fn metadata(&self, shard: &str) -> ParquetMetaData {
        let file = File::open(self.path().join(shard)).unwrap();
        ParquetMetaDataReader::new().parse_and_finish(&file).unwrap()
    }

    /// The paths of the files in a folder, and their bytes, sorted.
    pub fn files(&self, folder: &str) -> Vec<(String, Vec<u8>)> {
        let root = self.path().join(folder);
        let mut files = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                    files.push((name, fs::read(&path).unwrap()));
                }
            }
        }
        files.sort();
        files
    }

    /// The files of a dataset, without those of the lock.
    pub fn dataset(&self, folder: &str) -> Vec<(String, Vec<u8>)> {
        self.files(folder).into_iter().filter(|(name, _)| name != ".inlaid/lock").collect()
    }

    /// The manifest of a dataset.
    pub fn manifest(&self, dataset: &str) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.path().join(dataset).join("inlaid.json")).unwrap()).unwrap()
    }

    /// The names of the files of a split, sorted.
    pub fn shards(&self, dataset: &str, split: &str) -> Vec<String> {
        let manifest = self.manifest(dataset);
        let shards = manifest["splits"][split]["shards"].as_array().unwrap();
        shards.iter().map(|shard| shard["file"].as_str().unwrap().to_owned()).collect()
    }

    /// Changes the manifest of a dataset, and its checksum accordingly if it keeps one.
    pub fn edit_manifest(&self, dataset: &str, edit: impl FnOnce(&mut serde_json::Value)) {
        let mut manifest = self.manifest(dataset);
        edit(&mut manifest);
        let with = |checksum: &str| format!("\n  \"checksum\": \"{checksum}\"");
        let zeros = format!("xxh3-128:{:032}", 0);
        if manifest.get("checksum").is_some() {
            manifest["checksum"] = zeros.clone().into();
        }
        let text = serde_json::to_string_pretty(&manifest).unwrap();
        let checksum = Checksum::of(text.as_bytes()).to_string();
        let text = text.replace(&with(&zeros), &with(&checksum));
        self.file(&format!("{dataset}/inlaid.json"), text.as_bytes());
    }

    /// Asserts that a dataset reads back whole, that its manifest counts what is there, and that
    /// nothing is left of the run that made it.
    #[track_caller]
    pub fn is_whole(&self, dataset: &str) {
        let ran = self.run("verify", dataset).exits(0);
        assert_eq!(ran.stderr, "");
        let (rows, rejects, manifest) = (self.rows(dataset).len(), self.rejects(dataset).len(), self.manifest(dataset));
        let noun = if rows == 1 { "row" } else { "rows" };
        assert!(ran.stdout.starts_with(&format!("intact: {rows} {noun} in ")), "{}", ran.stdout);
        assert_eq!((&manifest["inputs"], &manifest["rejects"]), (&(rows + rejects).into(), &rejects.into()));
        let private = self.files(&format!("{dataset}/.inlaid")).into_iter().map(|(name, _)| name);
        let private: Vec<_> = private.filter(|name| name != "lock").collect();
        match manifest.get("previous") {
            Some(_) => assert_eq!(private, ["rejects-before.jsonl"]),
            None => assert_eq!(private, [""; 0]),
        }
    }

    /// The lines of `rejects.jsonl`: path, stage, reason, detail.
    pub fn rejects(&self, dataset: &str) -> Vec<[String; 4]> {
        let Ok(text) = fs::read_to_string(self.path().join(dataset).join("rejects.jsonl")) else { return Vec::new() };
        let field = |line: &serde_json::Value, name: &str| line[name].as_str().unwrap().to_owned();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.map(|line| ["path", "stage", "reason", "detail"].map(|name| field(&line, name))).collect()
    }
}

/// Asserts that two datasets have the same files.
#[track_caller]
pub fn same_files(s: &Scratch, first: &str, second: &str) {
    let (first, second) = (s.dataset(first), s.dataset(second));
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&first), names(&second));
    for ((name, a), (_, b)) in first.iter().zip(&second) {
        assert!(a == b, "`{name}` differs:\n{}\n{}", String::from_utf8_lossy(a), String::from_utf8_lossy(b));
    }
}

impl Ran {
    pub fn of(output: Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Asserts the exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Asserts that the run stopped with this message and hint, and said nothing else.
    #[track_caller]
    pub fn fails(self, code: i32, message: &str) {
        assert_eq!((self.code, self.stderr.trim_end()), (code, message));
        assert_eq!(self.stdout, "");
    }

    /// The summary that `--json` prints.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}
