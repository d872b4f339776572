//! Every byte of a dataset is covered by a checksum: `verify` finds each changed bit and each missing byte.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use inlaid::{RunOptions, Verification, verify};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::harness::Scratch;

/// A dataset with every kind of file: shards, card, rejects of now and of before, manifest.
fn dataset() -> Scratch {
    let s = Scratch::new();
    s.images(&["src/a", "src/b"], 10).images(&["more/a"], 14);
    s.file("src/a/broken.png", b"no image");
    s.file("more/a/broken too.png", b"no image");
    s.convert("src --out out --size 3 --row-group-bytes 100 --shard-bytes 200").exits(3);
    s.run("append", "more --out out").exits(3);
    s
}

fn files(s: &Scratch) -> Vec<PathBuf> {
    let names = s.dataset("out").into_iter().map(|(name, _)| s.path().join("out").join(name));
    names.collect()
}

/// Whether `verify` tells that something is not as it was written.
fn is_found(folder: &Path) -> bool {
    let mut options = RunOptions::default();
    options.threads = NonZeroUsize::new(1);
    let nothing = |found: Verification| found.problems.is_empty() && found.notices.is_empty();
    !verify(folder, None, &options).is_ok_and(nothing)
}

#[test]
fn every_changed_bit_is_found() {
    let s = dataset();
    let mut draw = ChaCha8Rng::seed_from_u64(7);
    let out = s.path().join("out");
    assert!(!is_found(&out));
    let files = files(&s);
    assert!(files.len() >= 8, "{files:?}");
    for path in files {
        let whole = fs::read(&path).unwrap();
        for _ in 0..80 {
            let (at, bit) = (draw.random_range(0..whole.len()), draw.random_range(0..8));
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            fs::write(&path, &flipped).unwrap();
            assert!(is_found(&out), "bit {bit} of byte {at} of {}", path.display());
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(!is_found(&out));
}

#[test]
fn every_missing_end_is_found() {
    let s = dataset();
    let mut draw = ChaCha8Rng::seed_from_u64(7);
    let out = s.path().join("out");
    for path in files(&s) {
        let whole = fs::read(&path).unwrap();
        let ends = (0..20).map(|_| draw.random_range(0..whole.len())).chain([0, whole.len() - 1]);
        for end in ends.collect::<Vec<_>>() {
            fs::write(&path, &whole[..end]).unwrap();
            assert!(is_found(&out), "{end} of {} bytes of {}", whole.len(), path.display());
        }
        fs::write(&path, &whole).unwrap();
    }
}

/// The keys that an earlier release left out are read as their defaults: so a lost key must be found.
#[test]
fn every_lost_or_renamed_key_of_the_manifest_is_found() {
    let s = dataset();
    let path = s.path().join("out/inlaid.json");
    let whole = fs::read_to_string(&path).unwrap();
    for key in ["conversion", "previous", "statistics", "files", "checksum", "own", "unfinished", "format_version"] {
        let renamed = whole.replacen(&format!("\"{key}\""), &format!("\"{key}_\""), 1);
        if renamed != whole {
            fs::write(&path, renamed).unwrap();
            assert!(is_found(&s.path().join("out")), "{key}");
        }
    }
    for (from, to, reason) in [
        ("\"format_version\": 2", "\"format_version\": 1", "format version 1 has no checksum"),
        ("\"checksum\": \"xxh3-128:", "\"cheksum\": \"xxh3-128:", "its checksum does not match its text"),
        ("\"tool\": \"inlaid", "\"tool\": \"Inlaid", "its checksum does not match its text"),
    ] {
        fs::write(&path, whole.replacen(from, to, 1)).unwrap();
        let ran = s.run("verify", "out").exits(1);
        let error = format!("error: `out/inlaid.json` is damaged: {reason}\n");
        assert!(ran.stderr.starts_with(&error), "{}", ran.stderr);
    }
    let last = whole.rfind("\"checksum\"").unwrap();
    fs::write(&path, format!("{}\"cheksum\"{}", &whole[..last], &whole[last + "\"checksum\"".len()..])).unwrap();
    let ran = s.run("info", "out").exits(1);
    assert!(ran.stderr.starts_with("error: `out/inlaid.json` is damaged: it has no checksum\n"), "{}", ran.stderr);
}
