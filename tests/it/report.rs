//! What `inlaid report` says of a dataset, and the page that it writes.

use std::fs;

use base64::prelude::{BASE64_STANDARD, Engine};
use image::{Rgb, RgbImage};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::harness::Scratch;

/// Writes a PNG of one color.
fn plain(s: &Scratch, name: &str, color: [u8; 3], width: u32, height: u32) {
    let path = s.file(name, &[]);
    RgbImage::from_pixel(width, height, Rgb(color)).save_with_format(path, image::ImageFormat::Png).unwrap();
}

/// Red, green and blue images of classes of these names, 20 each.
fn colors(s: &Scratch) {
    for (class, color) in [("red", [200, 10, 10]), ("green", [10, 200, 10]), ("blue", [10, 10, 200])] {
        for number in 0..20 {
            // Their files differ.
            plain(s, &format!("src/{class}/{number:02}.png"), color, 24 + number, 16);
        }
    }
}

fn report(s: &Scratch, words: &str) -> Value {
    s.run("report", &format!("{words} --json")).exits(0).json()
}

/// The pixels of a picture on the page.
fn picture(shown: &Value) -> RgbImage {
    let file = shown["src"].as_str().unwrap().strip_prefix("data:image/jpeg;base64,").unwrap();
    let picture = image::load_from_memory(&BASE64_STANDARD.decode(file).unwrap()).unwrap().to_rgb8();
    let side = |name: &str| shown[name].as_u64().unwrap() as u32;
    assert_eq!(picture.dimensions(), (side("width"), side("height")));
    picture
}

#[track_caller]
fn assert_color(pixel: &Rgb<u8>, color: [u8; 3]) {
    let difference = pixel.0.iter().zip(color).map(|(a, b)| a.abs_diff(b)).max().unwrap();
    assert!(difference <= 6, "{pixel:?} is not {color:?}");
}

fn texts<'v>(values: &'v Value, name: &str) -> Vec<&'v str> {
    values.as_array().unwrap().iter().map(|value| value[name].as_str().unwrap()).collect()
}

fn fact<'v>(report: &'v Value, name: &str) -> &'v str {
    let facts = report["facts"].as_array().unwrap();
    facts.iter().find(|fact| fact["name"] == name).unwrap()["value"].as_str().unwrap()
}

#[test]
fn classes_are_counted_and_shown() {
    let s = Scratch::new();
    colors(&s);
    s.convert("src --out out --size 16x16 --row-group-bytes 4096 --shard-bytes 16384").exits(0);
    assert!(s.shards("out", "train").len() > 1);
    let report = report(&s, "out");
    assert_eq!((fact(&report, "Rows"), fact(&report, "Classes")), ("60", "3"));
    assert_eq!((fact(&report, "Tensors"), fact(&report, "Rejected")), ("16 × 16 × 3, uint8", "0"));
    assert_eq!(texts(&report["splits"], "name"), ["train", "validation", "test"]);
    assert_eq!(texts(&report["splits"], "rows"), ["48", "6", "6"]);
    assert_eq!(texts(&report["splits"], "share"), ["80.0 %", "10.0 %", "10.0 %"]);
    let classes = report["classes"].as_array().unwrap();
    assert_eq!(texts(&report["classes"], "name"), ["blue", "green", "red"]);
    for (class, color) in classes.iter().zip([[10, 10, 200], [10, 200, 10], [200, 10, 10]]) {
        assert_eq!((&class["rows"], &class["share"]), (&"20".into(), &"33.3 %".into()));
        assert_eq!(texts(&class["segments"], "rows"), ["16", "2", "2"]);
        assert_eq!((&class["segments"][1]["x"], &class["width"]), (&80.0.into(), &100.0.into()));
        assert_color(picture(&class["mean"]).get_pixel(20, 20), color);
        let (sheet, images) = (picture(&class["sheet"]), class["images"].as_array().unwrap());
        assert_eq!(images.len(), 12);
        let wide = sheet.width() / 12;
        (0..12).for_each(|at| assert_color(sheet.get_pixel(at * wide + wide / 2, 20), color));
        let name = class["name"].as_str().unwrap();
        let paths = texts(&class["images"], "path");
        assert!(paths.iter().all(|path| path.starts_with(&format!("{name}/"))), "{paths:?}");
    }
    // Every picture is of the row that it is said to be of.
    assert_eq!(report["has_classes"], true);
}

#[test]
fn images_that_stand_out_are_shown() {
    let s = Scratch::new();
    for number in 0..30 {
        let noise = RgbImage::from_fn(32, 32, |x, y| Rgb([((x * 7 + y * 13 + number * 5) % 200) as u8 + 20; 3]));
        noise.save_with_format(s.file(&format!("src/{number:02}.png"), &[]), image::ImageFormat::Png).unwrap();
    }
    plain(&s, "src/black.png", [0; 3], 32, 32);
    plain(&s, "src/white.png", [255; 3], 32, 31);
    plain(&s, "src/tiny.png", [90; 3], 4, 2);
    s.convert("src --out out --size 32x32 --split train=1").exits(0);
    let report = report(&s, "out");
    assert_eq!(report["has_classes"], false);
    assert_eq!(texts(&report["classes"], "name"), ["all images"]);
    let groups = report["outliers"].as_array().unwrap();
    let first = |title: &str| {
        let group = groups.iter().find(|group| group["title"] == title).unwrap();
        let first = &group["pictures"][0];
        (first["path"].as_str().unwrap(), first["value"].as_str().unwrap())
    };
    assert_eq!(first("Darkest"), ("black.png", "0.0"));
    assert_eq!(first("Brightest"), ("white.png", "255.0"));
    assert_eq!(first("Least contrast").1, "0.0");
    assert_eq!(first("Least sharp").1, "0.0");
    assert_eq!(first("Most enlarged"), ("tiny.png", "16.0×"));
    let pictures = groups[0]["pictures"].as_array().unwrap();
    assert_eq!(pictures.len(), 8);
    assert_color(picture(&pictures[0]).get_pixel(40, 40), [0; 3]);
    let summary = report["sizes"][0]["summary"].as_str().unwrap();
    assert_eq!(summary, "median 32, from 4 to 32");
}

#[test]
fn copies_across_splits_come_first() {
    let s = Scratch::new();
    let images = [("train", 1), ("train", 2), ("test", 3), ("train", 9), ("test", 9), ("train", 7), ("train", 7)];
    for (number, (split, level)) in images.into_iter().enumerate() {
        plain(&s, &format!("split/{split}/red/{number}.png"), [level; 3], 5, 5);
    }
    s.convert("split --out out --size 8").exits(0);
    let report = report(&s, "out");
    let groups = report["copies"]["groups"].as_array().unwrap();
    let about: Vec<_> =
        groups.iter().map(|group| (group["is_across"] == true, group["about"].as_str().unwrap())).collect();
    assert_eq!(about, [(true, "1 in train, 1 in test"), (false, "2 in train")]);
    assert_eq!(report["copies"]["total"], "4");
    let none = Scratch::new();
    none.images(&["src/a"], 12);
    none.convert("src --out out --size 8").exits(0);
    let copies = &self::report(&none, "out")["copies"];
    assert_eq!(
        (&copies["total"], &copies["about"]),
        (&"0".into(), &"Images whose file is equal to that of another one, byte by byte".into())
    );
}

#[test]
fn rejects_are_listed_by_reason() {
    let s = Scratch::new();
    s.images(&["src/a"], 3);
    for number in 0..25 {
        s.file(&format!("src/a/broken-{number:02}.png"), b"no image at all");
    }
    s.file("src/a/empty.png", b"");
    s.convert("src --out out --size 8").exits(3);
    let report = report(&s, "out");
    let rejects = &report["rejects"];
    assert_eq!(rejects["total"], "26");
    let reasons = rejects["reasons"].as_array().unwrap();
    assert_eq!((&reasons[0]["rows"], &reasons[1]["rows"]), (&"25".into(), &"1".into()));
    assert_eq!(reasons[0]["reason"], "the content is not a known image format");
    assert_eq!(reasons[0]["paths"].as_array().unwrap().len(), 20);
    assert_eq!(reasons[0]["more"], "and 5 more, in rejects.jsonl");
    assert_eq!((&reasons[1]["reason"], &reasons[1]["more"]), (&"the file is empty".into(), &Value::Null));
}

#[test]
fn the_command_makes_the_same_dataset() {
    let s = Scratch::new();
    s.images(&["src/a", "src/b"], 10);
    let settings = [
        "--size 8x6",
        "--size 8 --dtype f32 --scale -1..1 --layout chw --fit crop --filter lanczos3 --seed 9",
        "--size 8 --dtype f16 --mean imagenet --std imagenet --no-exif --pad-color 1,2,3",
        "--size 8 --channels gray --fit pad --only-shrink --order path --split train=0.5,test=0.5 --split-by path",
        "--size 8 --fit shortest-side --crop-ratio 0.875 --no-antialias --max-pixels 1000 --max-file-bytes 1MiB",
        "--size 8 --storage encoded --quality 80 --format arrow --row-group-bytes 1000 --shard-bytes 4000",
        "--size 8 --storage encoded --encoding png --compression zstd --color-profile srgb --truncated keep",
        "--storage encoded --any-name --follow-links",
        "--size 8 --resize-like opencv --filter area",
    ];
    for (number, settings) in settings.into_iter().enumerate() {
        let (out, again) = (format!("out-{number}"), format!("again-{number}"));
        s.convert(&format!("src --out {out} {settings}")).exits(0);
        let report = report(&s, &out);
        let command = report["command"].as_str().unwrap();
        let words = command.strip_prefix(&format!("inlaid convert SOURCE --out {out} ")).unwrap();
        s.convert(&format!("src --out {again} {words}")).exits(0);
        assert_eq!(s.manifest(&out)["spec"], s.manifest(&again)["spec"], "{command}");
        assert_eq!(s.manifest(&out)["splits"], s.manifest(&again)["splits"], "{command}");
    }
}

#[test]
fn the_page_asks_nothing_of_anyone() {
    let s = Scratch::new();
    colors(&s);
    s.convert("src --out out --size 16").exits(0);
    let ran = s.run("report", "out").exits(0);
    assert_eq!((&*ran.stdout, &*ran.stderr), ("`report.html`\n", ""));
    let page = fs::read_to_string(s.path().join("report.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>"), "{}", &page[..80]);
    let escapes = [("&#x27;", "'"), ("&#x2f;", "/"), ("&#x2b;", "+"), ("&#x3d;", "=")];
    let unescaped = escapes.iter().fold(page.clone(), |text, (escape, character)| text.replace(escape, character));
    for (tag, directive) in [("style", "style-src"), ("script", "script-src")] {
        let (_, rest) = page.split_once(&format!("<{tag}>")).unwrap();
        let (text, _) = rest.split_once(&format!("</{tag}>")).unwrap();
        let hash = BASE64_STANDARD.encode(Sha256::digest(text));
        let policy = format!("{directive} 'sha256-{hash}'");
        assert!(unescaped.contains(&policy), "the policy does not have {policy}");
    }
    assert!(page.contains("default-src"));
    let without_namespaces = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!without_namespaces.contains("http:") && !without_namespaces.contains("https:"));
    assert!(!page.contains(" style=\"") && !page.contains(" onclick="));
}

#[test]
fn names_do_nothing_on_the_page() {
    let s = Scratch::new();
    let hostile = ["<script>alert(1)<", "\"><img src=x onerror=alert(1)>", "{{ csp }}", "&amp;", "it's"];
    for (number, class) in hostile.iter().enumerate() {
        plain(&s, &format!("src/{class}/{number}<b>.png"), [number as u8 * 40; 3], 8, 8);
    }
    s.file("src/it's/<i>.png", b"");
    s.convert("src --out out --size 8").exits(3);
    s.run("report", "out").exits(0);
    let page = fs::read_to_string(s.path().join("report.html")).unwrap();
    for tag in ["<script>alert", "<img src=x", "<b>.png", "<i>.png"] {
        assert!(!page.contains(tag), "{tag} is on the page as it is");
    }
    assert!(page.contains("{{ csp }}") && page.contains("&amp;amp;"));
}

#[test]
fn only_a_report_is_replaced() {
    let s = Scratch::new();
    s.images(&["src/a"], 3);
    s.convert("src --out out --size 8").exits(0);
    s.run("report", "out -o page.html").exits(0);
    s.run("report", "out -o page.html").exits(0);
    s.file("mine.html", b"<!doctype html>my page");
    let told =
        "error: `mine.html` exists, and was not made by this command\nhint: name another file, or move that one away";
    s.run("report", "out -o mine.html").fails(1, told);
    assert_eq!(fs::read(s.path().join("mine.html")).unwrap(), b"<!doctype html>my page");
    let told = "error: can't write `nowhere/page.html`: No such file or directory (os error 2)";
    let ran = s.run("report", "out -o nowhere/page.html").exits(1);
    assert!(ran.stderr.starts_with(told), "{}", ran.stderr);
    let left: Vec<_> = s.files(".").into_iter().filter(|(name, _)| name.contains(".inlaid-")).collect();
    assert_eq!(left, []);
}

#[test]
fn files_and_tables_of_others_are_reported_on_too() {
    let s = Scratch::new();
    colors(&s);
    s.convert("src --out files --storage encoded").exits(0);
    let report = report(&s, "files");
    assert_eq!(fact(&report, "Images"), "files");
    assert_color(picture(&report["classes"][2]["mean"]).get_pixel(20, 20), [200, 10, 10]);
    // A folder of shards without a manifest.
    s.convert("src --out out --size 8 --dtype f32 --mean imagenet --std imagenet --layout chw").exits(0);
    let split = self::report(&s, "out/train");
    assert_eq!((&split["command"], fact(&split, "Rows")), (&Value::Null, "48"));
    assert_eq!(fact(&split, "Tensors"), "3 × 8 × 8, float32");
    assert_color(picture(&split["classes"][0]["mean"]).get_pixel(20, 20), [10, 10, 200]);
}

#[test]
fn images_are_reported_on_before_they_are_converted() {
    let s = Scratch::new();
    colors(&s);
    s.file("src/red/broken.png", b"no image");
    let all = report(&s, "src");
    assert_eq!((fact(&all, "Images"), fact(&all, "Looked at"), fact(&all, "Classes")), ("61", "61", "3"));
    assert_eq!((fact(&all, "Rejected"), texts(&all["splits"], "name")), ("1", vec!["images"]));
    assert_eq!(
        (texts(&all["classes"], "name"), texts(&all["classes"], "rows")),
        (vec!["red", "blue", "green"], vec!["21", "20", "20"])
    );
    assert_color(picture(&all["classes"][2]["mean"]).get_pixel(40, 40), [10, 200, 10]);
    assert_eq!(all["sizes"][0]["summary"], "median 33, from 24 to 43");
    assert_eq!(all["rejects"]["reasons"][0]["paths"][0], "red/broken.png");
    let some = report(&s, "src --rows 15");
    let note = some["notes"][0].as_str().unwrap();
    assert!(note.starts_with("Only 15 of 61 images were looked at, drawn by class with seed 0"), "{note}");
    // Classes are counted as they are, whichever images are looked at.
    assert_eq!(texts(&some["classes"], "rows"), ["21", "20", "20"]);
    assert_eq!((fact(&some, "Images"), fact(&some, "Looked at")), ("61", "15"));
    let page = s.run("report", "src/blue").exits(0);
    assert_eq!(page.stdout, "`report.html`\n");
    let page = fs::read_to_string(s.path().join("report.html")).unwrap();
    assert!(page.contains("None of the 20 images that were looked at."));
    // Folders of splits are splits.
    plain(&s, "split/train/a/1.png", [9; 3], 8, 8);
    plain(&s, "split/test/a/2.png", [8; 3], 8, 8);
    assert_eq!(texts(&report(&s, "split")["splits"], "name"), ["train", "test"]);
    assert_eq!(s.files("src").len(), 61);
    s.file("empty/notes.txt", b"nothing");
    let told = s.run("report", "empty").exits(1).stderr;
    assert!(told.starts_with("error: no images in `empty`"), "{told}");
    s.run("report", "nowhere").fails(1, "error: can't read `nowhere`: No such file or directory (os error 2)");
}

#[test]
fn conversions_make_reports_too() {
    let s = Scratch::new();
    colors(&s);
    let ran = s.convert("src --out out --size 8 --report").exits(0);
    assert!(ran.stdout.ends_with("`out`\n`out/report.html`\n"), "{}", ran.stdout);
    s.is_whole("out");
    s.convert("src --out out --size 8 --report=page.html --json").exits(0).json();
    let page = fs::read_to_string(s.path().join("page.html")).unwrap();
    assert!(page.contains("<title>") && page.contains("green"));
    s.file("mine.html", b"mine");
    let told =
        "error: `mine.html` exists, and was not made by this command\nhint: name another file, or move that one away";
    s.convert("src --out out2 --size 8 --report=mine.html").fails(1, told);
    assert!(!s.path().join("out2").exists());
    // A dry run has nothing to show.
    s.convert("src --out out3 --size 8 --report --dry-run").exits(0);
    assert!(!s.path().join("out3").exists());
}

#[test]
fn splits_with_other_lists_of_classes_are_told_apart() {
    let s = Scratch::new();
    colors(&s);
    s.convert("src --out all --size 8").exits(0);
    fs::create_dir(s.path().join("some")).unwrap();
    for class in ["green", "red"] {
        fs::rename(s.path().join("src").join(class), s.path().join("some").join(class)).unwrap();
    }
    s.convert("some --out few --size 8").exits(0);
    fs::create_dir(s.path().join("mixed")).unwrap();
    fs::rename(s.path().join("few/train"), s.path().join("mixed/train")).unwrap();
    fs::rename(s.path().join("all/test"), s.path().join("mixed/test")).unwrap();
    let report = report(&s, "mixed");
    let classes = report["classes"].as_array().unwrap();
    let rows: Vec<_> =
        classes.iter().map(|class| (class["name"].as_str().unwrap(), class["rows"].as_str().unwrap())).collect();
    assert_eq!(rows, [("green", "18"), ("red", "18"), ("blue", "2")]);
    for (class, color) in classes.iter().zip([[10, 200, 10], [200, 10, 10], [10, 10, 200]]) {
        assert_color(picture(&class["mean"]).get_pixel(20, 20), color);
    }
}

#[test]
fn the_same_rows_are_drawn_for_a_seed() {
    let s = Scratch::new();
    s.images(&["src/a", "src/b"], 40);
    s.convert("src --out out --size 8").exits(0);
    let drawn = |seed: u64, threads: u32| {
        let mut report = report(&s, &format!("out --rows 8 --seed {seed} --threads {threads}"));
        assert!(report["notes"][0].as_str().unwrap().contains("8 of 80 rows"), "{}", report["notes"]);
        report["classes"].take()
    };
    assert_eq!(drawn(1, 1), drawn(1, 2));
    assert_ne!(drawn(1, 1)[0]["images"], drawn(2, 1)[0]["images"]);
}

#[test]
fn page_stays_below_five_megabytes_whatever_is_in_it() {
    let s = Scratch::new();
    // Noise, which no encoder makes smaller, in classes with long names.
    let mut state = 1_u32;
    let mut noise = |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Rgb(state.to_be_bytes()[..3].try_into().unwrap())
    };
    for class in 0..1_500 {
        // On a page, `&` and `<` take more than they do in a name.
        let name = format!("{class:04}{}", if class % 2 == 0 { "é".repeat(100) } else { "&<".repeat(50) });
        for number in 0..2 {
            let path = s.file(&format!("src/{name}/{number}{}.png", "x".repeat(200)), &[]);
            RgbImage::from_fn(32, 32, &mut noise).save_with_format(path, image::ImageFormat::Png).unwrap();
        }
    }
    s.convert("src --out out --size 32 --split train=1").exits(0);
    s.run("report", "out --out page.html").exits(0);
    let page = fs::read_to_string(s.path().join("page.html")).unwrap();
    assert!((2_000_000..5_000_000).contains(&page.len()), "{} bytes", page.len());
    let all = report(&s, "out");
    assert_eq!(all["classes"].as_array().unwrap().len(), 1_500);
    let listed = all["listed"].as_u64().unwrap();
    assert!((1_000..1_500).contains(&listed), "{listed}");
    assert_eq!(page.matches("<li id=\"c").count() as u64, listed);
    let unlisted =
        format!("The list has the {} largest classes; {} smaller ones are not on it.", grouped(listed), 1_500 - listed);
    let notes = all["notes"].as_array().unwrap();
    assert!(notes.contains(&Value::from(unlisted)), "{notes:?}");
    let with_pictures = all["classes"].as_array().unwrap().iter().filter(|class| !class["sheet"].is_null()).count();
    assert!(with_pictures > 300, "{with_pictures}");
}

fn grouped(number: u64) -> String {
    format!("{},{:03}", number / 1_000, number % 1_000)
}
