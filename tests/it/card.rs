//! The dataset card: what people write into it stays, what inlaid writes is kept up to date.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::harness::Scratch;

/// A dataset of 20 images in `out`, made from `src`, and 10 more images in `more`.
fn dataset() -> Scratch {
    let s = Scratch::new();
    s.images(&["src/a", "src/b"], 10).images(&["more/a"], 10);
    fs::rename(s.path().join("more/a"), s.path().join("more/c")).unwrap();
    s.convert("src --out out --size 4").exits(0);
    s
}

fn card(s: &Scratch) -> String {
    fs::read_to_string(s.path().join("out/README.md")).unwrap()
}

/// The card with a license, a title and a closing line.
fn edit(s: &Scratch) {
    let edited = card(s).replacen("---\n", "---\nlicense: cc-by-4.0 # as agreed\ntags:\n- birds\n", 1);
    let edited = edited.replacen("---\n\n", "---\n\n# Birds\n\n", 1) + "\nAsk us.\n";
    fs::write(s.path().join("out/README.md"), edited).unwrap();
}

fn is_edited(card: &str) {
    assert!(card.starts_with("---\nlicense: cc-by-4.0 # as agreed\ntags:\n- birds\ndataset_info:\n"), "{card}");
    assert!(card.contains("---\n\n# Birds\n\n<!-- inlaid:begin"), "{card}");
    assert!(card.ends_with("<!-- inlaid:end -->\n\nAsk us.\n"), "{card}");
}

#[test]
fn what_people_wrote_stays_in_every_change() {
    let s = dataset();
    edit(&s);
    let ran = s.run("append", "more --out out").exits(0);
    assert!(!ran.stderr.contains("README.md"), "{}", ran.stderr);
    is_edited(&card(&s));
    assert!(card(&s).contains("| train | 24 | 1 | "), "{}", card(&s));
    assert!(card(&s).contains("'2': 'c'\n"), "{}", card(&s));
    assert_eq!(s.run("verify", "out").exits(0).stderr, "");

    assert_eq!(s.run("rollback", "out").exits(0).stderr, "");
    is_edited(&card(&s));
    assert!(card(&s).contains("| train | 16 | 1 | "), "{}", card(&s));
    s.run("append", "more --out out").exits(0);
    assert_eq!(s.run("compact", "out").exits(0).stderr, "");
    is_edited(&card(&s));
    s.convert("src --out out --size 5 --overwrite").exits(0);
    is_edited(&card(&s));
    assert!(card(&s).contains("an image of 5x5x3"), "{}", card(&s));
}

#[test]
fn edited_card_is_a_note_and_a_changed_section_a_problem() {
    let s = dataset();
    edit(&s);
    let verified = s.run("verify", "out").exits(0);
    assert_eq!(verified.stderr, "note: `README.md` was edited, but what inlaid wrote in it is unchanged\n");
    assert!(verified.stdout.starts_with("intact: 20 rows in "), "{}", verified.stdout);

    fs::write(s.path().join("out/README.md"), card(&s).replace("| train | 16 |", "| train | 17 |")).unwrap();
    let problem = "`README.md`: what inlaid wrote (`dataset_info`, `configs`, the marked section) has changed; the next append or `inlaid card` rewrites it\n\
                   1 problem\n";
    assert_eq!(s.run("verify", "out").exits(1).stdout, problem);

    let ran = s.run("append", "more --out out").exits(0);
    let note = "note: `README.md` was edited in the parts that inlaid writes (`dataset_info`, `configs`, the marked \
                section); they were rewritten\n";
    assert!(ran.stderr.contains(note), "{}", ran.stderr);
    is_edited(&card(&s));
    assert!(s.run("verify", "out").exits(0).stdout.starts_with("intact: 30 rows in "));
}

#[test]
fn card_that_can_not_be_merged_is_left_and_told() {
    let s = dataset();
    let left = |bytes: &[u8], reason: &str| {
        fs::write(s.path().join("out/README.md"), bytes).unwrap();
        for (command, words) in [("append", "more --out out"), ("rollback", "out")] {
            let ran = s.run(command, words).exits(0);
            let note = format!("note: `README.md` was left as it is, and may be out of date: {reason}\n");
            assert!(ran.stderr.contains(&note), "{command}: {}", ran.stderr);
            assert_eq!(fs::read(s.path().join("out/README.md")).unwrap(), bytes);
            let verified = s.run("verify", "out").exits(0);
            assert!(verified.stdout.starts_with("intact: "), "{}", verified.stdout);
            let note = "note: `README.md` was left as it is by the last change, and may be out of date\n";
            assert_eq!(verified.stderr, note);
        }
    };
    left(b"---\nlicense: mit\n", "its front matter does not end");
    left(b"---\n\xff: mit\n---\n", "it is not UTF-8");
    left(b"---\nconfigs: []\nconfigs: []\n---\n", "its front matter has `configs` twice");
}

#[test]
fn card_that_is_a_link_is_left_with_its_target() {
    let s = dataset();
    let mine = s.file("mine.md", b"mine\n");
    fs::remove_file(s.path().join("out/README.md")).unwrap();
    symlink(&mine, s.path().join("out/README.md")).unwrap();
    let ran = s.run("append", "more --out out").exits(0);
    let note = "note: `README.md` was left as it is, and may be out of date: it is a link\n";
    assert!(ran.stderr.contains(note), "{}", ran.stderr);
    assert_eq!(fs::read(mine).unwrap(), b"mine\n");
    let verified = s.run("verify", "out").exits(0);
    assert_eq!(verified.stderr, "note: `README.md` is a link, which changes of the dataset leave as it is\n");
}

#[test]
fn croissant_that_is_a_link_is_told() {
    let s = dataset();
    s.run("card", "out --croissant").exits(0);
    // The same bytes elsewhere.
    fs::rename(s.path().join("out/croissant.json"), s.path().join("mine.json")).unwrap();
    symlink(s.path().join("mine.json"), s.path().join("out/croissant.json")).unwrap();
    let verified = s.run("verify", "out").exits(0);
    assert_eq!(verified.stderr, "note: `croissant.json` is a link, which changes of the dataset leave as it is\n");
}

#[test]
fn card_without_a_section_keeps_its_text() {
    let s = dataset();
    let front_matter = card(&s).split_inclusive("---\n").take(2).collect::<String>();
    fs::write(s.path().join("out/README.md"), format!("{front_matter}Our own words.\n")).unwrap();
    let ran = s.run("append", "more --out out").exits(0);
    let note = "note: `README.md` has no inlaid section, so only its front matter was updated; \
                without `README.md` the next change writes a whole one\n";
    assert!(ran.stderr.contains(note), "{}", ran.stderr);
    assert!(card(&s).ends_with("---\nOur own words.\n"), "{}", card(&s));
    assert!(card(&s).contains("num_examples: 24\n"), "{}", card(&s));
}

#[test]
fn missing_card_is_written_anew() {
    let s = dataset();
    let before = card(&s);
    fs::remove_file(s.path().join("out/README.md")).unwrap();
    s.run("append", "more --out out").exits(0);
    s.run("rollback", "out").exits(0);
    assert_eq!(card(&s), before);
}

fn croissant(s: &Scratch) -> Value {
    serde_json::from_str(&fs::read_to_string(s.path().join("out/croissant.json")).unwrap()).unwrap()
}

#[test]
fn what_people_say_is_in_the_card_and_stays() {
    let s = dataset();
    let ran =
        s.run("card", "out --title Birds* --license CC-BY-4.0 --source https://example.org/birds --croissant").exits(0);
    let files = ["README.md", "croissant.json", "card-images.png", "card-classes.png"];
    assert_eq!(ran.stdout, files.map(|file| format!("`out/{file}`\n")).concat());
    let said = "pretty_name: 'Birds*'\nlicense: cc-by-4.0\nsource: 'https://example.org/birds'\n---\n";
    let is_said = |s: &Scratch, pictures: &str| {
        let card = card(s);
        assert!(card.contains(said), "{card}");
        assert!(card.contains("\n# Birds\\*\n\nEvery row is an image of 4x4x3 "), "{card}");
        let shown = format!(
            "\nSource: <https://example.org/birds>. License: cc-by-4.0.\n\n![Some of the images](card-images.png)\n\n\
             ![Rows of each class](card-classes.png)\n\n{pictures}| split | rows | files | bytes |\n"
        );
        assert!(card.contains(&shown), "{card}");
        let described = croissant(s);
        assert_eq!([&described["name"], &described["license"]], ["Birds*", "cc-by-4.0"]);
        assert_eq!(described["isBasedOn"], "https://example.org/birds");
        assert!(s.run("verify", "out").exits(0).stdout.starts_with("intact: "));
    };
    is_said(&s, "");
    let manifest = |s: &Scratch| inlaid::Manifest::read(s.path().join("out")).unwrap().unwrap();
    assert_eq!(manifest(&s).snapshot.dataset_version, 1);

    s.run("append", "more --out out").exits(0);
    is_said(&s, "The pictures show snapshot 1 of the dataset, which is at snapshot 2.\n\n");
    assert!(
        card(&s).contains("| class | label | train | test |\n|---|---:|---:|---:|\n| a | 0 | 8 | 1 |")
            || card(&s).contains("| a | 0 | 8 | 1 | 1 |")
    );
    s.run("card", "out").exits(0);
    is_said(&s, "");
    // They show rows that are gone then.
    s.run("rollback", "out").exits(0);
    assert!(card(&s).contains(said) && !card(&s).contains(".png"), "{}", card(&s));
    s.run("card", "out").exits(0);
    is_said(&s, "");
    s.run("card", "out --no-pictures").exits(0);
    assert!(!card(&s).contains(".png") && !s.path().join("out/card-images.png").exists());
    assert_eq!(manifest(&s).files.keys().collect::<Vec<_>>(), ["README.md", "croissant.json"]);
    assert!(s.run("verify", "out").exits(0).stdout.starts_with("intact: "));
}

#[test]
fn empty_texts_remove_what_was_said() {
    let s = dataset();
    s.run("card", "out --title Birds --license https://example.org/license --source attic --no-pictures --croissant")
        .exits(0);
    let said =
        "pretty_name: 'Birds'\nlicense: other\nlicense_link: 'https://example.org/license'\nsource: 'attic'\n---\n";
    assert!(card(&s).contains(said), "{}", card(&s));
    assert!(card(&s).contains("\nSource: attic. License: <https://example.org/license>.\n"), "{}", card(&s));
    assert_eq!(croissant(&s)["license"], "https://example.org/license");
    s.run("card", "out --license mit").exits(0);
    assert!(card(&s).contains("pretty_name: 'Birds'\nlicense: mit\nsource: 'attic'\n---\n"), "{}", card(&s));
    s.run("card", "out --title= --license= --source=").exits(0);
    assert!(
        card(&s).contains("path: validation/*.parquet\n  - split: test\n    path: test/*.parquet\n---\n"),
        "{}",
        card(&s)
    );
    assert!(card(&s).contains("\n# Images as tensors\n"), "{}", card(&s));
    let described = croissant(&s);
    assert_eq!((&described["name"], &described["license"]["name"]), (&json!("out"), &json!("unknown")));
    assert_eq!(described.get("isBasedOn"), None);
}

#[test]
fn license_is_an_identifier_or_a_url() {
    let s = dataset();
    for license in ["CC/4.0", "-", "---", "123", "1.0", "x://y", "https://", "https://a<b>"] {
        let failed = s.run("card", &format!("out --license={license}")).exits(2);
        let error = format!("`{license}` is neither an identifier such as cc-by-4.0 nor a URL");
        assert!(failed.stderr.contains(&error), "{}", failed.stderr);
    }
    s.run("card", "out --license no").exits(0);
    assert!(card(&s).contains("\nlicense: 'no'\n"), "{}", card(&s));
}

#[test]
fn croissant_follows_every_change_and_keeps_what_people_wrote() {
    let s = Scratch::new();
    s.images(&["src/a", "src/b"], 10).images(&["more/c"], 10);
    s.convert("src --out out --size 4 --croissant").exits(0);
    let path = s.path().join("out/croissant.json");
    let mut described = croissant(&s);
    assert_eq!(described["version"], "1.0.0");
    assert_eq!(
        described["recordSet"][1]["data"],
        json!([
            {"default_labels/id": 0, "default_labels/name": "a"},
            {"default_labels/id": 1, "default_labels/name": "b"},
        ])
    );
    described["creator"] = json!({"@type": "Person", "name": "Ada"});
    described["description"] = json!("Ours.");
    fs::write(&path, described.to_string()).unwrap();
    let verified = s.run("verify", "out").exits(0);
    assert_eq!(verified.stderr, "note: `croissant.json` was edited, but what inlaid wrote in it is unchanged\n");

    let ran = s.run("append", "more --out out").exits(0);
    assert!(!ran.stderr.contains("croissant"), "{}", ran.stderr);
    let appended = croissant(&s);
    assert_eq!((&appended["creator"]["name"], &appended["description"]), (&json!("Ada"), &json!("Ours.")));
    assert_eq!(
        (&appended["version"], appended["recordSet"][1]["data"].as_array().unwrap().len()),
        (&json!("2.0.0"), 3)
    );
    assert_eq!(s.run("verify", "out").exits(0).stderr, "");

    let mut edited = appended;
    edited["version"] = json!("9");
    fs::write(&path, edited.to_string()).unwrap();
    let problem = "`croissant.json`: what inlaid wrote (`recordSet` and others) has changed; the next append or `inlaid card` rewrites it\n1 problem\n";
    assert_eq!(s.run("verify", "out").exits(1).stdout, problem);
    let note = "note: `croissant.json` was edited in the keys that inlaid writes (`recordSet` and others); they were rewritten\n";
    assert_eq!(s.run("rollback", "out").exits(0).stderr, note);
    assert_eq!((&croissant(&s)["version"], &croissant(&s)["creator"]["name"]), (&json!("1.0.0"), &json!("Ada")));

    fs::write(&path, "[]").unwrap();
    let left = "`croissant.json` was left as it is, and may be out of date: it is not a JSON object\n";
    assert!(s.run("append", "more --out out").exits(0).stderr.contains(left));
    assert_eq!(fs::read_to_string(&path).unwrap(), "[]");
    assert_eq!(s.run("verify", "out").exits(1).stdout, "`croissant.json`: its checksum does not match\n1 problem\n");
    let failed = s.run("card", "out --title x").exits(1);
    let error = "error: can't rewrite `out/croissant.json`: it is not a JSON object\n\
                 hint: mend the file, or move it away and add `--croissant`\n";
    assert_eq!(failed.stderr, error);

    fs::remove_file(&path).unwrap();
    s.run("compact", "out").exits(0);
    assert!(!path.exists());
    assert!(s.run("verify", "out").exits(0).stdout.starts_with("intact: "));
    s.convert("src --out out --size 5 --overwrite --croissant").exits(0);
    s.convert("src --out out --size 6 --overwrite").exits(0);
    assert_eq!(croissant(&s)["recordSet"][2]["field"][1]["arrayShape"], "6,6,3");
}

#[test]
fn croissant_is_added_to_a_dataset_that_has_none() {
    let s = dataset();
    let path = s.path().join("out/croissant.json");
    let manifest = |s: &Scratch| inlaid::Manifest::read(s.path().join("out")).unwrap().unwrap();
    let before = manifest(&s).snapshot;
    for command in
        ["convert src --out out --size 4 --croissant", "append src --out out --croissant", "card out --croissant"]
    {
        let (command, words) = command.split_once(' ').unwrap();
        s.run(command, words).exits(0);
        assert!(path.exists(), "{command}");
        assert_eq!(manifest(&s).snapshot, before, "{command}");
        assert!(s.run("verify", "out").exits(0).stdout.starts_with("intact: "));
        fs::remove_file(&path).unwrap();
        s.run("card", "out --no-pictures").exits(0);
        assert!(!manifest(&s).files.contains_key("croissant.json"), "{command}");
    }
    fs::write(&path, "{}").unwrap();
    for command in ["append more --out out --croissant", "card out --croissant"] {
        let (command, words) = command.split_once(' ').unwrap();
        let failed = s.run(command, words).exits(1);
        let error = "error: `out/croissant.json` is in the way and was not written by inlaid\n";
        assert!(failed.stderr.starts_with(error), "{command}: {}", failed.stderr);
        assert_eq!(fs::read_to_string(&path).unwrap(), "{}");
    }
}

#[test]
fn card_of_many_classes_names_the_largest() {
    let s = Scratch::new();
    for class in 0..60 {
        s.images(&[&format!("src/c{class:02}")], if class < 50 { 3 } else { 2 });
    }
    s.convert("src --out out --size 4 --split train=1 --storage encoded --encoding png").exits(0);
    let card = card(&s);
    assert!(card.contains("| class | label | train |\n|---|---:|---:|\n| c00 | 0 | 3 |\n"), "{card}");
    assert!(card.contains("| c49 | 49 | 3 |\n\n10 smaller classes have 2 rows each.\n"), "{card}");
    assert!(!card.contains("c50 |"), "{card}");
}

/// The card with these lines at the start of its front matter.
fn begin_with(s: &Scratch, lines: &str) {
    let text = card(s).replacen("---\n", &format!("---\n{lines}"), 1);
    fs::write(s.path().join("out/README.md"), text).unwrap();
}

#[test]
fn licenses_that_people_wrote_are_understood_and_stay() {
    let s = dataset();
    let licensed = |s: &Scratch| {
        s.run("card", "out --no-pictures").exits(0);
        let card = card(s);
        card.lines().find_map(|line| line.strip_prefix("License: ")).map(str::to_owned)
    };
    assert_eq!(licensed(&s), None);
    begin_with(&s, "license: mit\nlicense_link: LICENSE\n");
    assert_eq!(licensed(&s).as_deref(), Some("mit."));
    s.run("card", "out --license other").exits(0);
    begin_with(&s, "license_name: 'our own'\n");
    assert_eq!(licensed(&s).as_deref(), Some("our own."));
    s.run("card", "out --license https://example.org/l").exits(0);
    assert!(card(&s).starts_with("---\nlicense_name: 'our own'\nlicense: other\n"), "{}", card(&s));
    assert_eq!(licensed(&s).as_deref(), Some("<https://example.org/l>."));
    // Both belong to `other`.
    s.run("card", "out --license mit").exits(0);
    assert!(!card(&s).contains("license_name") && !card(&s).contains("license_link"), "{}", card(&s));
}

#[test]
fn value_that_others_refer_to_is_not_replaced() {
    let s = dataset();
    begin_with(&s, "license: &l mit\nfoo: *l\n");
    let before = card(&s);
    let failed = s.run("card", "out --license cc0-1.0").exits(1);
    let error = "error: can't rewrite `out/README.md`: the value of `license` has an anchor, an alias or a tag\n";
    assert!(failed.stderr.starts_with(error), "{}", failed.stderr);
    assert_eq!(card(&s), before);
    s.run("card", "out --title x").exits(0);
    assert!(card(&s).contains("license: &l mit\nfoo: *l\n"), "{}", card(&s));
}

#[test]
fn odd_titles_are_kept() {
    let s = dataset();
    for title in ["a\tb", "\"q\" 'p' # \\", "null", " x ", "\u{85}\u{1f426}"] {
        let ran = s.command("card", "out --no-pictures").arg(format!("--title={title}")).output().unwrap();
        assert!(ran.status.success());
        let written = card(&s);
        s.run("card", "out --no-pictures").exits(0);
        assert_eq!(card(&s), written, "{title:?}");
        assert!(!written.contains("# Images as tensors"), "{written}");
    }
}

#[test]
fn croissant_is_of_people_once_it_is_there() {
    let s = Scratch::new();
    s.images(&["src/a", "src/b"], 10).images(&["more/c"], 10);
    s.convert("src --out out --size 4 --row-group-bytes 96 --shard-bytes 192 --croissant").exits(0);
    assert_eq!(croissant(&s)["description"], "20 images as tensors of shape [4, 4, 3] of 2 classes.");
    s.run("card", "out --no-pictures --title T --license mit").exits(0);
    let mut described = croissant(&s);
    (described["name"], described["license"]) = ("slug".into(), "https://example.org/l".into());
    fs::write(s.path().join("out/croissant.json"), described.to_string()).unwrap();
    s.run("append", "more --out out").exits(0);
    let described = croissant(&s);
    assert_eq!([&described["name"], &described["license"]], ["slug", "https://example.org/l"]);
    assert_eq!(described["description"], "30 images as tensors of shape [4, 4, 3] of 3 classes.");
    s.run("rollback", "out").exits(0);
    assert_eq!(croissant(&s)["description"], "20 images as tensors of shape [4, 4, 3] of 2 classes.");
    s.run("card", "out --title U").exits(0);
    assert_eq!([&croissant(&s)["name"], &croissant(&s)["license"]], ["U", "https://example.org/l"]);
}
