//! Named pipes in the place of files: nothing waits for a writer that never comes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use inlaid::{FileSource, Files, ImageRef, Listing, Record, RunOptions, Source, Spec, convert_from};

use crate::harness::{Ran, Scratch};

/// A source whose files become pipes once they are listed.
struct TurnsIntoPipes(FileSource);

impl Source for TurnsIntoPipes {
    fn list(&self, spec: &Spec) -> Result<Listing, inlaid::Error> {
        let listing = self.0.list(spec)?;
        replace_by_pipe(&self.paths()[0].join("a/000.png"));
        Ok(listing)
    }

    fn read(&self, images: &[ImageRef<'_>], limits: &inlaid::Limits, files: &mut Files) {
        self.0.read(images, limits, files);
    }

    fn length(&self, record: &Record) -> Option<u64> {
        self.0.length(record)
    }

    fn paths(&self) -> &[PathBuf] {
        self.0.paths()
    }
}

fn replace_by_pipe(path: &Path) {
    fs::remove_file(path).unwrap();
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Runs a command that must end by itself.
fn ends(s: &Scratch, command: &str, words: &str) -> Ran {
    let mut child = s.command(command, words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("{command} {words} waits");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ran::of(child.wait_with_output().unwrap())
}

#[test]
fn input_that_becomes_a_pipe_is_rejected() {
    let s = Scratch::new();
    s.images(&["src/a", "src/b"], 10);
    let source = TurnsIntoPipes(FileSource::new(&[s.path().join("src")]).unwrap());
    let spec = Spec::new("4".parse().unwrap());
    let summary = convert_from(&source, s.path().join("out"), &spec, &RunOptions::default()).unwrap();
    assert_eq!((summary.rows, summary.rejects), (19, 1));
    let rejects = fs::read_to_string(s.path().join("out/rejects.jsonl")).unwrap();
    let expected = r#"{"path":"a/000.png","stage":"discover","reason":"not-a-file","detail":"not a regular file"}"#;
    assert_eq!(rejects, format!("{expected}\n"));
}

#[test]
fn file_of_a_dataset_that_is_a_pipe_is_an_error() {
    let s = Scratch::new();
    s.images(&["src/a", "src/b"], 10);
    s.convert("src --out whole --size 4").exits(0);
    for file in ["inlaid.json", "train/train-00000.parquet", "rejects.jsonl", ".inlaid/journal.json"] {
        let out = s.path().join("out");
        let _ = fs::remove_dir_all(&out);
        assert!(Command::new("cp").arg("-r").arg(s.path().join("whole")).arg(&out).status().unwrap().success());
        fs::write(out.join(file), "").unwrap();
        replace_by_pipe(&out.join(file));
        for (command, words) in [("info", "out"), ("verify", "out"), ("append", "src --out out"), ("compact", "out")] {
            // Those that don't read the file may succeed.
            let ran = ends(&s, command, words);
            let told = ran.stdout + &ran.stderr;
            assert!(ran.code == 0 || told.contains(file) || told.contains("commit"), "{file}, {command}: {told}");
        }
    }
}
