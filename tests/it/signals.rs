//! Signals: which of them stop a command, how it ends, and what it leaves.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Ran, Scratch};

/// A conversion that takes long enough to be stopped.
const CONVERT: &str = "convert src --out out --size 512 --split train=1 --shard-bytes 4GiB --quiet --threads 1";

const STOPPING: &str = "stopping; press Ctrl-C again to quit immediately\n";
const RESUME: &str = "hint: run the same command again to resume after the last finished file\n";

/// Waits until something is there, or fails.
fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_there() {
        assert!(begin.elapsed() < Duration::from_secs(60), "no {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn begin(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Sends a signal to a process, or to a group of them with a `-` before its number.
fn kill(signal: &str, process: &str) {
    assert!(Command::new("kill").args(["-s", signal, "--", process]).status().unwrap().success());
}

/// How a process ended: the signal, standard output and standard error.
fn ended(child: Child) -> (Option<i32>, String, String) {
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.signal(), text(output.stdout), text(output.stderr))
}

#[test]
fn run_ends_by_the_signal_that_stops_it() {
    for (signal, number) in [("HUP", 1), ("INT", 2), ("TERM", 15)] {
        let s = Scratch::new();
        s.images(&["src/cat"], 2500);
        let (command, words) = CONVERT.split_once(' ').unwrap();
        let run = begin(&mut s.command(command, words));
        wait_for("lock", || s.path().join("out/.inlaid/lock").exists());
        kill(signal, &run.id().to_string());
        let told = format!("{STOPPING}error: interrupted\n{RESUME}");
        assert_eq!(ended(run), (Some(number), String::new(), told), "{signal}");
        assert!(!s.path().join("out").exists(), "{signal}");
    }
}

#[test]
fn loop_of_a_shell_ends_with_the_run() {
    let s = Scratch::new();
    s.images(&["src/cat"], 2500);
    let script = format!("for n in 1 2; do '{}' {CONVERT} --json; echo next; done", env!("CARGO_BIN_EXE_inlaid"));
    let mut shell = Command::new("bash");
    let shell = begin(shell.args(["-c", &script]).current_dir(s.path()).process_group(0));
    wait_for("lock", || s.path().join("out/.inlaid/lock").exists());
    kill("INT", &format!("-{}", shell.id()));
    let (signal, stdout, _) = ended(shell);
    assert_eq!(signal, Some(2));
    let failure: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let hint = RESUME.trim_end().strip_prefix("hint: ").unwrap();
    let expected = json!({"error": "interrupted", "kind": "interrupted", "hint": hint, "paths": [], "exit_code": 130});
    assert_eq!(failure, expected);
}

#[test]
fn ignored_signals_stay_ignored() {
    let s = Scratch::new();
    s.images(&["src/cat"], 300);
    let script = format!("trap '' HUP INT TERM; exec '{}' {CONVERT}", env!("CARGO_BIN_EXE_inlaid"));
    let mut run = begin(Command::new("sh").args(["-c", &script]).current_dir(s.path()));
    wait_for("lock", || s.path().join("out/.inlaid/lock").exists());
    let mut sent = 0;
    while run.try_wait().unwrap().is_none() {
        for signal in ["HUP", "INT", "TERM"] {
            // It may have ended by itself in the meantime.
            sent += u32::from(Command::new("kill").args(["-s", signal, &run.id().to_string()]).status().is_ok());
        }
    }
    assert!(sent > 0);
    let ran = Ran::of(run.wait_with_output().unwrap()).exits(0);
    assert!(ran.stdout.contains("300 rows from 300 images"), "{}", ran.stdout);
    assert_eq!(ran.stderr, "");
    s.is_whole("out");
}

#[test]
fn file_that_may_not_become_longer_is_an_error() {
    let s = Scratch::new();
    s.images(&["src/cat"], 40);
    s.convert("src --out whole --size 32 --split train=1").exits(0);
    let limited = |words: &str| {
        let script = format!("ulimit -f 100; exec '{}' {words}", env!("CARGO_BIN_EXE_inlaid"));
        Ran::of(Command::new("sh").args(["-c", &script]).current_dir(s.path()).output().unwrap())
    };
    for words in ["convert src --out out --size 32 --split train=1", "repack whole/train --out out"] {
        let ran = limited(words).exits(1);
        let (message, hint) = ran.stderr.trim_end().split_once('\n').unwrap();
        assert!(message.starts_with("error: can't write `"), "{message}");
        assert!(message.ends_with("/train-00000.parquet`: the system allows no longer file"), "{message}");
        assert_eq!(hint, "hint: raise the limit (`ulimit -f`), or choose a smaller `--shard-bytes` for a new dataset");
        let mut left: Vec<_> = fs::read_dir(s.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["src", "whole"], "{words}");
    }
    limited("convert src --out out --size 32 --split train=1 --shard-bytes 24KiB").exits(0);
}

// Calls that do not return

/// A library that holds up a read, a sync or a rename of a file. A folder of a split is synced only in a commit. Network file systems do so, but can't be had everywhere.
const HOLDS_UP: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ends_with(const char *path, const char *end) {
    size_t length = strlen(path), most = end ? strlen(end) : 0;
    return most && length >= most && !strcmp(path + length - most, end);
}

static void hold_up(void) {
    close(open("held-up", O_CREAT | O_WRONLY, 0600));
    while (access("go-on", F_OK)) usleep(1000);
}

static void hold_up_at(int file, const char *call) {
    char link[64], path[4096] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    if (readlink(link, path, sizeof path - 1) > 0 && ends_with(path, getenv(call))) hold_up();
}

ssize_t read(int file, void *bytes, size_t count) {
    ssize_t (*next)(int, void *, size_t) = (ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
    hold_up_at(file, "HELD_UP_READ");
    return next(file, bytes, count);
}

ssize_t pread64(int file, void *bytes, size_t count, off64_t offset) {
    ssize_t (*next)(int, void *, size_t, off64_t);
    next = (ssize_t (*)(int, void *, size_t, off64_t))dlsym(RTLD_NEXT, "pread64");
    hold_up_at(file, "HELD_UP_READ");
    return next(file, bytes, count, offset);
}

int fsync(int file) {
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    hold_up_at(file, "HELD_UP_SYNC");
    return next(file);
}

int rename(const char *from, const char *to) {
    int (*next)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    if (ends_with(to, getenv("HELD_UP_RENAME"))) hold_up();
    return next(from, to);
}
"#;

/// Builds the library. None where the system has no such libraries.
fn library(s: &Scratch) -> Option<PathBuf> {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        return None;
    }
    let (source, library) = (s.file("holds-up.c", HOLDS_UP.as_bytes()), s.path().join("holds-up.so"));
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl");
    assert!(compiler.status().unwrap().success());
    Some(library)
}

/// A command that is held up at a file.
fn held_up(s: &Scratch, library: &Path, call: &str, file: &str, words: &str) -> Child {
    let (command, words) = words.split_once(' ').unwrap();
    let mut command = s.command(command, words);
    let child = begin(command.env("LD_PRELOAD", library).env(call, file));
    wait_for("call that is held up", || s.path().join("held-up").exists());
    child
}

/// 40 images, the 33rd of which can't be read to its end.
const SHARDS: &str =
    "convert src --out out --size 4 --split train=1 --order path --row-group-bytes 384 --shard-bytes 768 --threads 1";

fn staging(s: &Scratch) -> Vec<String> {
    let Ok(entries) = fs::read_dir(s.path().join("out/.inlaid")) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("staging-")).collect()
}

#[test]
fn run_ends_although_a_read_does_not() {
    let s = Scratch::new();
    s.images(&["src/cat"], 40);
    let Some(library) = library(&s) else { return };
    let (command, words) = SHARDS.split_once(' ').unwrap();
    s.run(command, &words.replace("--out out", "--out at-once")).exits(0);
    let run = held_up(&s, &library, "HELD_UP_READ", "/cat/032.png", &format!("{SHARDS} --json"));
    let manifest = s.path().join("out/inlaid.json");
    wait_for("commit", || manifest.exists() && s.manifest("out")["splits"]["train"]["rows"] == 32);
    kill("INT", &run.id().to_string());
    let (signal, stdout, stderr) = ended(run);
    assert_eq!(signal, Some(2));
    let error = "interrupted; reading `src/cat/032.png` did not return";
    assert_eq!(stderr, format!("{STOPPING}error: {error}\n{RESUME}"));
    let failure: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&failure["error"], &failure["kind"]), (&json!(error), &json!("interrupted")));
    assert_eq!((&failure["paths"], &failure["exit_code"]), (&json!(["src/cat/032.png"]), &json!(130)));
    // What was committed is there, and what was not is gone.
    assert_eq!(staging(&s), [""; 0]);
    let ran = s.run("verify", "out").exits(4);
    assert!(ran.stdout.starts_with("intact: 32 rows in 2 files, "), "{}", ran.stdout);
    s.run(command, words).exits(0);
    assert_eq!(s.dataset("out"), s.dataset("at-once"));
}

#[test]
fn run_that_has_committed_nothing_leaves_nothing() {
    let s = Scratch::new();
    s.images(&["src/cat"], 10);
    let Some(library) = library(&s) else { return };
    let run = held_up(&s, &library, "HELD_UP_READ", "/cat/003.png", SHARDS);
    kill("TERM", &run.id().to_string());
    assert_eq!(ended(run).0, Some(15));
    assert!(!s.path().join("out").exists());
}

#[test]
fn repacking_ends_although_a_read_does_not() {
    let s = Scratch::new();
    s.images(&["src/cat"], 10);
    let Some(library) = library(&s) else { return };
    s.convert("src --out whole --size 4 --split train=1").exits(0);
    let run = held_up(&s, &library, "HELD_UP_READ", "train-00000.parquet", "repack whole/train --out new");
    assert!(s.path().join(".new.inlaid").exists());
    kill("HUP", &run.id().to_string());
    let told = format!("{STOPPING}error: interrupted, nothing was written\n");
    assert_eq!(ended(run), (Some(1), String::new(), told));
    assert!(!s.path().join(".new.inlaid").exists() && !s.path().join("new").exists());
}

#[test]
fn signal_during_the_only_commit_of_a_run_comes_too_late() {
    let s = Scratch::new();
    s.images(&["src/cat"], 10);
    let Some(library) = library(&s) else { return };
    s.convert("src --out whole --size 4 --split train=1").exits(0);
    let run = held_up(&s, &library, "HELD_UP_RENAME", "/new", "repack whole/train --out new");
    kill("INT", &run.id().to_string());
    s.file("go-on", b"");
    Ran::of(run.wait_with_output().unwrap()).exits(0);
    assert!(!s.path().join(".new.inlaid").exists());
    assert_eq!(s.files("new").len(), 1);
}

#[test]
fn second_signal_ends_a_commit_and_the_next_command_completes_it() {
    for (command, words) in [("info", "out"), ("verify", "out"), SHARDS.split_once(' ').unwrap()] {
        let s = Scratch::new();
        s.images(&["src/cat"], 16);
        let Some(library) = library(&s) else { return };
        let mut run = held_up(&s, &library, "HELD_UP_SYNC", "/out/train", SHARDS);
        kill("INT", &run.id().to_string());
        let mut stderr = BufReader::new(run.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        assert_eq!(line, STOPPING);
        kill("TERM", &run.id().to_string());
        assert_eq!(run.wait().unwrap().signal(), Some(15));
        stderr.read_to_string(&mut line).unwrap();
        assert_eq!(line, STOPPING);
        // What the journal names is there.
        assert!(s.path().join("out/.inlaid/journal.json").exists());
        assert_eq!(staging(&s).len(), 1);
        assert!(!s.path().join("out/inlaid.json").exists());
        s.run(command, words).exits(0);
        assert_eq!(staging(&s), [""; 0]);
        s.is_whole("out");
    }
}

#[test]
fn signal_during_the_commit_of_a_change_waits_for_it() {
    let s = Scratch::new();
    s.images(&["src/cat"], 10);
    let Some(library) = library(&s) else { return };
    s.convert("src --out out --size 4 --split train=1").exits(0);
    let before = s.dataset("out");
    s.more_images(&["src/cat"], 10..12);
    s.run("append", "src --out out").exits(0);
    let run = held_up(&s, &library, "HELD_UP_SYNC", "/out/train", "rollback out");
    kill("INT", &run.id().to_string());
    s.file("go-on", b"");
    let ran = Ran::of(run.wait_with_output().unwrap()).exits(0);
    assert_eq!(ran.stdout, "snapshot 1: 10 rows in 1 file, before: 12 rows in 1 file: `out`\n");
    assert!(s.dataset("out") == before);
}

#[test]
fn signal_before_the_commit_of_a_change_ends_it() {
    let s = Scratch::new();
    s.images(&["src/cat"], 10);
    let Some(library) = library(&s) else { return };
    s.convert("src --out out --size 4 --split train=1").exits(0);
    s.more_images(&["src/cat"], 10..12);
    s.run("append", "src --out out").exits(0);
    let before = s.dataset("out");
    let run = held_up(&s, &library, "HELD_UP_READ", "train-00000.parquet", "compact out");
    kill("INT", &run.id().to_string());
    let (signal, stdout, stderr) = ended(run);
    assert_eq!((signal, &*stdout), (Some(2), ""));
    assert_eq!(stderr, "error: interrupted\nhint: run the same command again\n");
    assert_eq!(staging(&s), [""; 0]);
    assert!(s.dataset("out") == before);
}
