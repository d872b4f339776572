//! The dataset card: what people write into it stays, what inlaid writes is kept up to date.

use std::fs;
use std::os::unix::fs::symlink;

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
    assert!(card(&s).contains("| train | 24 | 1 |\n"), "{}", card(&s));
    assert!(card(&s).contains("'2': 'c'\n"), "{}", card(&s));
    assert_eq!(s.run("verify", "out").exits(0).stderr, "");

    assert_eq!(s.run("rollback", "out").exits(0).stderr, "");
    is_edited(&card(&s));
    assert!(card(&s).contains("| train | 16 | 1 |\n"), "{}", card(&s));
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
    let problem = "`README.md`: what inlaid wrote (`dataset_info`, `configs`, the marked section) has changed; the next append or compaction rewrites it\n\
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
}

#[test]
fn card_without_a_section_keeps_its_text() {
    let s = dataset();
    let front_matter = card(&s).split_inclusive("---\n").take(2).collect::<String>();
    fs::write(s.path().join("out/README.md"), format!("{front_matter}Our own words.\n")).unwrap();
    let ran = s.run("append", "more --out out").exits(0);
    let note = "note: `README.md` has no inlaid section, so only its front matter was updated\n";
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
