//! Runs that stopped after some of their shards, and how the next run resumes them.

use std::fs;

use crate::harness::{Scratch, same_files};

/// Row groups of 8 rows, shards of 16, in the order of the paths.
const SMALL: &str = "--size 4 --channels gray --row-group-bytes 128 --shard-bytes 256 --split train=1 --order path";

const FORMATS: [&str; 3] = ["", "--format arrow", "--storage binary --compression zstd"];

/// 40 images in `src`, of which the last is broken.
fn source() -> Scratch {
    let s = Scratch::new();
    s.images(&["src/cat"], 39);
    s.file("src/cat/last.png", b"no image");
    s
}

/// A conversion to `out` that stopped in the last of three shards.
fn stopped(options: &str) -> Scratch {
    let s = source();
    let ran = s.convert(&format!("src --out out {SMALL} {options} --on-error stop")).exits(1);
    assert!(ran.stderr.starts_with("error: `cat/last.png` can't be used: "), "{}", ran.stderr);
    assert_eq!(s.manifest("out")["unfinished"]["shards"], 2);
    assert_eq!(s.rows("out").len(), 32);
    s
}

#[test]
fn conversion_that_stopped_goes_on_to_the_same_bytes() {
    for format in FORMATS {
        let s = stopped(format);
        s.image("src/cat/last.png");
        let ran = s.convert(&format!("src --out out {SMALL} {format}")).exits(0);
        let lines: Vec<_> = ran.stdout.lines().collect();
        assert!(lines[0].ends_with(" in 3 files, 8 new"), "{}", ran.stdout);
        assert!(lines[1].starts_with("8 rows from 40 images, 1 class, in "), "{}", ran.stdout);
        assert_eq!((lines[2], &*ran.stderr), ("32 images were already in the dataset", ""));
        s.convert(&format!("src --out at-once {SMALL} {format}")).exits(0);
        same_files(&s, "out", "at-once");
        s.is_whole("out");
    }
}

#[test]
fn rejects_of_finished_shards_stay_listed() {
    let s = source();
    s.file("src/cat/005.png", b"");
    s.convert(&format!("src --out out {SMALL} --max-errors 1")).exits(1);
    assert_eq!(s.rejects("out"), [["cat/005.png", "decode", "empty", "the file is empty"]]);
    s.convert(&format!("src --out out {SMALL}")).exits(3);
    let paths: Vec<_> = s.rejects("out").into_iter().map(|[path, ..]| path).collect();
    assert_eq!(paths, ["cat/005.png", "cat/last.png"]);
    s.convert(&format!("src --out at-once {SMALL}")).exits(3);
    same_files(&s, "out", "at-once");
    s.is_whole("out");
}

#[test]
fn finished_shards_are_not_made_again() {
    let s = stopped("");
    s.image("src/cat/last.png");
    // Nobody looks at these any more.
    s.file("src/cat/000.png", b"no image");
    s.convert(&format!("src --out out {SMALL}")).exits(0);
    assert_eq!(s.rows("out").len(), 40);
    s.is_whole("out");
}

#[test]
fn run_may_stop_more_than_once() {
    let s = source();
    s.file("src/cat/020.png", b"no image");
    for (done, name) in [(1, "020"), (2, "last")] {
        s.convert(&format!("src --out out {SMALL} --on-error stop")).exits(1);
        assert_eq!(s.manifest("out")["unfinished"]["shards"], done);
        s.image(&format!("src/cat/{name}.png"));
    }
    s.convert(&format!("src --out out {SMALL} --on-error stop")).exits(0);
    s.convert(&format!("src --out at-once {SMALL}")).exits(0);
    same_files(&s, "out", "at-once");
}

#[test]
fn what_was_finished_is_whole_and_says_so() {
    let s = stopped("");
    let ran = s.run("verify", "out").exits(4);
    assert!(ran.stdout.starts_with("intact: 32 rows in 2 files, "), "{}", ran.stdout);
    let ran = s.run("info", "out").exits(4);
    let end = "\nincomplete: a run is in progress or was interrupted; run the same command again to resume it\n";
    assert!(ran.stdout.ends_with(end), "{}", ran.stdout);
}

#[test]
fn other_conversion_does_not_go_on() {
    let s = stopped("");
    let before = s.dataset("out");
    let message = "error: output folder `out` holds an interrupted conversion with other settings, sources or files\n\
                   hint: `inlaid append` keeps its rows and adds the missing ones; `--overwrite` starts over";
    s.convert(&format!("src --out out {SMALL} --seed 1")).fails(1, message);
    s.convert("src --out out --size 8").fails(1, message);
    s.image("src/cat/more.png");
    s.convert(&format!("src --out out {SMALL}")).fails(1, message);
    assert_eq!(s.dataset("out"), before);
    s.run("compact", "out").fails(
        1,
        "error: `out` holds an interrupted run\n\
         hint: run the same command again to finish it, or `inlaid append` with other sources to abandon it",
    );
    assert_eq!(s.dataset("out"), before);
    s.convert("src --out out --size 8 --split train=1 --overwrite").exits(3);
    assert_eq!((s.rows("out").len(), s.manifest("out").get("unfinished")), (40, None));
    s.is_whole("out");
}

#[test]
fn append_gives_up_a_conversion_that_stopped() {
    let s = stopped("");
    s.image("src/cat/last.png");
    let ran = s.run("append", "src --out out").exits(0);
    assert_eq!(
        ran.stderr,
        "note: an earlier run with other sources was interrupted; the rows it committed stay, and appending its sources adds the rest\n"
    );
    assert_eq!((s.rows("out").len(), s.manifest("out").get("unfinished")), (40, None));
    s.is_whole("out");
    let before = s.dataset("out");
    s.convert(&format!("src --out out {SMALL}")).fails(
        1,
        "error: output folder `out` already holds a dataset\n\
         hint: add to it with `inlaid append`, replace it with `--overwrite`, or choose a new folder for `--out`",
    );
    assert_eq!(s.dataset("out"), before);
}

/// A dataset in `out` of 10 images in `old`, and the append of `src` that stopped in its last shard.
fn stopped_append(options: &str) -> Scratch {
    let s = source();
    s.more_images(&["old/cat"], 100..110);
    for out in ["out", "at-once"] {
        s.convert(&format!("old --out {out} {SMALL} {options}")).exits(0);
    }
    s.run("append", "src --out out --on-error stop").exits(1);
    assert_eq!(s.manifest("out")["unfinished"]["shards"], 2);
    assert_eq!(s.rows("out").len(), 42);
    s
}

#[test]
fn append_that_stopped_goes_on_to_the_same_bytes() {
    for format in FORMATS {
        let s = stopped_append(format);
        s.run("verify", "out").exits(4);
        s.image("src/cat/last.png");
        let ran = s.run("append", "src --out out").exits(0);
        let lines: Vec<_> = ran.stdout.lines().collect();
        assert!(lines[1].starts_with("8 rows from 40 images, 1 class, in "), "{}", ran.stdout);
        assert_eq!((lines[2], &*ran.stderr), ("32 images were already in the dataset", ""));
        s.run("append", "src --out at-once").exits(0);
        same_files(&s, "out", "at-once");
        s.is_whole("out");
    }
}

#[test]
fn append_of_other_sources_gives_up_one_that_stopped() {
    let s = stopped_append("");
    s.more_images(&["other/cat"], 200..203);
    let ran = s.run("append", "other --out out").exits(0);
    assert_eq!(
        ran.stderr,
        "note: an earlier run with other sources was interrupted; the rows it committed stay, and appending its sources adds the rest\n"
    );
    assert_eq!((s.rows("out").len(), s.manifest("out").get("unfinished")), (45, None));
    s.is_whole("out");
    // What is missing of it can still be added.
    s.image("src/cat/last.png");
    s.run("append", "src --out out").exits(0);
    assert_eq!(s.rows("out").len(), 53);
    s.is_whole("out");
}

#[test]
fn append_that_stopped_can_be_taken_back() {
    let s = stopped_append("");
    s.run("rollback", "out").exits(0);
    same_files(&s, "out", "at-once");
    s.is_whole("out");
}

#[test]
fn append_that_stopped_is_given_up_even_without_new_images() {
    let s = stopped_append("");
    fs::create_dir(s.path().join("empty")).unwrap();
    s.run("append", "empty --out out").exits(0);
    assert_eq!((s.rows("out").len(), s.manifest("out").get("unfinished")), (42, None));
    s.is_whole("out");
}

#[test]
fn dry_run_of_a_run_that_stopped_says_what_is_left() {
    let s = stopped_append("");
    s.image("src/cat/last.png");
    let before = s.dataset("out");
    let ran = s.run("append", "src --out out --dry-run").exits(0);
    assert_eq!(s.dataset("out"), before);
    let end = "would write 8 rows from 40 images, 1 class, to `out`\n32 images were already in the dataset\n";
    assert!(ran.stdout.ends_with(end), "{}", ran.stdout);
    assert!(ran.stdout.starts_with("train             50 rows "), "{}", ran.stdout);
    let s = stopped("");
    s.image("src/cat/last.png");
    let ran = s.convert(&format!("src --out out {SMALL} --dry-run")).exits(0);
    assert!(ran.stdout.ends_with(end), "{}", ran.stdout);
}
