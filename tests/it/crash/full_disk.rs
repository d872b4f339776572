//! Runs on a file system that is too small.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::scenario;
use super::tree::Tree;

#[test]
fn full_file_system_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (source, count) in [("few", 10), ("more", 150)] {
        (0..count).for_each(|number| scenario::image(&folder.path().join(source), "cat", source, number));
    }
    let convert =
        "convert more --out mount/out --size 16 --split train=1 --row-group-bytes 6KiB --shard-bytes 24KiB --quiet";
    let small = convert.replace("more", "few");
    let append = "append more --out mount/out --quiet";
    for (earlier, command) in [("", convert), (&*small, append)] {
        let Some(seen) = fill_file_system(folder.path(), earlier, command) else {
            eprintln!("skipped: a file system of its own can't be mounted here");
            return;
        };
        assert_eq!(seen.code, "1");
        let (message, hint) = seen.stderr.trim_end().split_once('\n').unwrap();
        let needed = message.strip_suffix(" more needed").and_then(|rest| rest.split_once("`, "));
        let begin = message.split_once("/mount/out/").map_or("", |(begin, _)| begin);
        assert!(begin.starts_with("error: the disk is full: can't write `"), "{message}");
        assert!(needed.is_some_and(|(_, bytes)| bytes.ends_with("KiB")), "{message}");
        assert_eq!(hint, "hint: free some space and run the same command again");
        assert_eq!(inlaid::verify(&seen.full, None, &inlaid::RunOptions::default()).unwrap().problems, []);
        assert_eq!(Tree::read(&seen.completed).differences(&Tree::read(&seen.undisturbed)), [""; 0]);
    }
}

#[test]
fn file_system_without_inodes_is_told_from_a_full_one() {
    let folder = tempfile::tempdir().unwrap();
    (0..10).for_each(|number| scenario::image(&folder.path().join("src"), "cat", "src", number));
    let script = r#"
        mkdir -p mount && mount -t tmpfs -o size=1m,nr_inodes=8 none mount || exit 77
        "$1" convert src --out mount/out --size 16 --split train=1 --quiet 2> stderr; echo $? > code
    "#;
    for namespace in [&["--user", "--map-root-user", "--mount"][..], &["--mount"]] {
        let mut shell = Command::new("unshare");
        shell.args(namespace).args(["sh", "-c", script, "sh", env!("CARGO_BIN_EXE_inlaid")]);
        if shell.current_dir(folder.path()).output().is_ok_and(|output| output.status.success()) {
            let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
            let (code, stderr) = (read("code"), read("stderr"));
            let begin = "error: the file system has no inodes left for more files: can't create";
            let hint = "\nhint: remove files that are not needed there, or choose another disk for `--out`; then run the \
                        same command again\n";
            assert!(stderr.starts_with(begin) && stderr.ends_with(hint), "{stderr}");
            assert_eq!(code, "1\n");
            return;
        }
    }
    eprintln!("skipped: a file system of its own can't be mounted here");
}

/// What a command left on a file system that was too small for it, and after it was made larger.
struct Filled {
    code: String,
    stderr: String,
    full: PathBuf,
    completed: PathBuf,
    undisturbed: PathBuf,
}

/// Runs a command on a file system of 64 KiB. None if such a one can't be mounted.
fn fill_file_system(folder: &Path, earlier: &str, command: &str) -> Option<Filled> {
    let script = r#"
        mkdir -p mount && mount -t tmpfs -o size=1m none mount || exit 77
        rm -rf before full completed undisturbed
        if [ -n "$2" ]; then "$1" $2; fi
        mkdir -p mount/out && cp -r mount/out before
        if [ -z "$2" ]; then rmdir mount/out; fi
        "$1" $3 && mv mount/out undisturbed
        if [ -n "$2" ]; then cp -r before mount/out; fi
        mount -o remount,size=64k mount || exit 77
        "$1" $3 2> stderr; echo $? > code
        cp -r mount/out full
        mount -o remount,size=1m mount
        "$1" $3 && cp -r mount/out completed
    "#;
    for namespace in [&["--user", "--map-root-user", "--mount"][..], &["--mount"]] {
        let mut shell = Command::new("unshare");
        shell.args(namespace).args(["sh", "-c", script, "sh", env!("CARGO_BIN_EXE_inlaid"), earlier, command]);
        // Without the command there is no namespace either.
        let Ok(output) = shell.current_dir(folder).output() else { return None };
        if output.status.success() {
            let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
            let path = |name| folder.join(name);
            return Some(Filled {
                code: read("code").trim().to_owned(),
                stderr: read("stderr"),
                full: path("full"),
                completed: path("completed"),
                undisturbed: path("undisturbed"),
            });
        }
        let refused = output.status.code() == Some(77) || output.stderr.starts_with(b"unshare: ");
        assert!(refused, "{}", String::from_utf8_lossy(&output.stderr));
    }
    None
}
