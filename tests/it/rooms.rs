//! The plan of the house: a room names only rooms below it. `ARCHITECTURE.md` quotes the order.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of both crates, from the lowest on.
const ROOMS: &str = "spec error format dataset read run commit source image plan pipeline commands cli";

/// The files of the native half of the Python package, and of its Python half.
const PYTHON_NATIVE: &str = "ndarray errors settings column arrow batches table write lib";
const PYTHON: &str = "_errors _inlaid _settings _batches _frameworks _table _dataset _write _cli __init__ __main__";

/// All files below a folder with this extension.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => files(&path, extension),
            false => Vec::from_iter((path.extension().is_some_and(|found| found == extension)).then_some(path)),
        })
        .collect()
}

/// Every name of a room in the code of the files of a folder that is above the room of the file.
fn climbs(folder: &str, extension: &str, order: &str, names: impl Fn(&str) -> Vec<String>) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let order: Vec<&str> = order.split(' ').collect();
    let floor = |room: &str| order.iter().position(|known| *known == room);
    let mut climbs = Vec::new();
    for file in files(&root, extension) {
        let below = file.strip_prefix(&root).unwrap();
        let room = below.iter().next().unwrap().to_str().unwrap().trim_end_matches(&format!(".{extension}"));
        let Some(here) = floor(room) else { continue };
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            let higher = names(line).into_iter().find(|name| floor(name).is_some_and(|there| there > here));
            climbs.extend(higher.map(|name| format!("{}:{}: {room} names {name}", below.display(), number + 1)));
        }
    }
    climbs
}

/// The words behind each of these marks in a line of code.
fn words_behind(line: &str, marks: &[&str]) -> Vec<String> {
    let code = line.split("//").next().unwrap();
    let behind = marks.iter().flat_map(|mark| code.split(mark).skip(1));
    let word = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    behind.map(word).collect()
}

#[test]
fn rooms_name_only_rooms_below_them() {
    for folder in ["src", "crates/inlaid-format/src"] {
        assert_eq!(climbs(folder, "rs", ROOMS, |line| words_behind(line, &["crate::"])), [""; 0], "{folder}");
    }
}

#[test]
fn there_are_no_other_rooms() {
    for folder in ["src", "crates/inlaid-format/src"] {
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let known = ROOMS.split(' ').chain(["lib.rs", "bin"]);
            assert!(known.into_iter().any(|known| known == name), "{folder}/{name}");
        }
    }
}

#[test]
fn python_names_only_files_below_its_own() {
    assert_eq!(climbs("python/src", "rs", PYTHON_NATIVE, |line| words_behind(line, &["crate::"])), [""; 0]);
    let imports = |line: &str| words_behind(line, &["from .", "from . import ", "from .._frameworks.", "from .."]);
    assert_eq!(climbs("python/inlaid", "py", PYTHON, imports), [""; 0]);
}

#[test]
fn architecture_quotes_the_order() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    assert!(text.contains(&ROOMS.replace(' ', " < ")), "ARCHITECTURE.md names the rooms in another order");
}
