//! Which files become rows, with which labels, and what is reported about the others.

use inlaid::{RunOptions, Size, Spec};

use crate::harness::Scratch;

fn labels(scratch: &Scratch, dataset: &str) -> Vec<(String, Option<i64>)> {
    let mut rows: Vec<_> = scratch.rows(dataset).into_iter().map(|row| (row.path, row.label)).collect();
    rows.sort();
    rows
}

fn labelled(rows: &[(&str, i64)]) -> Vec<(String, Option<i64>)> {
    rows.iter().map(|(path, label)| ((*path).to_owned(), Some(*label))).collect()
}

const ALL_TRAIN: &str = "--out out --size 4 --split train=1";

#[test]
fn class_folders_are_sorted_by_utf8_bytes() {
    let s = Scratch::new();
    for name in ["src/b/1.png", "src/B/1.png", "src/é/1.png", "src/a/deep/er/1.png"] {
        s.image(name);
    }
    s.convert(&format!("src {ALL_TRAIN}")).exits(0);
    assert_eq!(labels(&s, "out"), labelled(&[("B/1.png", 0), ("a/deep/er/1.png", 1), ("b/1.png", 2), ("é/1.png", 3)]));
}

#[test]
fn flat_folder_has_no_labels() {
    let s = Scratch::new();
    s.image("src/1.png");
    s.image("src/2_train.png");
    s.convert(&format!("src {ALL_TRAIN}")).exits(0);
    assert_eq!(labels(&s, "out"), [("1.png".into(), None), ("2_train.png".into(), None)]);
}

#[test]
fn one_class_is_a_class() {
    let s = Scratch::new();
    s.image("src/cat/1.png");
    s.convert(&format!("src {ALL_TRAIN}")).exits(0);
    assert_eq!(labels(&s, "out"), labelled(&[("cat/1.png", 0)]));
}

#[test]
fn split_folders_are_kept() {
    let s = Scratch::new();
    for name in ["src/training/cat/1.png", "src/Val/dog/1.png", "src/eval/cat/1.png"] {
        s.image(name);
    }
    let ran = s.convert("src --out out --size 4").exits(0);
    assert!(ran.stderr.contains("note: the top folders of `src` are used as splits\n"), "{}", ran.stderr);
    let rows: Vec<_> = s.rows("out").into_iter().map(|row| (row.split, row.path, row.label)).collect();
    assert_eq!(
        rows,
        [
            ("train", "training/cat/1.png".into(), Some(0)),
            ("validation", "Val/dog/1.png".into(), Some(1)),
            ("test", "eval/cat/1.png".into(), Some(0)),
        ]
    );
}

#[test]
fn class_called_train_is_a_class() {
    let s = Scratch::new();
    for name in ["src/train/1.png", "src/ship/1.png"] {
        s.image(name);
    }
    let ran = s.convert(&format!("src {ALL_TRAIN}")).exits(0);
    assert_eq!(labels(&s, "out"), labelled(&[("ship/1.png", 0), ("train/1.png", 1)]));
    let note = "note: folder `train` is used as a class, since not every folder next to it is named after a split\n";
    assert!(ran.stderr.contains(note), "{}", ran.stderr);
}

#[test]
fn option_decides_what_split_words_mean() {
    let s = Scratch::new();
    for name in ["src/train/1.png", "src/test/1.png"] {
        s.image(name);
    }
    let ran = s.convert(&format!("src --folders classes {ALL_TRAIN}")).exits(0);
    assert_eq!(ran.stderr, "");
    assert_eq!(labels(&s, "out"), labelled(&[("test/1.png", 0), ("train/1.png", 1)]));
}

#[test]
fn image_beside_class_folders_is_rejected() {
    let s = Scratch::new();
    s.image("src/cat/1.png");
    s.image("src/stray.png");
    s.convert(&format!("src {ALL_TRAIN}")).exits(3);
    assert_eq!(labels(&s, "out"), labelled(&[("cat/1.png", 0)]));
    let reason = ["stray.png", "discover", "no-class", "the file is next to class folders, so it has no class"];
    assert_eq!(s.rejects("out"), [reason.map(String::from)]);
}

#[test]
fn image_beside_split_folders_is_rejected() {
    let s = Scratch::new();
    s.image("src/train/cat/1.png");
    s.image("src/train/stray.png");
    s.image("src/stray.png");
    s.convert("src --out out --size 4").exits(3);
    let reasons: Vec<_> = s.rejects("out").into_iter().map(|[path, _, reason, _]| (path, reason)).collect();
    assert_eq!(reasons, [("stray.png".into(), "no-split".into()), ("train/stray.png".into(), "no-class".into())]);
}

#[test]
fn no_folder_rule_takes_everything() {
    let s = Scratch::new();
    s.image("src/cat/1.png");
    s.image("src/stray.png");
    s.convert(&format!("src --folders none {ALL_TRAIN}")).exits(0);
    assert_eq!(labels(&s, "out"), [("cat/1.png".into(), None), ("stray.png".into(), None)]);
}

#[test]
fn hidden_and_other_files_are_told() {
    let s = Scratch::new();
    s.image("src/cat/1.png");
    s.image("src/cat/.2.png");
    s.image("src/.ipynb_checkpoints/3.png");
    s.image("src/__MACOSX/4.png");
    s.file("src/cat/notes.TXT", b"x");
    s.file("src/cat/README", b"x");
    let ran = s.convert(&format!("src {ALL_TRAIN} --json")).exits(0);
    assert_eq!(
        ran.stderr,
        "note: ignored files and folders of the operating system: 1 __MACOSX\n\
         note: ignored 2 hidden files or folders (names beginning with `.` or `__`)\n\
         note: ignored files without an image extension: 1 no extension, 1 .txt\n"
    );
    assert_eq!(
        ran.json()["ignored"],
        serde_json::json!({"hidden": 2, "other": {"": 1, "txt": 1}, "system": {"__MACOSX": 1}, "linked_folders": 0})
    );
}

/// A PNG with a name that is a hash of something.
fn hashed(s: &Scratch, name: &str) {
    let image = s.image(&format!("images/{name}.png"));
    s.file(name, &std::fs::read(image).unwrap());
}

#[test]
fn files_of_any_name_are_inputs_on_request() {
    let s = Scratch::new();
    s.image("src/cat/1.png");
    hashed(&s, "src/cat/3f2a9c");
    hashed(&s, "src/dog/9c1b.d41d8cd9");
    hashed(&s, "src/dog/photo.jpg?w=200");
    hashed(&s, "src/dog/.9c1b");
    s.file("src/dog/notes.txt", b"x");
    let ran = s.convert(&format!("src {ALL_TRAIN} --any-name")).exits(3);
    assert_eq!(ran.stderr, "note: ignored 1 hidden file or folder (its name begins with `.` or `__`)\n");
    let expected = [("cat/1.png", 0), ("cat/3f2a9c", 0), ("dog/9c1b.d41d8cd9", 1), ("dog/photo.jpg?w=200", 1)];
    assert_eq!(labels(&s, "out"), labelled(&expected));
    let reject = ["dog/notes.txt", "decode", "unknown-format", "the content is not a known image format"];
    assert_eq!(s.rejects("out"), [reject.map(String::from)]);
    assert_eq!(s.manifest("out")["spec"]["any_name"], true);
    s.is_whole("out");
    s.run("verify", "out --sources src").exits(0);

    s.convert(&format!("src {ALL_TRAIN} --overwrite")).exits(0);
    assert_eq!(labels(&s, "out"), labelled(&[("cat/1.png", 0)]));
    assert_eq!(s.manifest("out")["spec"].get("any_name"), None);
}

#[test]
fn append_takes_names_as_the_dataset_does() {
    for (option, rows) in [("--any-name", 3), ("", 1)] {
        let s = Scratch::new();
        s.image("src/cat/1.png");
        hashed(&s, "src/cat/3f2a9c");
        s.convert(&format!("src {ALL_TRAIN} {option}")).exits(0);
        hashed(&s, "src/cat/9c1b");
        s.run("append", "src --out out").exits(0);
        assert_eq!(s.rows("out").len(), rows);
    }
}

#[test]
fn option_for_files_without_an_extension_is_told() {
    let s = Scratch::new();
    hashed(&s, "src/cat/3f2a9c");
    let hint = "hint: `inlaid convert --any-name` takes files of any name and lets their content decide";
    let refused = format!("error: no images in `src`, but 1 file without an extension\n{hint}");
    s.convert(&format!("src {ALL_TRAIN}")).fails(1, &refused);
    hashed(&s, "src/cat/9c1b");
    let refused = format!("error: no images in `src`, but 2 files without an extension\n{hint}");
    s.convert(&format!("src {ALL_TRAIN}")).fails(1, &refused);

    s.image("src/cat/1.png");
    let note = "note: ignored files without an image extension: 2 no extension\n";
    let ran = s.convert(&format!("src {ALL_TRAIN}")).exits(0);
    assert_eq!(ran.stderr, format!("{note}{hint}\n"));
    assert_eq!(s.run("append", "src --out out").exits(0).stderr, format!("{note}{hint}\n"));
    // Where there are other files too, those without an extension are more likely to be none.
    s.file("src/cat/notes.txt", b"x");
    let ran = s.convert(&format!("src {ALL_TRAIN} --overwrite")).exits(0);
    assert!(!ran.stderr.contains("hint"), "{}", ran.stderr);
}

#[test]
fn library_takes_files_of_any_name() {
    let s = Scratch::new();
    hashed(&s, "src/3f2a9c");
    let (sources, out) = ([s.path().join("src")], s.path().join("out"));
    let mut spec = Spec::new(Size::new(4, 4).unwrap());
    spec.any_name = true;
    let summary = inlaid::convert(&sources, &out, &spec, &RunOptions::default()).unwrap();
    assert_eq!((summary.rows, summary.ignored.other.len()), (1, 0));
}

#[test]
fn extension_in_any_case_names_an_input_and_content_decides() {
    let s = Scratch::new();
    s.image("src/cat/1.JPG");
    s.image("src/cat/2.Tiff");
    s.convert(&format!("src {ALL_TRAIN}")).exits(0);
    assert_eq!(labels(&s, "out"), labelled(&[("cat/1.JPG", 0), ("cat/2.Tiff", 0)]));
}

#[test]
fn undecodable_formats_are_named() {
    let s = Scratch::new();
    s.image("src/cat/1.png");
    s.file("src/cat/2.avif", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1");
    s.file("src/cat/3.heic", b"\0\0\0\x18ftypheic\0\0\0\0");
    s.file("src/cat/4.jxl", b"\xff\x0a\xfa\x7f\x01");
    s.file("src/cat/5.jpg", b"no image at all");
    s.file("src/cat/6.jpg", b"");
    s.convert(&format!("src {ALL_TRAIN}")).exits(3);
    let details: Vec<_> = s.rejects("out").into_iter().map(|[path, stage, _, detail]| (path, stage, detail)).collect();
    let [avif, jxl] = match cfg!(feature = "formats") {
        true => ["the file ends before the image does"; 2],
        false => [
            "AVIF images need a build with the feature `formats`",
            "JPEG XL images need a build with the feature `formats`",
        ],
    };
    let heic = match cfg!(feature = "heif") {
        true => "HEIC: Invalid input: No 'meta' box",
        false => "HEIC images need a build with the feature `heif`; or save them as JPEG, PNG or AVIF first",
    };
    let expected = [
        ("cat/2.avif", avif),
        ("cat/3.heic", heic),
        ("cat/4.jxl", jxl),
        ("cat/5.jpg", "the content is not a known image format"),
        ("cat/6.jpg", "the file is empty"),
    ];
    assert_eq!(details, expected.map(|(path, detail)| (path.into(), "decode".into(), detail.into())));
}

#[test]
fn same_key_in_two_sources_is_taken_once() {
    let s = Scratch::new();
    for name in ["a/cat/1.png", "b/cat/1.png", "b/cat/2.png"] {
        s.image(name);
    }
    let ran = s.convert(&format!("a b {ALL_TRAIN} --json")).exits(3);
    assert_eq!(labels(&s, "out"), labelled(&[("cat/1.png", 0), ("cat/2.png", 0)]));
    assert_eq!(s.rejects("out")[0][3], "the key is already taken by the file in `a`");
    assert_eq!(ran.json()["inputs"], 3);
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    fn reasons(s: &Scratch) -> Vec<(String, String)> {
        s.rejects("out").into_iter().map(|[path, _, reason, _]| (path, reason)).collect()
    }

    #[test]
    fn pipe_named_as_an_image_hangs_nothing() {
        let s = Scratch::new();
        s.image("src/cat/1.png");
        assert!(Command::new("mkfifo").arg(s.path().join("src/cat/2.jpg")).status().unwrap().success());
        s.convert(&format!("src {ALL_TRAIN}")).exits(3);
        assert_eq!(reasons(&s), [("cat/2.jpg".into(), "not-a-file".into())]);
    }

    #[test]
    fn name_that_is_not_utf8_is_rejected() {
        let s = Scratch::new();
        let image = s.image("src/cat/1.png");
        fs::copy(image, s.path().join("src/cat").join(OsStr::from_bytes(b"\xff.png"))).unwrap();
        s.convert(&format!("src {ALL_TRAIN}")).exits(3);
        assert_eq!(reasons(&s), [("cat/\u{fffd}.png".into(), "name-not-utf8".into())]);
    }

    #[test]
    fn linked_files_are_followed_and_broken_ones_rejected() {
        let s = Scratch::new();
        let image = s.image("elsewhere/1.png");
        fs::create_dir_all(s.path().join("src/cat")).unwrap();
        symlink(image, s.path().join("src/cat/1.png")).unwrap();
        symlink("nowhere", s.path().join("src/cat/2.png")).unwrap();
        s.convert(&format!("src {ALL_TRAIN}")).exits(3);
        assert_eq!(labels(&s, "out"), labelled(&[("cat/1.png", 0)]));
        assert_eq!(reasons(&s), [("cat/2.png".into(), "broken-link".into())]);
    }

    #[test]
    fn linked_folders_are_followed_on_request() {
        let s = Scratch::new();
        s.image("src/cat/1.png");
        s.image("elsewhere/1.png");
        symlink(s.path().join("elsewhere"), s.path().join("src/dog")).unwrap();
        let ran = s.convert(&format!("src {ALL_TRAIN}")).exits(0);
        assert_eq!(ran.stderr, "note: 1 symbolic link to a folder was not followed\n");
        assert_eq!(labels(&s, "out"), labelled(&[("cat/1.png", 0)]));
        s.convert(&format!("src {ALL_TRAIN} --overwrite --follow-links")).exits(0);
        assert_eq!(labels(&s, "out"), labelled(&[("cat/1.png", 0), ("dog/1.png", 1)]));
    }

    #[test]
    fn links_that_lead_nowhere_are_inputs_if_they_are_named_as_images() {
        for options in ["", "--follow-links"] {
            let s = Scratch::new();
            s.image("src/cat/1.png");
            for name in ["gone.png", "notes.txt", ".hidden.png"] {
                symlink("nowhere", s.path().join("src/cat").join(name)).unwrap();
            }
            let ran = s.convert(&format!("src {ALL_TRAIN} {options}")).exits(3);
            assert_eq!(reasons(&s), [("cat/gone.png".into(), "broken-link".into())]);
            let notes = "note: ignored 1 hidden file or folder (its name begins with `.` or `__`)\n\
                         note: ignored files without an image extension: 1 .txt\n";
            assert_eq!(ran.stderr, notes, "{options}");
        }
    }

    #[test]
    fn links_and_pipes_of_any_name_are_inputs_on_request() {
        for options in ["", "--follow-links"] {
            let s = Scratch::new();
            s.image("src/cat/1.png");
            symlink("nowhere", s.path().join("src/cat/3f2a9c")).unwrap();
            assert!(Command::new("mkfifo").arg(s.path().join("src/cat/pipe")).status().unwrap().success());
            s.convert(&format!("src {ALL_TRAIN} --any-name {options}")).exits(3);
            let expected = [("cat/3f2a9c".into(), "broken-link".into()), ("cat/pipe".into(), "not-a-file".into())];
            assert_eq!(reasons(&s), expected);
        }
    }

    #[test]
    fn loop_of_links_ends() {
        let s = Scratch::new();
        s.image("src/cat/1.png");
        symlink(s.path().join("src"), s.path().join("src/cat/up")).unwrap();
        s.convert(&format!("src {ALL_TRAIN} --follow-links")).exits(3);
        assert_eq!(labels(&s, "out"), labelled(&[("cat/1.png", 0)]));
        assert_eq!(reasons(&s), [("cat/up".into(), "link-loop".into())]);
    }
}
