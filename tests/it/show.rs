//! Contact sheets: which rows they show, and how.

use std::fs;

use image::{Rgb, RgbImage};

use crate::harness::Scratch;

/// Images of one color, whose level of red is their number, in classes `a` and `b`.
fn numbered() -> Scratch {
    let s = Scratch::new();
    for number in 0..20 {
        let class = if number < 15 { "a" } else { "b" };
        let pixels = RgbImage::from_pixel(9, 9, Rgb([number * 10, 90, 40]));
        let path = s.file(&format!("src/{class}/{number:02}.png"), &[]);
        pixels.save_with_format(path, image::ImageFormat::Png).unwrap();
    }
    s.convert("src --out out --size 8 --order path").exits(0);
    s
}

/// Levels of red in the middle of every picture of a sheet, line by line.
fn reds(s: &Scratch, words: &str) -> Vec<u8> {
    let ran = s.run("show", &format!("{words} -o sheet.png")).exits(0);
    assert_eq!((&*ran.stdout, &*ran.stderr), ("`sheet.png`\n", ""));
    let sheet = image::load_from_memory(&fs::read(s.path().join("sheet.png")).unwrap()).unwrap().to_rgb8();
    // A picture has 128 pixels a side, 8 around it, and two lines of 18.
    let (columns, lines) = (sheet.width() / 136, sheet.height() / 172);
    let middles =
        (0..lines).flat_map(|line| (0..columns).map(move |column| (8 + column * 136 + 64, 8 + line * 172 + 64)));
    let pixels = middles.map(|(x, y)| *sheet.get_pixel(x, y));
    pixels.filter(|pixel| pixel.0[1..] == [90, 40]).map(|pixel| pixel.0[0]).collect()
}

fn paths(s: &Scratch) -> Vec<u8> {
    s.rows("out").iter().map(|row| row.path[2..4].parse::<u8>().unwrap() * 10).collect()
}

#[test]
fn rows_are_shown_by_number() {
    let s = numbered();
    let all = paths(&s);
    assert_eq!(reds(&s, "out 0-3,7,2"), [0, 1, 2, 3, 7, 2].map(|row: usize| all[row]));
    // Splits follow each other, unless one is named.
    assert_eq!(reds(&s, "out 16,19 --columns 1"), [all[16], all[19]]);
    assert_eq!(reds(&s, "out 0 --split validation"), [all[16]]);
    s.run("show", "out 20 -o x.png").fails(1, "error: row 20 is out of range for a table of length 20");
}

#[test]
fn rows_are_drawn_from_all_classes() {
    let s = numbered();
    let mut few = reds(&s, "out -n 6");
    few.sort_unstable();
    assert_eq!(few.iter().filter(|red| **red < 150).count(), 3, "{few:?}");
    assert_eq!(reds(&s, "out -n 6"), reds(&s, "out -n 6 --threads 1"));
    assert_ne!(reds(&s, "out -n 6"), reds(&s, "out -n 6 --seed 1"));
    let mut all = reds(&s, "out -n 100");
    all.sort_unstable();
    assert_eq!(all, (0..20).map(|number| number * 10).collect::<Vec<_>>());
    let mut of_class = reds(&s, "out --class b");
    of_class.sort_unstable();
    assert_eq!(of_class, [150, 160, 170, 180, 190]);
}

#[test]
fn what_is_not_there_is_said() {
    let s = numbered();
    let told = "error: the dataset has no class `c`: its classes are `a`, `b`";
    s.run("show", "out --class c -o x.png").fails(1, told);
    let told = "error: the dataset has no split `holdout`: its splits are `train`, `validation`, `test`";
    s.run("show", "out --split holdout -o x.png").fails(1, told);
    let told = "error: the dataset has no split `val`: its splits are `train`, `validation`, `test`\n\
                hint: did you mean `validation`?";
    s.run("show", "out --split val -o x.png").fails(1, told);
    let told =
        "error: no rows match, so there is nothing to show\nhint: choose other rows, another class or another split";
    s.image("two/train/c/1.png");
    s.image("two/test/d/1.png");
    s.convert("two --out two-out --size 8").exits(0);
    s.run("show", "two-out --split test --class c -o x.png").fails(1, told);
    let told = "error: standard output is not a terminal that shows pictures\n\
                hint: name a PNG file to write with `--out`";
    s.run("show", "out").fails(1, told);
    s.file("mine.png", b"my file");
    let told =
        "error: `mine.png` exists, and was not made by this command\nhint: name another file, or move that one away";
    s.run("show", "out -o mine.png").fails(1, told);
    for rows in ["x", "3-1", "0-20000", "-1"] {
        let ran = s.run("show", &format!("out -o x.png -- {rows}")).exits(2);
        assert!(ran.stderr.starts_with(&format!("error: invalid value '{rows}' for '[ROWS]': ")), "{}", ran.stderr);
    }
    assert!(!s.path().join("x.png").exists());
}

#[test]
fn picture_is_called_png() {
    let s = numbered();
    for words in ["out", "out --rejects"] {
        let ran = s.run("show", &format!("{words} -o a.jpg")).exits(2);
        let told = "error: invalid value 'a.jpg' for '--out <FILE>': the picture is a PNG file, so name it `a.png`\n";
        assert!(ran.stderr.starts_with(told), "{}", ran.stderr);
    }
    assert!(!s.path().join("a.jpg").exists());
    s.run("show", "out 0 -o a.PNG").exits(0);
    s.run("show", "out 0 -o picture").exits(0);
}

#[test]
fn rejects_are_listed_with_their_reasons() {
    let s = numbered();
    assert_eq!(s.run("show", "out --rejects").exits(0).stdout, "no image was rejected\n");
    assert_eq!(s.run("show", "out --rejects -o x.png").exits(0).stdout, "no image was rejected\n");
    assert!(!s.path().join("x.png").exists());
    for number in 0..3 {
        s.file(&format!("src/a/bad{number}.png"), b"\x89PNG\r\n\x1a\nbroken");
    }
    s.convert("src --out two --size 8").exits(3);
    let listed = s.run("show", "two --rejects -n 2").exits(0).stdout;
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].starts_with("`a/bad0.png`: ") && lines[0].len() > 20, "{listed}");
    assert!(lines[1].starts_with("`a/bad1.png`: "), "{listed}");
    assert_eq!(lines[2..], ["and 1 more, in rejects.jsonl"]);
    assert_eq!(s.run("show", "two --rejects -o x.png").exits(0).stdout, "`x.png`\n");
    let sheet = image::load_from_memory(&fs::read(s.path().join("x.png")).unwrap()).unwrap().to_luma8();
    // Three squares with a reason each, and a path below.
    assert_eq!(sheet.dimensions(), (8 + 3 * 136, 8 + 128 + 18 + 8));
    for column in 0..3 {
        let dark = (0..128).flat_map(|y| (0..128).map(move |x| (8 + column * 136 + x, 8 + y)));
        let dark = dark.filter(|(x, y)| sheet.get_pixel(*x, *y).0[0] < 100).count();
        assert!(dark > 100, "{dark}");
    }
    let both = s.run("show", "two 3 --rejects").exits(2);
    assert!(both.stderr.contains("cannot be used with"), "{}", both.stderr);
}
