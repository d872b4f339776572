//! Symbolic links inside a dataset of somebody else: no command writes through one, and each is refused by name.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::harness::Scratch;

/// Every command that writes to a dataset in `out`.
const WRITERS: [(&str, &str); 5] = [
    ("append", "more --out out"),
    ("compact", "out"),
    ("rollback", "out"),
    ("convert", "src --out out --size 4"),
    ("convert", "src --out out --size 5 --overwrite"),
];

/// A dataset of two snapshots in `out`, and a folder `outside` with a file in each of its folders.
fn dataset() -> Scratch {
    let s = Scratch::new();
    s.images(&["src/a", "src/b"], 10).more_images(&["more/a", "more/b"], 20..25);
    s.convert("src --out out --size 4").exits(0);
    s.run("append", "more --out out").exits(0);
    for name in ["file", "staging-1/file", "train/train-00000.parquet"] {
        s.file(&format!("outside/{name}"), b"somebody else's");
    }
    s
}

/// Puts a link at `name` in the dataset.
fn link(s: &Scratch, name: &str, target: impl AsRef<Path>) {
    let path = s.path().join("out").join(name);
    let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
    symlink(s.path().join(target), path).unwrap();
}

/// Every writer refuses the link `name`, and leaves the dataset and what is outside of it as they are.
#[track_caller]
fn is_refused(s: &Scratch, name: &str) {
    let before = all(s);
    for (command, words) in WRITERS {
        let ran = s.run(command, words).exits(1);
        let error = format!(
            "error: `out/{name}` is a symbolic link, and inlaid does not write through links inside a dataset\n\
             hint: replace the link by what it points to, if you trust the dataset\n"
        );
        assert_eq!(ran.stderr, error, "{command}");
        let after = all(s);
        let changed = before
            .iter()
            .filter(|file| after.get(file.0) != Some(file.1))
            .chain(after.iter().filter(|file| !before.contains_key(file.0)));
        assert_eq!(changed.map(|(path, _)| path).collect::<Vec<_>>(), Vec::<&PathBuf>::new(), "{command}");
    }
}

/// What there is in the dataset and outside of it: links by their targets, files by their bytes. But for the lock, which
/// names its last holder.
fn all(s: &Scratch) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = ["out", "outside"].into_iter().flat_map(|folder| WalkDir::new(s.path().join(folder)));
    let mut found = BTreeMap::new();
    for entry in entries.map(Result::unwrap) {
        let bytes = match entry.file_type() {
            kind if kind.is_symlink() => fs::read_link(entry.path()).unwrap().into_os_string().into_encoded_bytes(),
            kind if kind.is_file() => fs::read(entry.path()).unwrap(),
            _ => Vec::new(),
        };
        if !(entry.file_type().is_file() && entry.path().ends_with("out/.inlaid/lock")) {
            found.insert(entry.into_path(), bytes);
        }
    }
    found
}

#[test]
fn private_folder() {
    let s = dataset();
    link(&s, ".inlaid", "outside");
    is_refused(&s, ".inlaid");
}

#[test]
fn private_folder_that_is_a_link_to_nothing() {
    let s = dataset();
    link(&s, ".inlaid", "nothing");
    is_refused(&s, ".inlaid");
    assert!(!s.path().join("nothing").exists());
}

#[test]
fn lock() {
    let s = dataset();
    link(&s, ".inlaid/lock", "outside/file");
    is_refused(&s, ".inlaid/lock");
}

#[test]
fn lock_that_is_a_link_to_nothing() {
    let s = dataset();
    link(&s, ".inlaid/lock", "nothing");
    is_refused(&s, ".inlaid/lock");
    assert!(!s.path().join("nothing").exists());
}

#[test]
fn folder_of_a_split() {
    let s = dataset();
    fs::rename(s.path().join("out/validation"), s.path().join("outside/validation")).unwrap();
    link(&s, "validation", "outside/validation");
    is_refused(&s, "validation");
    // Readers follow it.
    assert!(s.run("verify", "out").exits(0).stdout.starts_with("intact: 30 rows in "));
}

/// A journal that would carry out its steps through the link `evil`.
#[track_caller]
fn journal_is_refused(journal: &str) {
    let s = dataset();
    link(&s, "evil", "outside");
    s.file("out/.inlaid/pay", b"payload");
    s.file("out/.inlaid/journal.json", journal.as_bytes());
    is_refused(&s, "evil");
    // Without the link it is carried out: it was the link that stopped it.
    fs::remove_file(s.path().join("out/evil")).unwrap();
    fs::rename(s.path().join("outside"), s.path().join("out/evil")).unwrap();
    let ran = s.run("append", "more --out out");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(!s.path().join("out/.inlaid/journal.json").exists());
}

#[test]
fn target_of_a_rename() {
    journal_is_refused(r#"{"renames": [[".inlaid/pay", "evil/file"]], "removals": []}"#);
}

#[test]
fn file_to_be_renamed() {
    journal_is_refused(r#"{"renames": [["evil/file", ".inlaid/mine"]], "removals": []}"#);
}

#[test]
fn file_to_be_removed() {
    journal_is_refused(r#"{"renames": [], "removals": ["evil/staging-1/file"]}"#);
}

#[test]
fn file_that_was_merged() {
    let merged =
        r#"{"renames": [[".inlaid/pay", ".inlaid/mine"]], "removals": [], "merged": {".inlaid/mine": ["evil/file"]}}"#;
    journal_is_refused(merged);
}

#[test]
fn hidden_folder_of_a_repacking() {
    let s = dataset();
    fs::create_dir(s.path().join("empty")).unwrap();
    symlink(s.path().join("empty"), s.path().join(".new.inlaid")).unwrap();
    let ran = s.run("repack", "out/train --out new").exits(1);
    let path = s.path().canonicalize().unwrap().join(".new.inlaid");
    let error = format!("error: `{}` is a symbolic link, and inlaid does not write through links", path.display());
    assert!(ran.stderr.starts_with(&error), "{}", ran.stderr);
    assert_eq!(fs::read_dir(s.path().join("empty")).unwrap().count(), 0);
}

#[test]
fn shards_and_small_files_that_are_links_are_replaced() {
    let s = dataset();
    for name in ["train/train-00000.parquet", "inlaid.json"] {
        fs::rename(s.path().join("out").join(name), s.path().join("outside/file")).unwrap();
        link(&s, name, "outside/file");
        let before = fs::read(s.path().join("outside/file")).unwrap();
        s.more_images(&["third/a"], 40..60);
        s.run("append", "third --out out").exits(0);
        s.run("rollback", "out").exits(0);
        assert_eq!(fs::read(s.path().join("outside/file")).unwrap(), before, "{name}");
        assert!(!s.path().join("out").join(name).is_symlink(), "{name}");
    }
    s.run("verify", "out").exits(0);
}

/// The way to the dataset is not inside of it.
#[test]
fn dataset_that_is_reached_through_a_link() {
    let s = dataset();
    fs::rename(s.path().join("out"), s.path().join("real")).unwrap();
    symlink("real", s.path().join("out")).unwrap();
    s.more_images(&["third/a"], 40..60);
    s.run("append", "third --out out").exits(0);
    s.run("compact", "out").exits(0);
    assert_eq!(s.rows("real").len(), 50);
    s.is_whole("out");
}

/// A lock with another name as well, as `cp -al` leaves it, or somebody who means harm.
#[test]
fn lock_that_is_a_hard_link_is_not_written_to() {
    let s = dataset();
    fs::remove_file(s.path().join("out/.inlaid/lock")).unwrap();
    fs::hard_link(s.path().join("outside/file"), s.path().join("out/.inlaid/lock")).unwrap();
    s.run("compact", "out").exits(0);
    assert_eq!(fs::read(s.path().join("outside/file")).unwrap(), b"somebody else's");
}
