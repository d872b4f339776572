//! The plan of the house: a room names only rooms below it. `ARCHITECTURE.md` quotes the order. The files of the Python
//! package have an order too, which `tests/interop/test_package_order.py` holds.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of both crates, from the lowest on.
const ROOMS: &str =
    "spec error format dataset read run remote commit source image plan items pipeline load look commands cli";

/// All Rust files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let below = |path: PathBuf| match path.is_dir() {
        true => files(&path),
        false => vec![path],
    };
    let files = fs::read_dir(folder).unwrap().flat_map(|entry| below(entry.unwrap().path()));
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// Every line that names a room above the one that it is in.
fn climbs(folder: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let floor = |room: &str| ROOMS.split(' ').position(|known| known == room);
    let mut climbs = Vec::new();
    for file in files(&root) {
        let below = file.strip_prefix(&root).unwrap();
        let Some(here) = below.iter().next().and_then(|room| floor(room.to_str().unwrap())) else { continue };
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            let named = line.split("//").next().unwrap().split("crate::").skip(1);
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let named = named.map(|rest| rest.split(|c| !is_word(c)).next().unwrap());
            if named.filter_map(floor).any(|there| there > here) {
                climbs.push(format!("{}:{}: {}", below.display(), number + 1, line.trim()));
            }
        }
    }
    climbs
}

#[test]
fn rooms_name_only_rooms_below_them() {
    for folder in ["src", "crates/inlaid-format/src"] {
        assert_eq!(climbs(folder), [""; 0], "{folder}");
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
fn architecture_quotes_the_order() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    assert!(text.contains(&ROOMS.replace(' ', " < ")), "ARCHITECTURE.md names the rooms in another order");
}
