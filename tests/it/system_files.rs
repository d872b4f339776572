//! Files and folders that operating systems and network storage leave everywhere: `.DS_Store`, `@eaDir`.

use std::fs;

use inlaid::read::Found;

use crate::harness::Scratch;

/// One of each kind: files, and folders with something in them.
const FILES: [&str; 5] = [".DS_Store", "._000.png", "Thumbs.db", "desktop.ini", ".nfs0001"];
const FOLDERS: [&str; 6] = ["@eaDir", "$RECYCLE.BIN", ".Trashes", ".Spotlight-V100", "__MACOSX", "lost+found"];

/// Leaves all of them in a folder.
fn litter(s: &Scratch, folder: &str) {
    for name in FILES {
        s.file(&format!("{folder}/{name}"), b"\0\0\0\x01Bud1");
    }
    for name in FOLDERS {
        s.image(&format!("{folder}/{name}/000.png"));
    }
}

fn remove_litter(s: &Scratch, folder: &str) {
    FILES.iter().for_each(|name| fs::remove_file(s.path().join(folder).join(name)).unwrap());
    FOLDERS.iter().for_each(|name| fs::remove_dir_all(s.path().join(folder).join(name)).unwrap());
}

#[test]
fn are_no_inputs_and_no_classes() {
    for option in ["", "--any-name"] {
        let s = Scratch::new();
        s.images(&["src/cat", "src/dog"], 2);
        litter(&s, "src");
        litter(&s, "src/cat");
        s.file("src/cat/THUMBS.DB", b"x");
        let ran = s.convert(&format!("src --out out --size 4 --split train=1 {option} --json")).exits(0);
        assert_eq!(
            ran.stderr,
            "note: ignored files and folders of the operating system: 2 $RECYCLE.BIN, 2 .DS_Store, \
             2 .Spotlight-V100, 2 .Trashes, 2 ._*, 2 .nfs*, 2 @eaDir, 3 Thumbs.db, 2 __MACOSX, 2 desktop.ini, 2 lost+found\n"
        );
        assert_eq!(ran.json()["ignored"]["system"]["Thumbs.db"], 3);
        assert_eq!((ran.json()["inputs"].as_u64(), ran.json()["classes"].as_u64()), (Some(4), Some(2)));
    }
}

#[test]
fn say_nothing_about_the_meaning_of_folders() {
    let s = Scratch::new();
    s.images(&["src/train/cat", "src/val/cat", "src/@eaDir/train", "src/train/@eaDir/cat"], 1);
    s.convert("src --out out --size 4").exits(0);
    let paths: Vec<_> = s.rows("out").into_iter().map(|row| row.path).collect();
    assert_eq!(paths, ["train/cat/000.png", "val/cat/000.png"]);
}

#[test]
fn leave_an_output_folder_empty() {
    let s = Scratch::new();
    s.images(&["src/cat"], 20);
    litter(&s, "out");
    s.convert("src --out out --size 4 --dry-run").exits(0);
    s.convert("src --out out --size 4").exits(0);
    assert_eq!(s.rows("out").len(), 20);
    assert!(s.path().join("out/.DS_Store").exists() && s.path().join("out/@eaDir/000.png").exists());
    s.file("other/.DS_Store", b"x");
    s.file("other/mine.txt", b"x");
    let refused = "error: output folder `other` is neither empty nor an inlaid dataset\n\
                   hint: choose a new folder for `--out`";
    s.convert("src --out other --size 4").fails(1, refused);
}

#[test]
fn leave_the_output_folder_of_a_repacking_empty() {
    let s = Scratch::new();
    s.images(&["src/cat"], 20);
    s.convert("src --out out --size 4 --split train=1").exits(0);
    litter(&s, "packed");
    s.run("repack", "out/train --out packed").exits(0);
    let names: Vec<_> =
        fs::read_dir(s.path().join("packed")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), FILES.len() + FOLDERS.len() + 1, "{names:?}");
    assert_eq!(fs::read(s.path().join("packed/.DS_Store")).unwrap(), b"\0\0\0\x01Bud1");
    s.file("other/.DS_Store", b"x");
    s.file("other/mine.txt", b"x");
    let refused = "error: output folder `other` is not empty\nhint: choose a new folder for `--out`";
    s.run("repack", "out/train --out other").fails(1, refused);
}

#[test]
fn among_shards_stop_no_command() {
    let s = Scratch::new();
    s.images(&["src/cat"], 20).images(&["new/cat/more"], 20);
    s.convert("src --out out --size 4").exits(0);
    litter(&s, "out");
    litter(&s, "out/train");
    s.convert("src --out out --size 4").exits(0);
    s.run("append", "new --out out").exits(0);
    s.run("rollback", "out").exits(0);
    s.run("append", "new --out out").exits(0);
    s.run("compact", "out").exits(0);
    s.convert("src --out out --size 4 --overwrite").exits(0);
    assert!(s.path().join("out/train/Thumbs.db").exists());
    remove_litter(&s, "out/train");
    remove_litter(&s, "out");
    s.is_whole("out");
    s.file("out/train/mine.txt", b"x");
    let refused = "error: `out/train/mine.txt` is in the way and was not written by inlaid\n\
                   hint: move that file elsewhere";
    s.run("append", "new --out out").fails(1, refused);
}

#[test]
fn among_shards_are_a_note_of_verify() {
    let s = Scratch::new();
    s.images(&["src/cat"], 20);
    s.convert("src --out out --size 4").exits(0);
    s.file("out/train/.DS_Store", b"x");
    s.image("out/test/@eaDir/000.png");
    let ran = s.run("verify", "out").exits(0);
    let notices = [
        "`test/@eaDir` was left by an operating system; `datasets` passes over it, pyarrow and polars stop at it",
        "`train/.DS_Store` was left by an operating system; pyarrow and `datasets` pass over it, polars stops at it",
    ];
    assert_eq!(ran.stderr, format!("note: {}\nnote: {}\n", notices[0], notices[1]));
    assert!(ran.stdout.starts_with("intact: 20 rows in 3 files"), "{}", ran.stdout);
    let ran = s.run("verify", "out --json").exits(0);
    assert_eq!(
        (&ran.json()["problems"], &ran.json()["notices"]),
        (&serde_json::json!([]), &serde_json::json!(notices))
    );
    s.file("out/train/mine.txt", b"x");
    let ran = s.run("verify", "out").exits(1);
    let problem = "`train/mine.txt`: it was not written by inlaid, but readers take it for part of the dataset\n";
    assert_eq!(ran.stdout, format!("{problem}1 problem\n"));
}

#[test]
fn are_passed_over_by_readers_of_a_folder() {
    let s = Scratch::new();
    s.images(&["src/cat"], 20);
    s.convert("src --out out --size 4 --split train=1").exits(0);
    let shard = s.path().join(s.shards("out", "train")[0].replace("train/", "out/train/"));
    for name in ["tables/a.parquet", "tables/$RECYCLE.BIN/b.parquet", "tables/@eaDir/c.parquet", "tables/._d.parquet"] {
        s.file(name, &fs::read(&shard).unwrap());
    }
    assert_eq!(inlaid::Table::open(s.path().join("tables")).unwrap().len(), 20);
    assert_eq!(Found::at(&s.path().join("tables")).unwrap(), Found::Table);
}
