//! A dataset with any edits, of its shards, manifest, journal and small files, as what every command finds: none
//! panics, waits, or changes a file outside of the dataset's folder.
//!
//! The edits are of kinds that bytes alone would hardly reach: a manifest whose checksum is right again, a journal that
//! names files that are there, links, and files in the place of others.

#![no_main]

mod contained;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use arbitrary::Arbitrary;
use inlaid::{Checksum, Dataset, Overwrite, RunOptions, Spec};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tempfile::TempDir;

const MANIFEST: &str = "inlaid.json";
const JOURNAL: &str = ".inlaid/journal.json";

/// Names that a manifest or a journal might give a file, besides those that are there.
const NAMES: [&str; 10] = [
    "",
    ".",
    "..",
    "../outside/file",
    "/dev/null",
    "evil/file",
    "train/train-99999.parquet",
    ".inlaid/lock",
    ".inlaid/staging-x/inlaid.json",
    "train",
];

/// A change of the dataset.
#[derive(Arbitrary, Debug)]
enum Edit {
    /// Another value of a byte.
    Byte { file: u8, at: u16, value: u8 },
    /// A file that ends early.
    Cut { file: u8, at: u16 },
    /// A file with more bytes.
    Longer { file: u8, bytes: Vec<u8> },
    /// A file that is gone.
    Remove { file: u8 },
    /// A file in the place of another.
    Copy { from: u8, to: Name },
    /// A file that is moved.
    Move { from: u8, to: Name },
    /// Another value in the manifest, whose checksum is right again.
    Set { place: u16, value: Other },
    /// A manifest without a value.
    Unset { place: u16 },
    /// A journal.
    Journal { renames: Vec<(Name, Name)>, removals: Vec<Name>, merged: Vec<(Name, Vec<Name>)> },
    /// A link to a folder or file outside.
    Link { name: Name, to_folder: bool },
}

#[derive(Arbitrary, Debug)]
enum Name {
    Of(u8),
    Other(u8),
}

#[derive(Arbitrary, Debug)]
enum Other {
    Null,
    Bool(bool),
    Number(i64),
    Small(u8),
    Float(f64),
    Name(Name),
    Text(String),
    Empty(bool),
    /// The value at another place.
    From(u16),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Command {
    Append,
    Compact,
    Rollback,
    Convert,
    Overwrite,
}

/// A dataset of two snapshots, and the folder that it is written to again and again.
struct Bench {
    folder: TempDir,
    files: BTreeMap<String, Vec<u8>>,
    manifest: Value,
    /// Pointers to all values of the manifest.
    places: Vec<String>,
}

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::new(Bench::new());
}

fuzz_target!(init: contained::let_contained_panics_pass(), |input: (Vec<Edit>, Command)| BENCH.with_borrow(|bench| {
    let (edits, command) = input;
    bench.write(&edits);
    bench.run(command);
    let outside = fs::read(bench.path("outside/file")).unwrap();
    assert!(outside == b"mine" && fs::read_dir(bench.path("outside")).unwrap().count() == 2, "changed outside");
    assert!(fs::read(bench.path("outside/staging-1/file")).unwrap() == b"mine", "changed outside");
}));

fn options() -> RunOptions {
    let mut options = RunOptions::default();
    options.threads = NonZeroUsize::new(1);
    options
}

fn spec() -> Spec {
    let mut spec = Spec::new("2".parse().unwrap());
    spec.row_group_bytes = "48".parse().unwrap();
    spec.shard_bytes = "96".parse().unwrap();
    spec
}

impl Bench {
    fn new() -> Bench {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let image = |name: &str, gray: u8| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, [&b"P5 2 2 255\n"[..], &[gray; 4]].concat()).unwrap();
        };
        (0..20).for_each(|number| image(&format!("first/{}/{number}.pgm", ["a", "b"][number % 2]), number as u8));
        (20..28).for_each(|number| image(&format!("second/c/{number}.pgm"), number as u8));
        (28..32).for_each(|number| image(&format!("third/a/{number}.pgm"), number as u8));
        fs::write(folder.path().join("first/a/broken.png"), "no image").unwrap();
        let out = folder.path().join("out");
        inlaid::convert(&[folder.path().join("first")], &out, &spec(), &options()).unwrap();
        inlaid::append(&[folder.path().join("second")], &out, &options()).unwrap();
        let mut files = BTreeMap::new();
        read(&out, &out, &mut files);
        files.remove(".inlaid/lock");
        let manifest: Value = serde_json::from_slice(&files[MANIFEST]).unwrap();
        let mut places = Vec::new();
        list(&manifest, String::new(), &mut places);
        Bench { folder, files, manifest, places }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, number: u8) -> &str {
        self.files.keys().nth(usize::from(number) % self.files.len()).unwrap()
    }

    fn name(&self, name: &Name) -> &str {
        match name {
            Name::Of(number) => self.file(*number),
            Name::Other(number) => NAMES[usize::from(*number) % NAMES.len()],
        }
    }

    fn place(&self, number: u16) -> &str {
        &self.places[usize::from(number) % self.places.len()]
    }

    /// Writes the dataset with these edits, and what is outside of it.
    fn write(&self, edits: &[Edit]) {
        for folder in ["out", "outside"] {
            let _ = fs::remove_dir_all(self.path(folder));
        }
        fs::create_dir_all(self.path("outside/staging-1")).unwrap();
        fs::write(self.path("outside/file"), "mine").unwrap();
        fs::write(self.path("outside/staging-1/file"), "mine").unwrap();
        let (mut files, mut manifest, mut links) = (self.files.clone(), None, Vec::new());
        for edit in edits.iter().take(8) {
            match edit {
                Edit::Byte { file, at, value } => {
                    if let Some(bytes) = files.get_mut(self.file(*file)).filter(|bytes| !bytes.is_empty()) {
                        let at = usize::from(*at) % bytes.len();
                        bytes[at] = *value;
                    }
                }
                Edit::Cut { file, at } => {
                    if let Some(bytes) = files.get_mut(self.file(*file)) {
                        bytes.truncate(usize::from(*at) % (bytes.len() + 1));
                    }
                }
                Edit::Longer { file, bytes } => {
                    if let Some(there) = files.get_mut(self.file(*file)) {
                        there.extend(bytes);
                    }
                }
                Edit::Remove { file } => drop(files.remove(self.file(*file))),
                Edit::Copy { from, to } => {
                    let bytes = files.get(self.file(*from)).cloned().unwrap_or_default();
                    files.insert(self.name(to).to_owned(), bytes);
                }
                Edit::Move { from, to } => {
                    let bytes = files.remove(self.file(*from)).unwrap_or_default();
                    files.insert(self.name(to).to_owned(), bytes);
                }
                Edit::Set { place, value } => {
                    let value = self.value(value);
                    let manifest = manifest.get_or_insert_with(|| self.manifest.clone());
                    if let Some(there) = manifest.pointer_mut(self.place(*place)) {
                        *there = value;
                    }
                }
                Edit::Unset { place } => {
                    let manifest = manifest.get_or_insert_with(|| self.manifest.clone());
                    let (parent, key) = self.place(*place).rsplit_once('/').unwrap_or_default();
                    if let Some(Value::Object(parent)) = manifest.pointer_mut(parent) {
                        parent.remove(key);
                    }
                }
                Edit::Journal { renames, removals, merged } => {
                    let names = |names: &[Name]| names.iter().map(|name| self.name(name)).collect::<Vec<_>>();
                    let renames: Vec<_> = renames.iter().map(|(from, to)| [self.name(from), self.name(to)]).collect();
                    let merged: BTreeMap<_, _> = merged.iter().map(|(name, of)| (self.name(name), names(of))).collect();
                    let journal = json!({"renames": renames, "removals": names(removals), "merged": merged});
                    files.insert(JOURNAL.to_owned(), journal.to_string().into_bytes());
                }
                Edit::Link { name, to_folder } => links.push((self.name(name), *to_folder)),
            }
        }
        if let Some(manifest) = manifest {
            files.insert(MANIFEST.to_owned(), sealed(manifest));
        }
        for (name, bytes) in files {
            // Some names are of no file below the folder.
            let path = self.path("out").join(&name);
            if !name.is_empty() && path.starts_with(self.path("out")) && !name.contains("..") {
                let _ = fs::create_dir_all(path.parent().unwrap());
                let _ = fs::write(path, bytes);
            }
        }
        for (name, to_folder) in links {
            let path = self.path("out").join(if name == "evil/file" { "evil" } else { name });
            // Not through a link made before: an edit changes nothing outside.
            let inside = path.parent().and_then(|parent| parent.canonicalize().ok());
            let inside = inside.is_some_and(|parent| parent.starts_with(self.path("out").canonicalize().unwrap()));
            if inside && !name.contains("..") && !name.is_empty() {
                let _ = fs::remove_file(&path);
                let _ = symlink(self.path(if to_folder { "outside" } else { "outside/file" }), path);
            }
        }
    }

    fn value(&self, other: &Other) -> Value {
        match other {
            Other::Null => Value::Null,
            Other::Bool(value) => json!(value),
            Other::Number(value) => json!(value),
            Other::Small(value) => json!(value),
            Other::Float(value) => json!(value),
            Other::Name(name) => json!(self.name(name)),
            Other::Text(text) => json!(text),
            Other::Empty(true) => json!([]),
            Other::Empty(false) => json!({}),
            Other::From(place) => self.manifest.pointer(self.place(*place)).cloned().unwrap_or_default(),
        }
    }

    /// Reads, changes and reads again. Errors are what is expected.
    fn run(&self, command: Command) {
        let (out, options) = (self.path("out"), options());
        if inlaid::complete_commit(&out).is_ok() {
            let _ = inlaid::verify(&out, None, &options);
            if let Ok(dataset) = Dataset::open(&out) {
                for table in dataset.into_splits().values() {
                    let _ = table.copy(&(0..table.len().min(64)).collect::<Vec<_>>());
                }
            }
        }
        let _ = match command {
            Command::Append => inlaid::append(&[self.path("third")], &out, &options).map(drop),
            Command::Compact => inlaid::compact(&out).map(drop),
            Command::Rollback => inlaid::rollback(&out).map(drop),
            Command::Convert => inlaid::convert(&[self.path("first")], &out, &spec(), &options).map(drop),
            Command::Overwrite => {
                let mut options = options.clone();
                options.overwrite = Overwrite::Dataset;
                inlaid::convert(&[self.path("third")], &out, &spec(), &options).map(drop)
            }
        };
        let _ = inlaid::verify(&out, None, &options);
    }
}

/// The text of a manifest with the checksum of itself.
fn sealed(mut manifest: Value) -> Vec<u8> {
    let zeros = format!("xxh3-128:{:032}", 0);
    match manifest.as_object_mut() {
        Some(keys) if keys.contains_key("checksum") => drop(keys.insert("checksum".to_owned(), json!(zeros))),
        _ => return manifest.to_string().into_bytes(),
    }
    let text = manifest.to_string();
    let checksum = Checksum::of(text.as_bytes()).to_string();
    text.replace(&format!("\"checksum\":\"{zeros}\""), &format!("\"checksum\":\"{checksum}\"")).into_bytes()
}

/// Pointers to all values.
fn list(value: &Value, pointer: String, places: &mut Vec<String>) {
    match value {
        Value::Object(keys) => {
            keys.iter().for_each(|(key, value)| list(value, format!("{pointer}/{}", key.replace('/', "~1")), places));
        }
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(at, value)| list(value, format!("{pointer}/{at}"), places));
        }
        _ => {}
    }
    places.push(pointer);
}

/// All files below a folder, by their path below `root`.
fn read(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        match path.is_dir() {
            true => read(root, &path, files),
            false => {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
}
