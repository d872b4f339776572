//! Classes with too few images for exact fractions.

use std::collections::BTreeMap;

use crate::harness::Scratch;

/// A folder with a few large classes and many small ones: as real ones are.
fn long_tail() -> Scratch {
    let s = Scratch::new();
    for (number, images) in [100, 50, 25, 12, 6, 5, 4, 3, 3, 2, 2, 2, 1, 1, 1, 1].into_iter().enumerate() {
        s.images(&[&format!("src/class-{number:02}")], images);
    }
    s
}

/// How many rows of each class are in train, validation and test.
fn counts(s: &Scratch, dataset: &str) -> BTreeMap<String, [usize; 3]> {
    let mut counts = BTreeMap::<_, [usize; 3]>::new();
    for row in s.rows(dataset) {
        let split = ["train", "validation", "test"].iter().position(|split| *split == row.split).unwrap();
        let class = row.path.rsplit_once('/').map_or("", |(class, _)| class);
        counts.entry(class.to_owned()).or_default()[split] += 1;
    }
    counts
}

fn sums(counts: &BTreeMap<String, [usize; 3]>) -> [usize; 3] {
    [0, 1, 2].map(|split| counts.values().map(|of_class| of_class[split]).sum())
}

/// How a class was split, by its number.
fn of_class(counts: &BTreeMap<String, [usize; 3]>, number: usize) -> [usize; 3] {
    counts[&format!("class-{number:02}")]
}

#[test]
fn folder_with_a_long_tail_is_converted() {
    let s = long_tail();
    let ran = s.convert("src --out out --size 4").exits(0);
    assert_eq!(
        ran.stderr,
        "note: 12 classes are too small for exact fractions, so they fill train, then test, then validation: `class-04`, \
         `class-05`, `class-06`, `class-07`, `class-08` and 7 more\n"
    );
    let counts = counts(&s, "out");
    // 6, 4, 3, 2 and 1 images.
    let small = [4, 6, 7, 9, 15].map(|number| of_class(&counts, number));
    assert_eq!(small, [[4, 1, 1], [2, 1, 1], [1, 1, 1], [1, 0, 1], [1, 0, 0]]);
    // The whole has its shares.
    assert_eq!(sums(&counts), [174, 22, 22]);
    s.is_whole("out");
}

#[test]
fn split_of_small_classes_is_the_same_on_every_machine() {
    let s = long_tail();
    s.convert("src --out out --size 4").exits(0);
    let counts = counts(&s, "out");
    // Another result would move rows of existing datasets.
    let large = [0, 1, 2, 3].map(|number| of_class(&counts, number));
    assert_eq!(large, [[84, 9, 7], [41, 5, 4], [21, 2, 2], [10, 1, 1]]);
    for threads in [1, 3] {
        s.convert(&format!("src --out again --size 4 --overwrite --threads {threads}")).exits(0);
        assert!(s.rows("again") == s.rows("out"));
    }
}

#[test]
fn dry_run_and_json_list_all() {
    let s = Scratch::new();
    s.images(&["src/cat", "src/dog"], 20).images(&["src/ant"], 2).images(&["src/bee"], 1);
    let ran = s.convert("src --out out --size 4 --dry-run").exits(0);
    let lines: Vec<_> = ran.stdout.lines().skip(3).collect();
    assert_eq!(
        lines,
        [
            "would write 43 rows from 43 images, 4 classes, to `out`",
            "too small for exact fractions: class `ant`, 2 in all: 1 train, 1 test",
            "too small for exact fractions: class `bee`, 1 in all: 1 train",
        ]
    );
    let expected = serde_json::json!([
        {"class": "ant", "images": 2, "splits": {"train": 1, "test": 1}},
        {"class": "bee", "images": 1, "splits": {"train": 1}},
    ]);
    for words in ["--dry-run", "", ""] {
        let summary = s.convert(&format!("src --out out --size 4 --json {words}")).exits(0).json();
        assert_eq!(summary["small_classes"], expected);
        let note = "2 classes are too small for exact fractions, so they fill train, then test, then validation: `ant`, \
                    `bee`";
        assert_eq!(summary["notices"], serde_json::json!([note]));
    }
}

#[test]
fn stop_names_all_classes_at_once() {
    let s = long_tail();
    s.convert("src --out out --size 4 --small-classes stop").fails(
        1,
        "error: classes `class-04` (6 images), `class-05` (5 images), `class-06` (4 images), `class-07` (3 images), \
         `class-08` (3 images), `class-09` (2 images), `class-10` (2 images), `class-11` (2 images), `class-12` (1 \
         image), `class-13` (1 image), `class-14` (1 image), `class-15` (1 image) have too few images to give each of \
         train=0.8,validation=0.1,test=0.1 its share; 10 are enough\n\
         hint: leave out `--small-classes stop`, or let a new dataset draw for each image with `--split-by path`",
    );
    assert!(!s.path().join("out").exists());
    s.convert("src --out out --size 4 --small-classes stop --dry-run").exits(1);
    s.convert("src --out out --size 4 --small-classes stop --split-by path").exits(0);
    s.convert("src --out one --size 4 --small-classes stop --split train=1").exits(0);
}

#[test]
fn class_alone_is_named_alone() {
    let s = Scratch::new();
    s.images(&["src/cat"], 10).images(&["src/ant"], 6);
    s.convert("src --out out --size 4 --small-classes stop").fails(
        1,
        "error: class `ant` (6 images) has too few images to give each of train=0.8,validation=0.1,test=0.1 its share; \
         10 are enough\n\
         hint: leave out `--small-classes stop`, or let a new dataset draw for each image with `--split-by path`",
    );
    let ran = s.convert("src --out out --size 4 --split train=0.92,test=0.08").exits(0);
    let note = "note: class `ant` is too small for exact fractions, so it fills train, then test\n";
    assert_eq!(ran.stderr, note);
    assert_eq!(counts(&s, "out"), BTreeMap::from([("ant".into(), [5, 0, 1]), ("cat".into(), [9, 0, 1])]));
}

#[test]
fn few_images_in_all_are_converted() {
    for (images, expected, note) in [
        (1, [1, 0, 0], "1 image is too few for exact fractions, so it goes to train"),
        (2, [1, 0, 1], "2 images are too few for exact fractions, so they fill train, then test, then validation"),
        (3, [1, 1, 1], "3 images are too few for exact fractions, so they fill train, then test, then validation"),
    ] {
        let s = Scratch::new();
        s.images(&["flat", "classes/a"], images);
        for words in ["flat", "classes --split-by random"] {
            let ran = s.convert(&format!("{words} --out out --size 4 --overwrite")).exits(0);
            assert_eq!(ran.stderr, format!("note: {note}\n"));
            assert_eq!(sums(&counts(&s, "out")), expected, "{words}");
            s.is_whole("out");
        }
        s.convert("classes --out one --size 4").exits(0);
        assert_eq!(sums(&counts(&s, "one")), expected);
        s.is_whole("one");
    }
}

#[test]
fn too_few_images_in_all_stop_on_request() {
    let s = Scratch::new();
    s.images(&["src"], 1);
    let stopped = |counted: &str| {
        s.convert("src --out out --size 4 --small-classes stop").fails(
            1,
            &format!(
                "error: {counted} too few to give each of train=0.8,validation=0.1,test=0.1 its share; 10 are enough\n\
                 hint: leave out `--small-classes stop`, or let a new dataset draw for each image with `--split-by path`"
            ),
        );
    };
    stopped("1 image is");
    s.images(&["src"], 2);
    stopped("2 images are");
    let summary = s.convert("src --out out --size 4 --json").exits(0).json();
    let expected = serde_json::json!([{"class": null, "images": 2, "splits": {"train": 1, "test": 1}}]);
    assert_eq!(summary["small_classes"], expected);
}

#[test]
fn append_fills_small_classes_and_moves_no_row() {
    let s = Scratch::new();
    s.images(&["src/cat", "src/dog"], 20).images(&["src/ant"], 1);
    s.convert("src --out out --size 4").exits(0);
    let mut before = s.rows("out");
    let notes = |class: &str| {
        format!(
            "note: class `{class}` is too small for exact fractions, so it fills train, then test, then validation\n"
        )
    };
    for (ants, expected) in [(2, [1, 0, 1]), (3, [1, 1, 1]), (5, [3, 1, 1])] {
        s.images(&["src/ant"], ants);
        let ran = s.run("append", "src --out out").exits(0);
        assert_eq!(ran.stderr, notes("ant"));
        assert_eq!(counts(&s, "out")["ant"], expected);
        let after = s.rows("out");
        assert!(before.iter().all(|row| after.contains(row)));
        before = after;
    }
    // Ten are a class like any other.
    s.images(&["src/ant"], 10);
    assert_eq!(s.run("append", "src --out out").exits(0).stderr, "");
    assert_eq!(counts(&s, "out")["ant"], [8, 1, 1]);
    s.is_whole("out");
}

#[test]
fn append_brings_the_whole_to_its_shares() {
    let s = long_tail();
    s.convert("src --out out --size 4").exits(0);
    // A class of its own for each, all of which go to train; the others make room.
    for number in 0..20 {
        s.image(&format!("src/single-{number:02}/1.png"));
    }
    s.more_images(&["src/class-00"], 100..182);
    let ran = s.run("append", "src --out out --json").exits(0);
    assert_eq!(ran.json()["small_classes"].as_array().unwrap().len(), 20);
    let after = counts(&s, "out");
    assert_eq!(after.values().flatten().sum::<usize>(), 320);
    assert_eq!(sums(&after), [256, 32, 32]);
    s.is_whole("out");
    assert_eq!(s.run("append", "src --out out --small-classes stop").exits(0).stderr, "");
}

#[test]
fn append_stops_on_request() {
    let s = Scratch::new();
    s.images(&["src/cat"], 20).images(&["src/ant"], 2);
    s.convert("src --out out --size 4").exits(0);
    let before = s.dataset("out");
    s.images(&["src/ant"], 4).images(&["src/bee"], 1);
    for words in ["", "--dry-run"] {
        s.run("append", &format!("src --out out --small-classes stop {words}")).fails(
            1,
            "error: classes `ant` (4 images), `bee` (1 image) have too few images to give each of \
             train=0.8,validation=0.1,test=0.1 its share; 10 are enough\n\
             hint: leave out `--small-classes stop`, or let a new dataset draw for each image with `--split-by path`",
        );
    }
    assert_eq!(s.dataset("out"), before);
    // A long list is cut.
    let many: Vec<String> = (0..22).map(|number| format!("many/class-{number:02}")).collect();
    s.images(&many.iter().map(String::as_str).collect::<Vec<_>>(), 1);
    let ran = s.run("append", "many --out out --small-classes stop").exits(1);
    assert!(ran.stderr.contains("`class-18` (1 image), `class-19` (1 image) and 2 more have too few images"));
    // Small classes that get no image stop nothing.
    s.more_images(&["more/cat"], 20..25);
    s.run("append", "more --out out --small-classes stop").exits(0);
}
