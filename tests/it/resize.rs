//! Messages about ways of resizing. `tests/interop/test_parity.py` compares the pixels with those of
//! other libraries.

use inlaid::Table;

use crate::harness::Scratch;

/// Source images that nothing is made of.
fn refused(options: &str, message: &str) {
    let s = Scratch::new();
    s.images(&["src/cat"], 1);
    s.convert(&format!("src --out out --size 4 {options}")).fails(2, message);
}

#[test]
fn filters_that_a_library_lacks_are_refused() {
    refused(
        "--resize-like tf --filter box",
        "error: `tf` has no filter `box`, only nearest, bilinear, bicubic, lanczos3, area\n\
         hint: choose another `--filter`, or another `--resize-like`",
    );
    refused(
        "--resize-like opencv --filter lanczos3",
        "error: `opencv` has no filter `lanczos3`, only nearest, bilinear, bicubic, area\n\
         hint: `INTER_LANCZOS4` is a different filter; choose another `--filter`, or `--resize-like pillow`",
    );
    refused(
        "--filter area",
        "error: filter `area` needs `--resize-like`\n\
         hint: add `--resize-like opencv` or `--resize-like tf`, or use `--filter box`",
    );
}

#[test]
fn contradictions_are_refused() {
    refused(
        "--resize-like pillow --no-antialias",
        "error: `--resize-like pillow` decides antialiasing itself\n\
         hint: leave out `--no-antialias`; `--resize-like tf` and `opencv` don't antialias",
    );
    refused(
        "--crop-ratio 0.875",
        "error: `--crop-ratio` has no effect with `--fit stretch`\n\
         hint: use `--fit shortest-side`, or leave out `--crop-ratio`",
    );
}

#[test]
fn way_of_resizing_is_recorded_and_told() {
    let s = Scratch::new();
    s.images(&["src/cat"], 3);
    let options = "--resize-like torchvision --filter bicubic --fit shortest-side --crop-ratio 0.875 --only-shrink";
    s.convert(&format!("src --out out --size 4 --split train=1 {options}")).exits(0);
    let told = s.run("info", "out").exits(0).stdout;
    let way = "fit shortest-side 0.875, never enlarged, filter bicubic as in torchvision, storage";
    assert!(told.contains(way), "{told}");
    let spec = &s.manifest("out")["spec"];
    assert_eq!(
        (&spec["resize_like"], &spec["crop_ratio"], &spec["only_shrink"]),
        (&"torchvision".into(), &0.875.into(), &true.into())
    );
    s.more_images(&["src/cat"], 3..5);
    s.run("append", "src --out out").exits(0);
    s.is_whole("out");
}

#[test]
fn plain_manifests_say_nothing_of_libraries() {
    let s = Scratch::new();
    s.images(&["src/cat"], 1);
    s.convert("src --out out --size 4 --split train=1").exits(0);
    let spec = &s.manifest("out")["spec"];
    assert!(["resize_like", "crop_ratio", "only_shrink"].iter().all(|key| spec.get(key).is_none()), "{spec}");
}

/// The tensor of a gray image one pixel high, whose levels are 0, 10, 20, ....
fn slope_resized(width: u8, options: &str) -> Vec<u8> {
    let s = Scratch::new();
    let levels = (0..width).map(|x| x * 10);
    s.file("src/slope.pgm", &format!("P5 {width} 1 255\n").into_bytes().into_iter().chain(levels).collect::<Vec<_>>());
    s.convert(&format!("src --out d --channels gray --folders none --split train=1 {options}")).exits(0);
    Table::open(s.path().join("d/train")).unwrap().copy(&[0]).unwrap().to_vec()
}

#[test]
fn opencv_begins_a_pixel_early_where_its_ratio_is_rounded_down() {
    let nearest = slope_resized(26, "--size 1x10 --resize-like opencv --filter nearest");
    assert_eq!(nearest, [0, 20, 50, 70, 100, 120, 150, 180, 200, 230]);
    let plain = slope_resized(26, "--size 1x10 --filter nearest");
    assert_eq!(plain, [10, 30, 60, 90, 110, 140, 160, 190, 220, 240]);
}

#[test]
fn opencv_interpolates_areas_where_a_side_is_enlarged() {
    let rows = slope_resized(26, "--size 2x10 --resize-like opencv --filter area");
    let row = [6, 28, 57, 79, 108, 120, 158, 187, 209, 238];
    assert_eq!(rows, [row, row].concat());
    let row = slope_resized(26, "--size 1x10 --resize-like opencv --filter area");
    assert_eq!(row, [8, 34, 60, 86, 112, 138, 164, 190, 216, 242]);
}
