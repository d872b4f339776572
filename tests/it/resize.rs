//! Messages about ways of resizing. `tests/interop/test_parity.py` compares the pixels with those of
//! other libraries.

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
