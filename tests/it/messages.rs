//! Messages that name the thing and the way out.

use std::fs;
use std::os::unix::fs::symlink;

use crate::harness::Scratch;

fn source() -> Scratch {
    let s = Scratch::new();
    s.images(&["src/cat"], 20);
    s
}

#[test]
fn output_folder_that_is_a_link_to_nothing_is_named() {
    let s = source();
    symlink("gone", s.path().join("out")).unwrap();
    let hint = "hint: create that folder, or choose another one for `--out`";
    let refused = format!("error: `out` is a link to `gone`, which does not exist\n{hint}");
    s.convert("src --out out --size 4").fails(1, &refused);
    s.convert("src --out out/deep/er --size 4").fails(1, &refused);
    s.convert("src --out data --size 4 --split train=1").exits(0);
    s.run("repack", "data/train --out out").fails(1, &refused);
    fs::create_dir(s.path().join("gone")).unwrap();
    s.convert("src --out out --size 4").exits(0);
}

#[test]
fn output_folder_that_is_a_file_is_named() {
    let s = source();
    s.file("out", b"x");
    let refused =
        "error: `out` is not a folder, so nothing can be written there\nhint: choose a new folder for `--out`";
    s.convert("src --out out --size 4").fails(1, refused);
    s.convert("src --out out/deep/er --size 4").fails(1, refused);
    s.convert("src --out data --size 4 --split train=1").exits(0);
    s.run("repack", "data/train --out out").fails(1, refused);
}

#[test]
fn archive_of_another_kind_is_to_be_unpacked() {
    const NEITHER: &str = "neither a folder, an archive, a table nor an array of images";
    let s = source();
    for name in ["photos.zip", "photos.tar", "photos.tar.GZ", "photos.7z"] {
        s.file(name, b"PK");
        let refused =
            format!("error: source `{name}` is {NEITHER}\nhint: unpack it, and give the folder with its contents");
        s.convert(&format!("{name} --out out --size 4")).fails(1, &refused);
    }
    s.file("rows.parquet", b"PAR1");
    let damaged = "error: can't read `rows.parquet`: it is damaged: EOF: Parquet file too small. Size is 4 but need 8";
    s.convert("rows.parquet --out out --size 4").fails(1, damaged);
    s.image("one.png");
    s.convert("one.png --out out --size 4")
        .fails(1, &format!("error: source `one.png` is {NEITHER}\nhint: give the folder that contains it"));
}

#[test]
fn one_thing_is_not_called_many() {
    let s = Scratch::new();
    s.image("src/cat/1.png");
    let ran = s.convert("src --out out --size 4 --split train=1 --dry-run").exits(0);
    assert!(ran.stdout.starts_with("train              1 row  "), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("would write 1 row from 1 image, 1 class, to `out`\n"), "{}", ran.stdout);
    let ran = s.convert("src --out out --size 4 --split train=1").exits(0);
    assert!(ran.stdout.contains("\n1 row from 1 image, 1 class, in "), "{}", ran.stdout);
    assert!(s.run("verify", "out").exits(0).stdout.starts_with("intact: 1 row in 1 file, "));
    let ran = s.run("verify", "out --sources src").exits(0);
    assert!(ran.stdout.ends_with("\n1 row compared with its source\n"), "{}", ran.stdout);
    s.image("src/cat/2.png");
    let ran = s.run("append", "src --out out").exits(0);
    assert!(ran.stdout.ends_with("\n1 image was already in the dataset\n"), "{}", ran.stdout);
    assert!(s.run("info", "out").exits(0).stdout.ends_with("\n`inlaid rollback` returns to snapshot 1 with 1 row\n"));
    let ran = s.run("rollback", "out").exits(0);
    assert!(ran.stdout.contains(": 1 row in 1 file, before: 2 rows in 1 file: `out`"), "{}", ran.stdout);
    let ran = s.run("repack", "out/train --out packed").exits(0);
    assert!(ran.stdout.starts_with("1 row of `image` (4x4x3 uint8) in 1 file, "), "{}", ran.stdout);
}

#[test]
fn right_form_of_fractions_is_shown() {
    let s = source();
    let form = "as in `--split train=0.8,validation=0.1,test=0.1`\n";
    for (given, part) in [("0.8,0.1,0.1", "0.8"), ("80,20", "80"), ("train:0.8", "train:0.8")] {
        let ran = s.convert(&format!("src --out out --size 4 --split {given}")).exits(2);
        assert!(
            ran.stderr.contains(&format!("split fraction `{part}` is not SPLIT=FRACTION, {form}")),
            "{}",
            ran.stderr
        );
    }
    let ran = s.convert("src --out out --size 4 --split train=80,test=20").exits(2);
    let told = "fraction 80 of split `train` is not above 0 and at most 1, as in `--split train=0.8,test=0.2`\n";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
}

#[test]
fn table_that_is_not_read_is_told() {
    let s = source();
    s.file("src/metadata.csv", b"name,text\n");
    let note = "`src/metadata.csv` is not read: it has no column `file_name` with the names of the files";
    let ran = s.convert("src --out out --size 4 --json").exits(0);
    assert!(ran.json()["notices"].as_array().unwrap().contains(&note.into()), "{}", ran.stdout);
}

#[test]
fn table_without_the_column_of_files_is_named() {
    let s = source();
    s.file("src/metadata.csv", b"name,breed\n1.png,manx\n");
    s.convert("src --out out --size 4 --file-column fname").fails(
        1,
        "error: can't read `src/metadata.csv`: it has no column `fname`, only `name`, `breed`\n\
         hint: names of columns are case-sensitive",
    );
    s.convert("src --out out --size 4 --label-column breed").fails(
        1,
        "error: can't read `src/metadata.csv`: it has no column `file_name` with the names of the files, only `name`, \
         `breed`\nhint: name it with `--file-column`, and that of the labels with `--label-column`",
    );
    fs::remove_file(s.path().join("src/metadata.csv")).unwrap();
    s.convert("src --out out --size 4 --file-column fname").fails(
        1,
        "error: there is no table with a column `fname`: no metadata file is given, and none is in the sources\n\
         hint: give the table with `--metadata`",
    );
}

#[test]
fn table_in_another_encoding_is_to_be_saved_as_utf_8() {
    let s = source();
    let of_value: &[u8] = b"file_name,label\ncat/000.png,caf\xef\n";
    let of_name: &[u8] = b"file_name,caf\xef\ncat/000.png,x\n";
    for (table, line) in [(of_value, 2), (of_name, 1)] {
        s.file("src/metadata.csv", table);
        let told =
            format!("error: can't read `src/metadata.csv`: line {line} is not UTF-8\nhint: save the table as UTF-8");
        s.convert("src --out out --size 4").fails(1, &told);
    }
}

#[test]
fn option_that_stops_at_a_missing_image_is_named() {
    let s = Scratch::new();
    s.image("src/a.png");
    s.image("src/b.png");
    let hint = "hint: leave out `--missing stop`, and `--on-error stop` if it is given, to skip such rows and files \
                and list them in `rejects.jsonl`";
    for (table, error) in [
        ("a.png\nb.png\nc.png\n", "`c.png` can't be used: there is no such image file"),
        ("a.png\n", "`b.png` can't be used: the table has no row for the file"),
    ] {
        s.file("src/metadata.csv", format!("file_name\n{table}").as_bytes());
        s.convert("src --out out --size 4 --missing stop").fails(1, &format!("error: {error}\n{hint}"));
    }
    s.file("src/metadata.csv", b"file_name\na.png\nb.png\n");
    s.file("src/b.png", b"no image");
    s.convert("src --out out --size 4 --split train=1 --on-error stop").fails(
        1,
        "error: `b.png` can't be used: the content is not a known image format\n\
         hint: leave out `--on-error stop` to skip such inputs and list them in `rejects.jsonl`",
    );
}

#[test]
fn further_image_without_a_file_is_told() {
    let s = Scratch::new();
    s.image("src/a.png");
    s.image("src/b.png");
    s.file("src/metadata.csv", b"file_name,near_file_name\na.png,b.png\nb.png,none.png\n");
    s.convert("src --out out --size 4 --split train=1").exits(3);
    let expected = ["b.png", "discover", "no-file", "the file of its image 2 does not exist"].map(str::to_owned);
    assert_eq!(s.rejects("out"), [expected]);
}

#[test]
fn further_images_beside_files_are_refused() {
    let s = Scratch::new();
    s.image("src/a.png");
    s.image("src/m.png");
    s.file("src/metadata.csv", b"file_name,mask_file_name\na.png,m.png\n");
    let told = "error: tensor column `mask` can't be combined with `--storage encoded`\n\
                hint: use `--storage tensor` with a `--size`, or take the column of its files out of the table";
    for size in ["", "--size 4"] {
        s.convert(&format!("src --out out --storage encoded {size} --split train=1")).fails(2, told);
    }
    assert!(!s.path().join("out").exists());
}

#[test]
fn source_that_is_not_there_is_no_folder() {
    source()
        .convert("shards/train-002.tar --out out --size 4")
        .fails(1, "error: can't read source `shards/train-002.tar`: No such file or directory (os error 2)");
}

#[test]
fn ranges_of_numbers_are_named() {
    let s = source();
    for (option, range) in [
        ("--threads 0", "not a whole number from 1 to 1024"),
        ("-j -1", "not a whole number from 1 to 1024"),
        ("-j many", "not a whole number from 1 to 1024"),
        ("--seed 18446744073709551616", "not a whole number from 0 to 18446744073709551615"),
        ("--seed -1", "not a whole number from 0 to 18446744073709551615"),
        ("--max-pixels 0", "not a whole number from 1 to 18446744073709551615"),
        ("--max-file-bytes 16777216TiB", "`16777216TiB` is too large, the limit is 18446744073709551615 bytes"),
        (
            "--max-file-bytes 99999999999999999999",
            "`99999999999999999999` is too large, the limit is 18446744073709551615 bytes",
        ),
        ("--max-file-bytes 1.5KiB", "`1.5KiB` is not a whole number of bytes, KiB, MiB or GiB"),
        ("--max-file-bytes 5parsecs", "`5parsecs` is not a size in bytes such as 16MiB"),
    ] {
        let ran = s.convert(&format!("src --out out --size 4 {option}")).exits(2);
        let message = ran.stderr.lines().next().unwrap_or_default();
        assert!(message.ends_with(&format!(": {range}")), "{option}: {message}");
    }
    s.convert("src --out out --size 4 --max-file-bytes 1TiB --seed 18446744073709551615 -j 1024").exits(0);
}

#[test]
fn no_reject_allowed_is_said_in_words() {
    let s = source();
    s.file("src/cat/broken.png", b"no image");
    let ran = s.convert("src --out out --size 4 --max-errors 0").exits(1);
    assert_eq!(
        ran.stderr,
        "error: 1 of 21 inputs can't be used, and none is allowed; the last is `cat/broken.png`: the content is not a \
         known image format\nhint: raise `--max-errors` to continue\n"
    );
}

#[test]
fn dataset_with_columns_is_appended_to_with_a_table() {
    let s = source();
    s.convert("src --out out --size 4").exits(0);
    s.edit_manifest("out", |manifest| {
        manifest["format_version"] = 2.into();
        manifest["spec"]["columns"] = serde_json::json!([{"name": "weight", "type": "float64"}]);
    });
    let ran = s.run("append", "src --out out --dry-run").exits(2);
    assert_eq!(
        ran.stderr,
        "error: folders of images have no column `weight`\n\
         hint: give the table that has the column with `--metadata`, or put it beside the images\n"
    );
}
