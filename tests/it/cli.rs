//! The output of the command line, word for word.

use std::fs;

use inlaid::{ByteSize, Recipe, Spec, SpecError};

use crate::harness::Scratch;

fn source() -> Scratch {
    let s = Scratch::new();
    s.images(&["src/cat", "src/dog"], 10);
    s
}

#[test]
fn summary_is_text() {
    let s = source();
    let ran = s.convert("src --out out --size 4x6").exits(0);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("train             16 rows "), "{}", ran.stdout);
    assert!(lines[1].starts_with("validation         2 rows "), "{}", ran.stdout);
    assert!(lines[2].starts_with("test               2 rows "), "{}", ran.stdout);
    assert!(lines[3].starts_with("20 rows from 20 images, 2 classes, in "), "{}", ran.stdout);
    assert_eq!(ran.stderr, "");
}

#[test]
fn summary_names_the_rejects() {
    let s = source();
    s.file("src/cat/a.png", b"no image");
    s.file("src/cat/b.png", b"");
    let ran = s.convert("src --out out --size 4").exits(3);
    let end = "2 rejected: 1 empty, 1 unknown-format\nsee `out/rejects.jsonl` for the reason of each\n";
    assert!(ran.stdout.ends_with(end), "{}", ran.stdout);
}

#[test]
fn json_summary_has_everything() {
    let s = source();
    let mut summary = s.convert("src --out out --size 4 --json --quiet").exits(0).json();
    for measured in ["seconds", "images_per_second"] {
        assert!(summary[measured].as_f64().unwrap() > 0.0);
        summary[measured] = 0.into();
    }
    for split in ["train", "validation", "test"] {
        assert!(summary["splits"][split]["bytes"].as_u64().unwrap() > 0);
        summary["splits"][split]["bytes"] = 0.into();
    }
    let expected = serde_json::json!({
        "dry_run": false,
        "committed": true,
        "inputs": 20,
        "rows": 20,
        "truncated": 0,
        "unchanged": 0,
        "rejects": 0,
        "rejects_by_reason": {},
        "classes": 2,
        "small_classes": [],
        "splits": {
            "train": {"rows": 16, "added": 16, "bytes": 0, "shards": 1},
            "validation": {"rows": 2, "added": 2, "bytes": 0, "shards": 1},
            "test": {"rows": 2, "added": 2, "bytes": 0, "shards": 1},
        },
        "ignored": {"hidden": 0, "other": {}, "system": {}, "linked_folders": 0},
        "notices": [],
        "seconds": 0,
        "images_per_second": 0,
    });
    assert_eq!(summary, expected);
}

#[test]
fn fractions_that_do_not_sum_to_one_are_refused() {
    let s = source();
    let refused = |split: &str, message: &str| {
        let ran = s.convert(&format!("src --out out --size 4 --split {split}")).exits(2);
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
    };
    refused("train=0.8,test=0.1", "split fractions sum to 0.9, not 1");
    refused("train=0.8,holdout=0.2", "unknown split `holdout`, expected one of train, validation, test");
    refused("train=0.8,valid=0.1,val=0.1", "split `validation` is named twice");
    refused("train", "split fraction `train` is not SPLIT=FRACTION");
    refused("train=1.5,test=-0.5", "fraction 1.5 of split `train` is not above 0 and at most 1");
}

#[test]
fn settings_out_of_range_are_refused() {
    let s = source();
    let refused = |words: &str, message: &str| {
        let ran = s.convert(&format!("src --out out {words}")).exits(2);
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
    };
    refused("--size 0", "size `0` is not HEIGHTxWIDTH in pixels, 1 to 65535 each");
    refused("--size 224x", "size `224x` is not HEIGHTxWIDTH in pixels, 1 to 65535 each");
    refused("--size 4 --pad-color pink", "color `pink` is not R,G,B (0 to 255 each), #RRGGBB, black, gray or white");
    refused("--size 4 --row-group-bytes 0", "`0` is not a size in bytes such as 16MiB");
    refused("--size 4 --max-errors 101%", "`101%` is not a number such as 100 or a percentage such as 0.5%");
    refused("--size 4 --fit squeeze", "[possible values: stretch, crop, pad, shortest-side]");
    let times = "`0` is not a valid `--jpeg-shrink` factor (1 to 255)";
    refused("--size 4 --jpeg-decoder libjpeg-turbo --jpeg-shrink=0", times);
    refused("--size 4 --threads 0", "invalid value '0' for '--threads <N>'");
    refused(
        "--size 4 --threads 1025",
        "error: 1025 threads are too many, the limit is 1024\n\
         hint: leave out `--threads`: one thread per core is fastest",
    );
}

#[test]
fn elements_beyond_their_type_are_refused() {
    let s = source();
    s.convert("src --out out --size 4 --dtype f16 --scale 0..255 --std 0.001").fails(
        2,
        "error: this scale, mean and standard deviation move black or white out of the range of `f16`\n\
         hint: give `--mean` and `--std` on the scale of `--scale`, as in `--mean 0.5 --std 0.25`",
    );
}

#[test]
fn decoder_that_can_not_shrink_is_refused() {
    let s = source();
    s.convert("src --out out --size 4 --jpeg-shrink").fails(
        2,
        "error: `zune-jpeg` can't shrink JPEGs while decoding\n\
         hint: add `--jpeg-decoder libjpeg-turbo`, in a build with the feature `turbojpeg`",
    );
}

#[test]
#[cfg(not(feature = "turbojpeg"))]
fn decoder_that_was_not_built_in_is_refused() {
    let s = source();
    s.convert("src --out out --size 4 --jpeg-decoder libjpeg-turbo").fails(
        2,
        "error: this build of inlaid does not include `libjpeg-turbo`\n\
         hint: build inlaid with the feature `turbojpeg`, or use `--jpeg-decoder zune-jpeg` for a new dataset",
    );
}

#[test]
fn tensor_too_large_for_readers_is_refused() {
    let s = source();
    s.convert("src --out out --size 65535").fails(
        2,
        "error: a tensor of 12884508675 elements is too large, the limit is 536870911\nhint: choose a smaller `--size`",
    );
}

#[test]
fn row_group_larger_than_its_shard_is_refused() {
    let s = source();
    for words in ["--row-group-bytes 8MiB --shard-bytes 4MiB", "--shard-bytes 4MiB --row-group-bytes 8MiB --dry-run"] {
        s.convert(&format!("src --out out --size 4 {words}")).fails(
            2,
            "error: a row group of 8388608 bytes is larger than a shard of 4194304 bytes\n\
             hint: use `--row-group-bytes 4194304`, or leave it out",
        );
    }
    s.convert("src --out out --size 4 --row-group-bytes 4MiB --shard-bytes 4MiB").exits(0);
    let mut spec = Spec::originals();
    spec.shard_bytes = ByteSize::mib(1);
    let refused = SpecError::RowGroupBytes { row_group: 16 << 20, shard: 1 << 20 };
    assert_eq!((Recipe::new(&spec).err(), spec.check_new()), (None, Err(refused)));
}

#[test]
fn bytes_of_row_groups_and_shards_make_way_for_one_another() {
    let s = source();
    for (words, row_group, shard) in [
        ("", 16 << 20, 512 << 20),
        ("--shard-bytes 96", 96, 96),
        ("--shard-bytes 32MiB", 16 << 20, 32 << 20),
        ("--row-group-bytes 1GiB", 1 << 30, 1 << 30),
    ] {
        s.convert(&format!("src --out out --size 4 --overwrite {words}")).exits(0);
        let spec = &s.manifest("out")["spec"];
        assert_eq!((&spec["row_group_bytes"], &spec["shard_bytes"]), (&row_group.into(), &shard.into()), "{words}");
    }
    // A page of 8 rows is the least that a shard holds.
    s.convert("src --out out --size 4 --overwrite --shard-bytes 384 --split train=1").exits(0);
    assert_eq!(s.shards("out", "train").len(), 3);
}

#[test]
fn sources_that_hold_nothing_are_refused() {
    let s = Scratch::new();
    s.file("src/notes.txt", b"x");
    s.convert("src --out out --size 4").fails(
        1,
        "error: no images in `src`\n\
         hint: a source holds class folders, split folders, or images; see `inlaid convert --help`",
    );
    s.convert("missing --out out --size 4")
        .fails(1, "error: can't read source `missing`: No such file or directory (os error 2)");
    s.convert("src/notes.txt --out out --size 4")
        .fails(1, "error: source `src/notes.txt` is neither a folder, an archive, a table nor an array of images\nhint: give the folder that contains it");
}

#[test]
fn sources_that_disagree_are_refused() {
    let s = Scratch::new();
    s.image("a/cat/1.png");
    s.image("b/train/cat/1.png");
    s.convert("a b --out out --size 4").fails(
        1,
        "error: `a` holds class folders, but `b` holds split folders\n\
         hint: say what the top folders mean with `--folders classes`, `splits` or `none`",
    );
}

#[test]
fn datasets_do_not_lie_in_one_another() {
    let s = source();
    s.convert("src --out out --size 4 --split train=1").exits(0);
    let dataset = s.path().canonicalize().unwrap().join("out");
    for out in ["out/train/more", "out/more"] {
        s.convert(&format!("src --out {out} --size 4 --split train=1")).fails(
            1,
            &format!(
                "error: output folder `{out}` is inside the dataset `{}`\n\
                 hint: choose a folder for `--out` outside the dataset",
                dataset.display()
            ),
        );
    }
}

#[test]
fn names_control_no_terminal() {
    let s = source();
    s.image("src/red\x1b[31m\u{9b}/1.png");
    let ran = s.convert("src --out out --size 4").exits(0);
    assert!(ran.stderr.starts_with("note: class `red\\u{1b}[31m\\u{9b}` is too small"), "{}", ran.stderr);
    let told = s.run("info", "out").exits(0).stdout;
    assert!(told.contains("red\\u{1b}[31m\\u{9b}"), "{told}");
    // A line of a table stays one line.
    s.image("src/two\nlines/1.png");
    s.convert("src --out lines --size 4").exits(0);
    let told = s.run("info", "lines").exits(0).stdout;
    assert!(told.contains("\n    3  two\\nlines  ") && told.contains("\ntwo\\nlines "), "{told}");
    // JSON has escapes of its own.
    let told: serde_json::Value = serde_json::from_str(&s.run("info", "out --json").exits(0).stdout).unwrap();
    assert_eq!(told["classes"][2], "red\x1b[31m\u{9b}");
}

#[test]
fn split_folders_have_no_shares() {
    let s = Scratch::new();
    s.image("src/train/cat/1.png");
    s.image("src/test/cat/1.png");
    s.convert("src --out out --size 4 --split train=0.5,validation=0.5").fails(
        2,
        "error: `--split` has no effect on a source with split folders\n\
         hint: leave out `--split`, or add `--split-by label` to reassign all images",
    );
    s.convert("src --out out --size 4").exits(0);
    let told = s.run("info", "out").exits(0).stdout;
    assert!(told.contains("splits: from the source's folders, order shuffled, seed 0\n"), "{told}");
    s.convert("src --out again --size 4 --split train=0.5,test=0.5 --split-by label").exits(0);
}

#[test]
fn results_that_can_not_be_printed_are_an_error() {
    let s = source();
    s.convert("src --out out --size 4 --split train=1").exits(0);
    for (command, words) in [("info", "out"), ("verify", "out --json"), ("convert", "src --out new --size 4 --json")] {
        let full = fs::File::create("/dev/full").unwrap();
        let ran = s.command(command, words).stdout(full).output().unwrap();
        let told = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(1), "{command}: {told}");
        assert!(told.contains("error: can't print the result: No space left on device"), "{command}: {told}");
    }
}

#[test]
fn split_folders_must_be_there_to_split_by_them() {
    let s = source();
    s.convert("src --out out --size 4 --split-by folder").fails(
        1,
        "error: `src` has no split folders to split by\n\
         hint: name the top folders train, validation and test, or use `--split-by label`",
    );
    s.convert("src --out out --size 4 --folders splits").fails(
        1,
        "error: folder `cat` in `src` is not named after a split\n\
         hint: split folders are named train, validation (valid, val, dev) or test (eval); for a new dataset, \
         `--folders classes` makes them classes",
    );
    s.convert("src --out out --size 4 --split-by folder --folders classes").fails(
        2,
        "error: `--split-by folder` needs split folders, not `--folders classes`\n\
         hint: leave out `--folders`, or use `--split-by label`",
    );
}

#[test]
fn too_many_errors_stop_the_run() {
    let s = source();
    for name in ["a", "b", "c"] {
        s.file(&format!("src/cat/{name}.png"), b"no image");
    }
    s.convert("src --out ok --size 4 --max-errors 3").exits(3);
    s.convert("src --out ok2 --size 4 --max-errors 14%").exits(3);
    for limit in ["2", "13%"] {
        let ran = s.convert(&format!("src --out out --size 4 --max-errors {limit}")).exits(1);
        let begin = "error: 3 of 23 inputs can't be used, more than the 2 allowed; the last is `cat/";
        assert!(ran.stderr.starts_with(begin), "{}", ran.stderr);
        assert!(ran.stderr.ends_with("hint: raise `--max-errors` to continue\n"), "{}", ran.stderr);
        assert!(!s.path().join("out").exists());
    }
}

#[test]
fn nothing_usable_is_an_error() {
    let s = Scratch::new();
    s.file("src/a.png", b"no image");
    s.convert("src --out out --size 4 --split train=1")
        .fails(1, "error: the only input, `a.png`, can't be used: the content is not a known image format");
    assert!(!s.path().join("out").exists());
}

#[test]
fn negative_numbers_are_values_of_their_option() {
    let s = source();
    for (options, message) in [
        ("--seed -1", "error: invalid value '-1' for '--seed <N>': not a whole number from 0 to 18446744073709551615"),
        ("--row-group-bytes -1", "error: invalid value '-1' for '--row-group-bytes <BYTES>': "),
        ("--max-errors -1", "error: invalid value '-1' for '--max-errors <N|P%>': "),
    ] {
        let ran = s.convert(&format!("src --out out --size 4 {options}")).exits(2);
        assert!(ran.stderr.starts_with(message), "{}", ran.stderr);
    }
}

#[test]
fn image_larger_than_the_limits_is_rejected_from_its_header() {
    let s = source();
    s.convert("src --out out --size 4 --max-pixels 19").exits(1);
    s.convert("src --out out --size 4 --max-pixels 20").exits(0);
    let ran = s.convert("src --out out2 --size 4 --max-file-bytes 10").exits(1);
    assert!(ran.stderr.contains("bytes, more than the 10 allowed"), "{}", ran.stderr);
    let ran = s.convert("src --out out2 --size 4 --max-pixels 0").exits(2);
    assert!(ran.stderr.contains("invalid value '0' for '--max-pixels <N>'"), "{}", ran.stderr);
}

#[test]
fn progress_is_json_for_programs() {
    let s = source();
    s.file("src/cat/broken.png", b"no image");
    let ran = s.convert("src --out out --size 4 --quiet --progress json").exits(3);
    let lines: Vec<serde_json::Value> = ran.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.last().unwrap();
    let (inputs, rows) = (s.rows("out").len() + 1, s.rows("out").len());
    assert_eq!((&last["done"], &last["total"], &last["rejected"]), (&inputs.into(), &inputs.into(), &1.into()));
    let split = |name: &str| s.manifest("out")["splits"][name]["rows"].as_u64().unwrap();
    let of_splits = ["train", "validation", "test"].map(|name| (name, split(name)));
    assert_eq!(last["rows"].as_object().unwrap().len(), 3);
    assert!(of_splits.iter().all(|(name, rows)| last["rows"][name] == *rows), "{last}");
    assert!(last["bytes_read"].as_u64().unwrap() > 0 && last["bytes_written"] == rows * 4 * 4 * 3, "{last}");
    assert_eq!((&last["seconds_left"], last.as_object().unwrap().len()), (&0.0.into(), 8));
    assert_eq!(s.convert("src --out out2 --size 4 --progress none").exits(3).stderr, "");
    let ran = s.convert("src --out out3 --size 4 --progress loud").exits(2);
    assert!(ran.stderr.starts_with("error: invalid value 'loud' for '--progress <FORM>'"), "{}", ran.stderr);
}

#[test]
fn plan_shows_no_option_that_it_refuses() {
    let s = Scratch::new();
    let help = s.run("plan", "--help").exits(0).stdout;
    assert!(help.contains("--max-errors") && !help.contains("--overwrite") && !help.contains("--dry-run"), "{help}");
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let s = Scratch::new();
    let help = s.run("help", "").exits(0).stdout;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // Not the second lines of long descriptions.
    let commands = commands.filter(|line| !line.starts_with("   "));
    let commands: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"convert") && commands.len() > 15, "{commands:?}");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = s.run("completions", shell).exits(0).stdout;
        assert!(commands.iter().all(|command| script.contains(command)), "{shell}");
        assert!(script.contains("jpeg-decoder") && script.contains("libjpeg-turbo"), "{shell}");
    }
    assert_eq!(s.run("man", "pages/of").exits(0).stdout, "`pages/of`\n");
    for command in commands.into_iter().filter(|command| *command != "help") {
        let page = fs::read_to_string(s.path().join(format!("pages/of/inlaid-{command}.1"))).unwrap();
        assert!(page.contains(&format!(".TH inlaid-{command} 1")), "{page}");
    }
    assert!(fs::read_to_string(s.path().join("pages/of/inlaid.1")).unwrap().contains("inlaid\\-convert(1)"));
    let mine = s.file("file", b"mine");
    fs::remove_file(s.path().join("pages/of/inlaid.1")).unwrap();
    std::os::unix::fs::symlink(&mine, s.path().join("pages/of/inlaid.1")).unwrap();
    s.run("man", "pages/of").exits(0);
    assert_eq!(fs::read(&mine).unwrap(), b"mine");
    let failed = s.run("man", "file").exits(1);
    assert!(failed.stderr.starts_with("error: can't create `file`"), "{}", failed.stderr);
    assert!(s.run("completions", "tcsh").exits(2).stderr.contains("[possible values: bash, "));
}
