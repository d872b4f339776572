//! What `verify` finds: any damaged bit, and any inconsistency.

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use inlaid::{FileSource, RunOptions, verify};
use serde_json::json;

use crate::harness::{Ran, Scratch};

/// Row groups of 8 rows, all in one shard.
const SMALL: &str = "--size 4 --channels gray --row-group-bytes 128 --split train=1";

const SHARD: &str = "out/train/train-00000.parquet";

/// A dataset in `out` of so many cats and dogs in `src`.
fn dataset(rows: usize, options: &str) -> Scratch {
    let s = Scratch::new();
    s.images(&["src/cat", "src/dog"], rows);
    s.convert(&format!("src --out out {SMALL} {options}")).exits(0);
    s
}

/// Asserts that these problems are found, and nothing else is said.
#[track_caller]
fn finds(s: &Scratch, problems: &[&str]) {
    let before = s.files("out");
    let ran = s.run("verify", "out").exits(1);
    let count = match problems.len() {
        1 => "1 problem".to_owned(),
        n => format!("{n} problems"),
    };
    let expected: String = problems.iter().chain([&&*count]).map(|line| format!("{line}\n")).collect();
    assert_eq!((ran.stdout, &*ran.stderr), (expected, ""));
    assert_eq!(s.files("out"), before, "it writes nothing");
    let ran = s.run("verify", "out --json --threads 1").exits(1);
    assert_eq!(ran.json()["problems"].as_array().unwrap().len(), problems.len());
}

#[test]
fn whole_dataset_is_whole() {
    let s = dataset(5, "");
    let before = s.files("out");
    let ran = s.run("verify", "out").exits(0);
    assert!(ran.stdout.starts_with("intact: 10 rows in 1 file, "), "{}", ran.stdout);
    assert!(ran.stdout.ends_with(" s: `out`\n"), "{}", ran.stdout);
    assert_eq!(ran.stderr, "");
    // Also where nothing can be written.
    assert_eq!(s.files("out"), before);
}

#[test]
fn outcome_is_told_as_json() {
    let s = dataset(5, "");
    let mut outcome = s.run("verify", "out --json --sources src").exits(0).json();
    assert!(outcome["seconds"].as_f64().unwrap() > 0.0);
    outcome["seconds"] = 0.into();
    let bytes = fs::metadata(s.path().join(SHARD)).unwrap().len();
    let expected = json!({"problems": [], "notices": [], "rows": 10, "shards": 1, "bytes": bytes, "sources": 10, "seconds": 0, "unfinished": false});
    assert_eq!(outcome, expected);
    fs::remove_file(s.path().join("out/README.md")).unwrap();
    let outcome = s.run("verify", "out --json").exits(1).json();
    assert_eq!(outcome["problems"], json!([{"file": "README.md", "problem": "it is missing"}]));
}

#[test]
fn run_that_has_not_ended_is_told() {
    let s = dataset(5, "");
    s.edit_manifest("out", |manifest| {
        manifest["unfinished"] = json!({"run": "xxh3-128:00000000000000000000000000000000", "shards": 1});
    });
    let ran = s.run("verify", "out").exits(4);
    assert!(ran.stdout.starts_with("intact: 10 rows in 1 file, "), "{}", ran.stdout);
    let told = "incomplete: a run was interrupted; run the same command again to resume it\n";
    assert!(ran.stdout.ends_with(told), "{}", ran.stdout);
    assert_eq!(s.run("verify", "out --json").exits(4).json()["unfinished"], true);
    // Damage is told first.
    fs::remove_file(s.path().join("out/README.md")).unwrap();
    s.run("verify", "out").exits(1);
}

/// As if a conversion had been killed in its commit, before it renamed the manifest.
fn interrupted_commit() -> Scratch {
    let s = dataset(5, "");
    fs::create_dir(s.path().join("out/.inlaid/staging-abc")).unwrap();
    fs::rename(s.path().join("out/inlaid.json"), s.path().join("out/.inlaid/staging-abc/inlaid.json")).unwrap();
    let journal = br#"{"renames": [[".inlaid/staging-abc/inlaid.json", "inlaid.json"]], "removals": []}"#;
    s.file("out/.inlaid/journal.json", journal);
    s
}

#[test]
fn interrupted_commit_is_completed() {
    for command in ["verify", "info"] {
        let s = interrupted_commit();
        let ran = s.run(command, "out").exits(0);
        assert_eq!(ran.stderr, "");
        assert!(ran.stdout.contains("10 "), "{}", ran.stdout);
        assert_eq!(s.files("out/.inlaid").len(), 1);
        assert!(!s.path().join("out/.inlaid/staging-abc").exists());
        s.is_whole("out");
    }
}

#[test]
fn commit_of_another_process_is_not_touched() {
    let s = interrupted_commit();
    let lock = s.file("out/.inlaid/lock", b"process 7 on host here\n");
    let lock = fs::File::open(lock).unwrap();
    lock.lock().unwrap();
    let before = s.files("out");
    let told = "`out` is in the middle of a commit\nhint: wait for it to finish";
    s.run("verify", "out").fails(4, &format!("error: {told}"));
    s.run("info", "out").fails(4, &format!("error: {told}"));
    // With the manifest of the snapshot before, that one is shown.
    fs::copy(s.path().join("out/.inlaid/staging-abc/inlaid.json"), s.path().join("out/inlaid.json")).unwrap();
    let ran = s.run("info", "out --json").exits(4);
    assert_eq!((ran.json(), &*ran.stderr), (s.manifest("out"), &*format!("note: {told}\n")));
    fs::remove_file(s.path().join("out/inlaid.json")).unwrap();
    assert_eq!(s.files("out"), before);
}

#[test]
fn commit_is_not_completed_through_links() {
    for link in ["out/train", "out/.inlaid/lock"] {
        let s = interrupted_commit();
        let shard = s.path().join("out/.inlaid/staging-abc/shard");
        fs::rename(s.path().join("out/train/train-00000.parquet"), &shard).unwrap();
        let journal = br#"{"renames": [[".inlaid/staging-abc/shard", "train/train-00000.parquet"],
            [".inlaid/staging-abc/inlaid.json", "inlaid.json"]], "removals": []}"#;
        s.file("out/.inlaid/journal.json", journal);
        s.file("outside/f", b"mine");
        let path = s.path().join(link);
        let _ = if path.is_dir() { fs::remove_dir(&path) } else { fs::remove_file(&path) };
        std::os::unix::fs::symlink(s.path().join("outside"), path).unwrap();
        let before = (s.files("outside"), s.files("out/.inlaid/staging-abc"));
        for command in ["verify", "info"] {
            let told =
                format!("error: `{link}` is a symbolic link, and inlaid does not write through links inside a dataset");
            let ran = s.run(command, "out").exits(1);
            assert_eq!(ran.stderr.lines().next(), Some(&*told), "{command}");
            assert!((s.files("outside"), s.files("out/.inlaid/staging-abc")) == before, "{command}, {link}");
        }
    }
}

#[test]
fn commit_that_can_not_be_completed_here_is_told() {
    let s = interrupted_commit();
    let folders = ["out", "out/.inlaid", "out/train"].map(|folder| s.path().join(folder));
    let may = |mode| {
        folders.iter().for_each(|folder| fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap());
    };
    may(0o555);
    let as_somebody = |words: &str| {
        // Root may write everywhere.
        match fs::write(s.path().join("out/probe"), "").is_ok() {
            false => words.split_once(' ').map(|(command, words)| s.run(command, words)),
            true => {
                fs::remove_file(s.path().join("out/probe")).unwrap();
                fs::set_permissions(s.path(), fs::Permissions::from_mode(0o755)).unwrap();
                let mut other = Command::new("setpriv");
                other.args(["--reuid=65534", "--regid=65534", "--clear-groups", env!("CARGO_BIN_EXE_inlaid")]);
                let output = other.args(words.split(' ')).current_dir(s.path()).output().ok()?;
                // Not where the binary is in a folder of root's own.
                output.status.code().filter(|code| ![126, 127].contains(code)).map(|_| Ran::of(output))
            }
        }
    };
    for command in ["verify out", "info out"] {
        let Some(ran) = as_somebody(command) else { break };
        ran.fails(
            4,
            "error: the last commit to `out` was interrupted\n\
             hint: `inlaid info` completes it, run by a user who may write to the folder",
        );
    }
    may(0o755);
    s.run("info", "out").exits(0);
    s.is_whole("out");
}

// Damaged shards

/// Flips a bit of a byte of a shard, of one byte after the other: of all bytes near its ends and every
/// seventh between, or with `INLAID_LONG_TESTS=1` of all.
fn finds_every_damaged_byte(options: &str, extension: &str) {
    let s = dataset(5, options);
    let name = format!("train/train-00000.{extension}");
    let whole = fs::read(s.path().join("out").join(&name)).unwrap();
    let mut options = RunOptions::default();
    options.threads = NonZeroUsize::new(1);
    let problems = || verify(s.path().join("out"), None, &options).unwrap().problems;
    assert_eq!(problems(), []);
    let is_long = std::env::var_os("INLAID_LONG_TESTS").is_some();
    let near_an_end = |at: usize| at < 200 || at >= whole.len() - 200;
    for at in (0..whole.len()).filter(|at| is_long || near_an_end(*at) || at % 7 == 0) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        s.file(&format!("out/{name}"), &damaged);
        let found = problems();
        assert!(found.iter().any(|problem| problem.file == name), "byte {at} of {}: {found:?}", whole.len());
    }
}

#[test]
fn every_damaged_byte_of_a_tensor_shard_is_found() {
    finds_every_damaged_byte("", "parquet");
}

#[test]
fn every_damaged_byte_of_a_compressed_tensor_shard_is_found() {
    finds_every_damaged_byte("--compression zstd", "parquet");
}

#[test]
fn every_damaged_byte_of_a_binary_shard_is_found() {
    finds_every_damaged_byte("--storage binary", "parquet");
}

#[test]
fn every_damaged_byte_of_a_compressed_binary_shard_is_found() {
    finds_every_damaged_byte("--storage binary --compression lz4", "parquet");
}

#[test]
fn every_damaged_byte_of_an_arrow_shard_is_found() {
    finds_every_damaged_byte("--format arrow", "arrow");
}

#[test]
fn every_damaged_byte_of_a_compressed_arrow_shard_is_found() {
    finds_every_damaged_byte("--format arrow --compression zstd", "arrow");
}

#[test]
fn every_damaged_byte_of_a_shard_of_floats_is_found() {
    finds_every_damaged_byte("--dtype f32", "parquet");
}

#[test]
fn every_damaged_byte_of_a_shard_of_half_floats_is_found() {
    finds_every_damaged_byte("--dtype f16 --layout chw", "parquet");
}

#[test]
fn damaged_part_is_named() {
    let s = dataset(5, "");
    let whole = fs::read(s.path().join(SHARD)).unwrap();
    let ends = s.row_groups(SHARD);
    let second = 4 + ends[0].1.len();
    let footer = second + ends[1].1.len();
    let file = "`train/train-00000.parquet`";
    for (at, problem) in [
        (0, "its beginning or end does not match the checksum"),
        (4, "row group 0 does not match its checksum"),
        (second - 1, "row group 0 does not match its checksum"),
        (second, "row group 1 does not match its checksum"),
        (footer - 1, "row group 1 does not match its checksum"),
        (footer, "its beginning or end does not match the checksum"),
        (whole.len() - 1, "Parquet error: Invalid Parquet file. Corrupt footer"),
    ] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        s.file(SHARD, &damaged);
        let ran = s.run("verify", "out").exits(1);
        assert_eq!((ran.stdout, &*ran.stderr), (format!("{file}: {problem}\n1 problem\n"), ""), "byte {at}");
    }
}

#[test]
fn shard_of_another_length_is_found() {
    let s = dataset(5, "");
    let whole = fs::read(s.path().join(SHARD)).unwrap();
    for bytes in [0, 1, whole.len() / 2, whole.len() - 1] {
        s.file(SHARD, &whole[..bytes]);
        let all = whole.len();
        finds(&s, &[&format!("`train/train-00000.parquet`: it has {bytes} bytes instead of {all}")]);
    }
    s.file(SHARD, &[&whole[..], b"x"].concat());
    let all = whole.len();
    finds(&s, &[&format!("`train/train-00000.parquet`: it has {} bytes instead of {all}", all + 1)]);
}

#[test]
fn missing_shard_is_found() {
    let s = dataset(5, "");
    fs::remove_file(s.path().join(SHARD)).unwrap();
    finds(&s, &["`train/train-00000.parquet`: No such file or directory (os error 2)"]);
}

#[test]
fn every_damaged_shard_is_named() {
    let s = dataset(20, "--shard-bytes 128");
    for number in [1, 3] {
        fs::remove_file(s.path().join(format!("out/train/train-0000{number}.parquet"))).unwrap();
    }
    finds(
        &s,
        &[1, 3]
            .map(|n| format!("`train/train-0000{n}.parquet`: No such file or directory (os error 2)"))
            .each_ref()
            .map(|line| &**line),
    );
}

#[test]
fn shard_of_another_dataset_is_found() {
    let s = dataset(5, "");
    s.convert(&format!("src --out other {SMALL} --seed 1")).exits(0);
    let other = fs::read(s.path().join("other/train/train-00000.parquet")).unwrap();
    let length = other.len();
    s.file(SHARD, &other);
    s.edit_manifest("out", |manifest| {
        manifest["splits"]["train"]["shards"][0]["bytes"] = length.into();
        manifest["splits"]["train"]["bytes"] = length.into();
    });
    finds(&s, &["`train/train-00000.parquet`: its beginning or end does not match the checksum"]);
}

// Files that are there, or are not

#[test]
fn file_of_somebody_else_is_found() {
    let s = dataset(5, "");
    s.file("out/train/notes.txt", b"mine");
    s.file("out/test/test-00000.parquet", b"mine");
    s.file("out/notes.txt", b"not in the way");
    let problem = "it was not written by inlaid, but readers take it for part of the dataset";
    finds(&s, &[&format!("`test/test-00000.parquet`: {problem}"), &format!("`train/notes.txt`: {problem}")]);
}

#[test]
fn list_of_rejects_must_have_its_lines() {
    let s = Scratch::new();
    s.images(&["src/cat"], 3);
    for name in ["a", "b"] {
        s.file(&format!("src/cat/{name}.png"), b"");
    }
    s.convert(&format!("src --out out {SMALL}")).exits(3);
    s.is_whole("out");
    let lines = fs::read_to_string(s.path().join("out/rejects.jsonl")).unwrap();
    s.file("out/rejects.jsonl", lines.lines().next().unwrap().as_bytes());
    finds(&s, &["`rejects.jsonl`: its checksum does not match"]);
    s.file("out/rejects.jsonl", b"{");
    finds(&s, &["`rejects.jsonl`: its checksum does not match"]);
    fs::remove_file(s.path().join("out/rejects.jsonl")).unwrap();
    finds(&s, &["`rejects.jsonl`: it is missing"]);
}

#[test]
fn list_of_rejects_that_the_manifest_denies_is_found() {
    let s = dataset(3, "");
    let line = r#"{"path":"a.png","stage":"decode","reason":"empty","detail":"the file is empty"}"#;
    s.file("out/rejects.jsonl", line.as_bytes());
    finds(&s, &["`rejects.jsonl`: it lists 1 input instead of 0"]);
}

// What does not fit together

#[test]
fn key_that_is_there_twice_is_found() {
    let s = dataset(1, "");
    s.file("out/test/test-00000.parquet", &fs::read(s.path().join(SHARD)).unwrap());
    s.edit_manifest("out", |manifest| {
        let mut split = manifest["splits"]["train"].clone();
        split["shards"][0]["file"] = "test/test-00000.parquet".into();
        manifest["splits"]["test"] = split;
        manifest["inputs"] = 4.into();
    });
    finds(
        &s,
        &[
            "`test/test-00000.parquet`: duplicate key `cat/000.png`",
            "`test/test-00000.parquet`: duplicate key `dog/000.png`",
        ],
    );
}

#[test]
fn label_that_is_no_class_is_found() {
    let s = dataset(1, "");
    s.edit_manifest("out", |manifest| {
        manifest["classes"] = json!(["cat"]);
        manifest["splits"]["train"]["labels"] = json!([1]);
    });
    finds(
        &s,
        &[
            "`inlaid.json`: its classes differ from those of `train/train-00000.parquet`",
            "`train/train-00000.parquet`: label of `dog/000.png` is out of range",
        ],
    );
}

#[test]
fn classes_are_those_that_the_shards_tell() {
    for format in ["", "--format arrow"] {
        let s = dataset(2, format);
        s.images(&["more/bird"], 2);
        s.run("append", "more --out out").exits(0);
        s.is_whole("out");
        let suffix = if format.is_empty() { "parquet" } else { "arrow" };
        s.edit_manifest("out", |manifest| manifest["classes"] = json!(["dog", "cat", "bird"]));
        let problem =
            |number| format!("`inlaid.json`: its classes differ from those of `train/train-0000{number}.{suffix}`");
        finds(&s, &[&problem(0), &problem(1)]);
    }
}

#[test]
fn counts_of_the_manifest_are_those_of_the_shards() {
    let edited = |edit: fn(&mut serde_json::Value), problems: &[&str]| {
        let s = dataset(5, "");
        s.edit_manifest("out", edit);
        finds(&s, problems);
    };
    let sums = "`inlaid.json`: rows or bytes of train do not match the sum over its shards";
    let inputs = "`inlaid.json`: its inputs do not match the sum of rows and rejects";
    let classes = "`inlaid.json`: rows per class of train do not match its shards";
    edited(|manifest| manifest["splits"]["train"]["rows"] = 11.into(), &[inputs, sums]);
    edited(|manifest| manifest["splits"]["train"]["bytes"] = 11.into(), &[sums]);
    edited(|manifest| manifest["inputs"] = 9.into(), &[inputs]);
    edited(|manifest| manifest["splits"]["train"]["labels"] = json!([4, 6]), &[classes]);
    let rows = "`train/train-00000.parquet`: it has 10 rows instead of 9";
    edited(|manifest| manifest["splits"]["train"]["shards"][0]["rows"] = 9.into(), &[sums, rows]);
    let row_groups = "`train/train-00000.parquet`: it has 2 row groups instead of 3";
    edited(|manifest| manifest["splits"]["train"]["shards"][0]["row_groups"] = 3.into(), &[row_groups]);
    let checksum = "`train/train-00000.parquet`: its beginning or end does not match the checksum";
    let other = |manifest: &mut serde_json::Value| {
        manifest["splits"]["train"]["shards"][0]["checksum"] = "xxh3-128:00000000000000000000000000000000".into();
    };
    edited(other, &[checksum]);
}

// Sources

#[test]
fn rows_are_compared_with_their_sources() {
    let s = dataset(5, "");
    let ran = s.run("verify", "out --sources src").exits(0);
    assert!(ran.stdout.ends_with(" s: `out`\n10 rows compared with their sources\n"), "{}", ran.stdout);
    s.file("src/cat/003.png", &fs::read(s.path().join("src/dog/003.png")).unwrap());
    s.file("src/cat/004.png", b"");
    fs::remove_file(s.path().join("src/dog/001.png")).unwrap();
    let ran = s.run("verify", "out --sources src").exits(1);
    assert_eq!(
        ran.stdout,
        "`cat/003.png`: it has changed since its row was written\n\
         `cat/004.png`: the file is empty\n\
         `dog/001.png`: its source file is missing\n\
         3 problems\n\
         9 rows compared with their sources\n"
    );
    // New files are none of its business.
    s.run("verify", "out").exits(0);
    s.images(&["src/cat", "src/dog"], 5).images(&["src/ant"], 1);
    s.run("verify", "out --sources src").exits(0);
}

#[test]
fn rows_of_several_runs_are_compared_with_all_their_sources() {
    let s = dataset(5, "");
    s.more_images(&["new/cat"], 5..8);
    s.run("append", "new --out out").exits(0);
    s.run("verify", "out --sources src new").exits(0);
    let ran = s.run("verify", "out --sources src").exits(1);
    let missing = "`cat/005.png`: its source file is missing\n\
                   `cat/006.png`: its source file is missing\n\
                   `cat/007.png`: its source file is missing\n\
                   3 problems\n";
    assert!(ran.stdout.starts_with(missing), "{}", ran.stdout);
    s.more_images(&["newer/cat"], 8..30);
    s.run("append", "newer --out out").exits(0);
    let ran = s.run("verify", "out --sources src new").exits(1);
    assert!(
        ran.stdout.starts_with("`.`: the source files of 2 more rows are missing\n`cat/008.png`: "),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("`cat/027.png`: its source file is missing\n21 problems\n"), "{}", ran.stdout);
}

#[test]
fn more_shards_than_files_that_may_be_open_are_read() {
    let s = Scratch::new();
    s.images(&["src/cat"], 360);
    s.convert("src --out out --size 4 --split train=1 --row-group-bytes 1 --shard-bytes 1").exits(0);
    assert_eq!(s.shards("out", "train").len(), 45);
    let limited = format!("ulimit -n 40 && exec {} verify out --threads 2", env!("CARGO_BIN_EXE_inlaid"));
    let ran = Command::new("sh").args(["-c", &limited]).current_dir(s.path()).output().unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    assert!(told.starts_with("intact: 360 rows in 45 files"), "{told}");
}

#[test]
fn verification_counts_the_rows_of_shards_and_sources_until_it_is_stopped() {
    let s = dataset(5, "");
    let (out, source) = (s.path().join("out"), FileSource::new(&[s.path().join("src")]).unwrap());
    let options = RunOptions::default();
    verify(&out, Some(&source), &options).unwrap();
    assert_eq!((options.progress.done(), options.progress.total()), (20, 20));
    let options = RunOptions::default();
    options.progress.stop();
    let stopped = verify(&out, Some(&source), &options).unwrap_err();
    assert_eq!(stopped.to_string(), "interrupted, nothing was written");
    assert_eq!(options.progress.done(), 0);
}
