//! Memory follows the images, not the limits, and is shared by the threads of a run.

use std::fs;

use crate::harness::{Ran, Scratch};

/// Chunk of a PNG.
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let checksum = crc32fast::hash(&[kind, data].concat());
    [&(data.len() as u32).to_be_bytes(), &kind[..], data, &checksum.to_be_bytes()].concat()
}

/// A zlib stream of zeros.
fn zeros(count: usize) -> Vec<u8> {
    let mut compressor = fdeflate::Compressor::new(Vec::new()).unwrap();
    let piece = vec![0; 1 << 20];
    for begin in (0..count).step_by(piece.len()) {
        compressor.write_data(&piece[..piece.len().min(count - begin)]).unwrap();
    }
    compressor.finish().unwrap()
}

/// A black gray PNG with these chunks before its pixels.
fn png(width: u32, height: u32, depth: u8, chunks: &[u8]) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, 0, 0, 0, 0]].concat();
    let line = 1 + (width as usize * usize::from(depth)).div_ceil(8);
    let (header, pixels) = (chunk(b"IHDR", &header), chunk(b"IDAT", &zeros(line * height as usize)));
    [&b"\x89PNG\r\n\x1a\n"[..], &header, chunks, &pixels, &chunk(b"IEND", &[])].concat()
}

/// A color profile of this many zeros.
fn profile(bytes: usize) -> Vec<u8> {
    chunk(b"iCCP", &[&b"bomb\0\0"[..], &zeros(bytes)].concat())
}

/// A bitmap, which is not compressed.
fn bitmap(width: u32, height: u32, seed: u8) -> Vec<u8> {
    let mut bytes = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    bytes.extend([width.to_le_bytes(), height.to_le_bytes(), [1, 0, 24, 0]].concat());
    bytes.resize(54, 0);
    let pixels = (3 * width).next_multiple_of(4) * height;
    bytes.extend((0..pixels).map(|at| (at / 1000 * 7) as u8 ^ seed));
    bytes
}

/// A command within an address space of this many MiB.
#[cfg(target_os = "linux")]
fn within(scratch: &Scratch, mebibytes: usize, words: &str) -> Ran {
    let inlaid = env!("CARGO_BIN_EXE_inlaid");
    let command = format!("ulimit -v {}; exec {inlaid} convert {words}", mebibytes << 10);
    let output = std::process::Command::new("sh").args(["-c", &command]).current_dir(scratch.path()).output();
    Ran::of(output.unwrap())
}

const OPTIONS: &str = "--folders none --split train=1 --size 8";

#[test]
#[cfg(target_os = "linux")]
fn metadata_take_no_memory() {
    let scratch = Scratch::new();
    let bomb = profile(1 << 30);
    scratch.file("s/profile.png", &png(10, 10, 8, &bomb));
    scratch.file("s/text.png", &png(10, 10, 8, &chunk(b"zTXt", &[&b"bomb\0\0"[..], &zeros(1 << 30)].concat())));
    for (name, options) in [("keep", ""), ("srgb", "--color-profile srgb"), ("no-exif", "--no-exif")] {
        within(&scratch, 512, &format!("s --out {name} {OPTIONS} {options} --threads 1")).exits(0);
        assert_eq!(scratch.rows(name).len(), 2);
    }
    // The decoder of icons would inflate it.
    let icon = [&[0, 0, 1, 0, 1, 0, 10, 10, 0, 0, 1, 0, 32, 0, 0, 0, 0, 0, 22, 0, 0, 0][..], &png(10, 10, 8, &bomb)];
    scratch.file("s/icon.ico", &icon.concat());
    within(&scratch, 512, &format!("s --out icon {OPTIONS} --threads 1")).exits(3);
    let expected = ["icon.ico", "decode", "malformed", "the metadata in the icon are too large"].map(String::from);
    assert_eq!(scratch.rejects("icon"), [expected]);
}

#[test]
fn exif_beyond_its_limit_is_ignored() {
    let scratch = Scratch::new();
    // Big-endian, one field: orientation 6, a quarter turn.
    let exif = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let padded = |bytes: usize| [&exif[..], &vec![0; bytes - exif.len()]].concat();
    for (name, bytes) in [("small", exif.len()), ("most", 1 << 20), ("large", (1 << 20) + 1)] {
        scratch.file(&format!("{name}/a.png"), &png(30, 10, 8, &chunk(b"eXIf", &padded(bytes))));
        scratch.convert(&format!("{name} --out of-{name} {OPTIONS}")).exits(0);
    }
    let is_wide = |name: &str| {
        let aspects = &scratch.manifest(name)["splits"]["train"]["statistics"]["source_aspects"];
        aspects[0]["at_least"].as_f64().unwrap() > 1.0
    };
    assert_eq!(["of-small", "of-most", "of-large"].map(is_wide), [false, false, true]);
}

#[test]
fn image_that_never_fits_is_rejected() {
    let scratch = Scratch::new();
    scratch.file("s/large.png", &png(3000, 4000, 8, &[]));
    scratch.image("s/small.png");
    scratch.convert(&format!("s --out d --memory 16MiB {OPTIONS}")).exits(3);
    let [reject] = &scratch.rejects("d")[..] else { panic!("there is one reject") };
    assert_eq!(reject[..3], ["large.png", "decode", "memory"]);
    let (bytes, rest) = reject[3].strip_prefix("decoding takes ").unwrap().split_once(' ').unwrap();
    // 12 million gray samples, and three times as many of RGB.
    assert!((48_000_000..56_000_000).contains(&bytes.parse::<u64>().unwrap()), "{bytes}");
    let expected = "bytes of memory, more than the 16777216 allowed: raise the limit on memory, or leave such \
                    images out with a limit on pixels";
    assert_eq!(rest, expected);
    scratch.convert(&format!("s --out whole --memory 64MiB {OPTIONS}")).exits(0);
}

#[test]
fn file_that_never_fits_is_rejected() {
    let scratch = Scratch::new();
    scratch.file("s/large.bmp", &bitmap(2000, 2000, 0));
    scratch.image("s/small.png");
    scratch.convert(&format!("s --out d --memory 16MiB {OPTIONS}")).exits(3);
    let detail = "decoding takes 24000108 bytes of memory, more than the 16777216 allowed: raise the limit \
                  on memory, or leave such images out with a limit on pixels";
    assert_eq!(scratch.rejects("d"), [["large.bmp", "decode", "memory", detail].map(String::from)]);
}

#[test]
fn bytes_do_not_depend_on_memory() {
    let scratch = Scratch::new();
    for number in 0..10 {
        scratch.file(&format!("s/{number}.png"), &png(1500 + number, 2000, 8, &[]));
        // Files that are read alone, and again if another image has the memory.
        scratch.file(&format!("s/{number}.bmp"), &bitmap(1700 + number, 1700, number as u8));
        scratch.image(&format!("s/{number}-small.png"));
    }
    let options = "--folders none --split train=1 --size 64 --row-group-bytes 64KiB --dtype f32 --split-by content";
    scratch.convert(&format!("s --out free --threads 1 {options}")).exits(0);
    let free = scratch.dataset("free");
    for (memory, threads) in [("64MiB", 1), ("64MiB", 4), ("100MiB", 4), ("160MiB", 16)] {
        scratch.convert(&format!("s --out tight --threads {threads} --memory {memory} {options}")).exits(0);
        assert!(scratch.dataset("tight") == free, "{memory} for {threads} threads");
        fs::remove_dir_all(scratch.path().join("tight")).unwrap();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn want_of_memory_is_an_error_in_words() {
    let scratch = Scratch::new();
    scratch.file("s/a.png", &png(13_000, 13_000, 1, &[]));
    let ran = within(&scratch, 400, &format!("s --out d --memory 8GiB {OPTIONS} --threads 1"));
    let (first, hint) = ran.stderr.split_once('\n').unwrap();
    let bytes =
        first.strip_prefix("error: out of memory: the system refused ").unwrap().strip_suffix(" bytes").unwrap();
    assert!(bytes.parse::<u64>().unwrap() > 100_000_000, "{first}");
    let expected = "hint: use fewer `--threads` or a smaller `--memory`, or leave large images out with `--max-pixels`, \
                    and run the same command again to resume\n";
    assert_eq!((ran.code, hint), (1, expected));
}

/// A little-endian TIFF of 64x64 gray pixels whose one strip is this JPEG.
fn tiff_of_jpeg(jpeg: &[u8]) -> Vec<u8> {
    let fields: [(u16, u32); 9] = [
        (256, 64),
        (257, 64),
        (258, 8),
        (259, 7),
        (262, 1),
        (273, 8 + 2 + 9 * 12 + 4),
        (277, 1),
        (278, 64),
        (279, jpeg.len() as u32),
    ];
    let fields = fields.map(|(tag, value)| {
        [&tag.to_le_bytes()[..], &4_u16.to_le_bytes(), &1_u32.to_le_bytes(), &value.to_le_bytes()].concat()
    });
    [&b"II*\0\x08\0\0\0\x09\0"[..], &fields.concat(), &[0; 4], jpeg].concat()
}

#[test]
fn jpeg_in_a_tiff_is_not_larger_than_the_tiff() {
    let scratch = Scratch::new();
    for (name, side) in [("fits", 64), ("larger", 2000)] {
        let mut jpeg = Vec::new();
        let encoder = image::codecs::jpeg::JpegEncoder::new(&mut jpeg);
        image::GrayImage::new(side, side).write_with_encoder(encoder).unwrap();
        scratch.file(&format!("src/{name}.tif"), &tiff_of_jpeg(&jpeg));
    }
    scratch.convert(&format!("src --out out {OPTIONS}")).exits(3);
    let rejects = fs::read_to_string(scratch.path().join("out/rejects.jsonl")).unwrap();
    let larger = r#"{"path":"larger.tif","stage":"decode","reason":"malformed","detail":"#;
    assert!(rejects.starts_with(larger) && rejects.contains("a strip or tile is larger than the image"), "{rejects}");
    assert_eq!(rejects.lines().count(), 1);
}
