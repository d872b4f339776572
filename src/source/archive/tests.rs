//! Archives as other programs write them, and as they should not be.

use std::fs;
use std::io::{Cursor, Write};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use tempfile::TempDir;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use super::*;
use crate::run::StorageOptions;
use crate::spec::ByteSize;

fn stores() -> Arc<Stores> {
    Stores::new(&StorageOptions::default())
}

/// An archive in a folder of its own.
struct Opened {
    folder: TempDir,
    archive: Archive,
}

impl Opened {
    fn new(bytes: &[u8], name: &str) -> Opened {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        Opened { archive: Archive::open(&path, &stores()).unwrap(), folder }
    }

    fn prepare(&self) -> Result<(), Error> {
        self.archive.prepare(Some(&Arc::new(Spool::new(self.folder.path()))), &Limits::default())
    }

    fn prepared(bytes: &[u8], name: &str) -> Opened {
        let opened = Opened::new(bytes, name);
        opened.prepare().unwrap();
        opened
    }

    /// Each member: its name, and its bytes or the word for the reason that it has none.
    fn contents(&self) -> Vec<(String, Result<Vec<u8>, &'static str>)> {
        let members = self.archive.members().filter(|member| member.kind != MemberKind::Folder);
        members.map(|member| (member.name.to_owned(), self.read(member.number))).collect()
    }

    fn read(&self, member: u32) -> Result<Vec<u8>, &'static str> {
        let mut buffer = b"before".to_vec();
        self.archive.read(member, &Limits::default(), &mut buffer).map_err(|error| error.code())?;
        Ok(buffer.split_off("before".len()))
    }

    fn error(&self) -> String {
        let error = self.prepare().unwrap_err().to_string();
        error.split_once("`: ").unwrap().1.to_owned()
    }
}

/// A tar that is being made.
struct Tar(tar::Builder<Vec<u8>>);

impl Tar {
    fn new() -> Tar {
        Tar(tar::Builder::new(Vec::new()))
    }

    /// Adds a member with this name, whatever it is.
    fn add(mut self, kind: u8, name: &[u8], bytes: &[u8]) -> Tar {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        self.0.append(&header, bytes).unwrap();
        self
    }

    fn file(self, name: &str, bytes: &[u8]) -> Tar {
        self.add(b'0', name.as_bytes(), bytes)
    }

    fn link(mut self, kind: u8, name: &str, target: &str) -> Tar {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_link_name_literal(target).unwrap();
        header.set_entry_type(tar::EntryType::new(kind));
        // As some programs of old write it: there are no such bytes.
        header.set_size(if kind == b'1' { 3 } else { 0 });
        header.set_cksum();
        self.0.append(&header, &b""[..]).unwrap();
        self
    }

    fn finish(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

fn gzip(parts: &[&[u8]]) -> Vec<u8> {
    let mut file = Vec::new();
    for part in parts {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(part).unwrap();
        file.extend(packed.finish().unwrap());
    }
    file
}

fn zstd_of(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().flat_map(|part| zstd::bulk::compress(part, 1).unwrap()).collect()
}

fn ok(bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
    Ok(bytes.to_vec())
}

fn listing(members: &[(&str, Result<Vec<u8>, &'static str>)]) -> Vec<(String, Result<Vec<u8>, &'static str>)> {
    members.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.clone())).collect()
}

#[test]
fn tars_are_read_plain_and_compressed() {
    let long = "long/".repeat(50) + "name.jpg";
    let mut tar = Tar::new().add(b'5', b"cats/", b"").file("./cats//a.jpg", b"one").file("cats/b.jpg", &[7; 100_000]);
    let mut header = tar::Header::new_gnu();
    header.set_size(4);
    tar.0.append_data(&mut header, &long, &b"long"[..]).unwrap();
    tar.0.append_pax_extensions([("path", "p\u{e4}x/\n.jpg".as_bytes()), ("size", b"5")]).unwrap();
    let mut tar = tar.file("short", b"5 her").0;
    // The size in the header before is not that of the member.
    let bytes = tar.get_mut();
    let place = bytes.len() - 1024;
    let mut header = tar::Header::from_byte_slice(&bytes[place..place + 512]).clone();
    header.set_size(0);
    header.set_cksum();
    bytes[place..place + 512].copy_from_slice(header.as_bytes());
    let tar = Tar(tar).add(0, b"old/", b"").add(0, b"old/empty", b"").add(b'g', b"all", b"10 size=3\n").finish();

    let expected = listing(&[
        ("cats/a.jpg", ok(b"one")),
        ("cats/b.jpg", ok(&[7; 100_000])),
        (&long, ok(b"long")),
        ("p\u{e4}x/\n.jpg", ok(b"5 her")),
        ("old/empty", ok(b"")),
    ]);
    let (first, rest) = tar.split_at(70_001);
    for (bytes, name, spooled) in [
        (tar.clone(), "a.tar", 0),
        (gzip(&[first, rest]), "a.tar.gz", 100_012),
        ([gzip(&[&tar]), vec![0; 5000]].concat(), "a.tgz", 100_012),
        (zstd_of(&[first, rest]), "a.tar.zst", 100_012),
    ] {
        let opened = Opened::prepared(&bytes, name);
        assert_eq!(opened.contents(), expected, "{name}");
        assert_eq!((opened.archive.spooled_bytes(), opened.archive.lacks_end()), (spooled, false), "{name}");
        opened.prepare().unwrap();
    }
    let folders = Opened::prepared(&tar, "a.tar");
    let folders = folders.archive.members().filter(|member| member.kind == MemberKind::Folder);
    assert_eq!(folders.map(|member| member.name.to_owned()).collect::<Vec<_>>(), ["cats", "old"]);
}

#[test]
fn lengths_are_known() {
    let opened = Opened::prepared(&Tar::new().file("a.jpg", b"abc").add(b'5', b"b", b"").finish(), "a.tar");
    assert_eq!((opened.archive.length(0), opened.archive.length(1), opened.archive.length(2)), (Some(3), None, None));
    assert_eq!((opened.archive.name(0), opened.archive.name(2)), ("a.jpg", ""));
}

#[test]
fn hostile_names_are_refused() {
    let tar = Tar::new()
        .file("../a.jpg", b"1")
        .file("/etc/b.jpg", b"2")
        .file("a/../../c.jpg", b"3")
        .file("C:\\d.jpg", b"4")
        .add(b'0', b"e\xff.jpg", b"5")
        .file("f.jpg", b"6")
        .finish();
    let opened = Opened::prepared(&tar, "a.tar");
    let expected = listing(&[
        ("../a.jpg", Err("name-outside")),
        ("/etc/b.jpg", Err("name-outside")),
        ("a/../../c.jpg", Err("name-outside")),
        ("C:\\d.jpg", Err("name-outside")),
        ("e\u{fffd}.jpg", Err("name-not-utf8")),
        ("f.jpg", ok(b"6")),
    ]);
    assert_eq!(opened.contents(), expected);
}

#[test]
fn links_lead_to_files_of_the_archive() {
    let tar = Tar::new()
        .file("d/a.jpg", b"old")
        .link(b'1', "hard.jpg", "./d/a.jpg")
        .link(b'1', "chain.jpg", "hard.jpg")
        .link(b'1', "early.jpg", "late.jpg")
        .link(b'2', "d/soft.jpg", "../late.jpg")
        .link(b'2', "twice.jpg", "d/soft.jpg")
        .link(b'2', "out.jpg", "../../etc/passwd")
        .link(b'2', "absolute.jpg", "/etc/passwd")
        .link(b'2', "loop.jpg", "loop.jpg")
        .link(b'2', "folder.jpg", "d")
        .file("late.jpg", b"late")
        .file("d/a.jpg", b"new")
        .finish();
    let expected = listing(&[
        ("d/a.jpg", Err("duplicate-key")),
        ("hard.jpg", ok(b"old")),
        ("chain.jpg", ok(b"old")),
        ("early.jpg", Err("link-in-archive")),
        ("d/soft.jpg", ok(b"late")),
        ("twice.jpg", ok(b"late")),
        ("out.jpg", Err("link-in-archive")),
        ("absolute.jpg", Err("link-in-archive")),
        ("loop.jpg", Err("link-in-archive")),
        ("folder.jpg", Err("link-in-archive")),
        ("late.jpg", ok(b"late")),
        ("d/a.jpg", ok(b"new")),
    ]);
    assert_eq!(Opened::prepared(&tar, "a.tar").contents(), expected);
    assert_eq!(Opened::prepared(&gzip(&[&tar]), "a.tgz").contents(), expected);
}

#[test]
fn other_kinds_of_members_are_refused() {
    let mut tar = Tar::new().add(b'6', b"pipe.jpg", b"").add(b'3', b"device.jpg", b"").add(b'S', b"gnu.jpg", b"");
    tar.0.append_pax_extensions([("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.name", b"holes.jpg")]).unwrap();
    let tar =
        tar.file("GNUSparseFile.0/holes.jpg", b"1\n").add(b'V', b"label", b"").add(b'?', b"new.jpg", b"1").finish();
    let expected = listing(&[
        ("pipe.jpg", Err("not-a-file")),
        ("device.jpg", Err("not-a-file")),
        ("gnu.jpg", Err("unsupported-member")),
        ("holes.jpg", Err("unsupported-member")),
        ("new.jpg", Err("not-a-file")),
    ]);
    assert_eq!(Opened::prepared(&tar, "a.tar").contents(), expected);
}

#[test]
fn cut_tars_are_damaged() {
    let tar = Tar::new().file("a.jpg", &[1; 700]).file("b.jpg", b"2").finish();
    for cut in 1..tar.len() - 1024 {
        let opened = Opened::new(&[&tar[..cut.max(512)], &[][..]].concat(), "a.tar");
        match cut.max(512) {
            // The header of a member is where the file ends: nothing is missing but the mark of the end.
            1536 => {
                opened.prepare().unwrap();
                assert!(opened.archive.lacks_end());
                assert_eq!(opened.contents(), listing(&[("a.jpg", ok(&[1; 700]))]));
            }
            cut @ 512..1536 => assert_eq!(opened.error(), "it is damaged: it ends in the middle of `a.jpg`", "{cut}"),
            _ => assert!(opened.error().starts_with("it is damaged: it ends "), "{cut}: {}", opened.error()),
        }
    }
    let tar = Tar::new().file("a.jpg", &noise(300_000)).finish();
    let packed = gzip(&[&tar]);
    for cut in [packed.len() - 1, packed.len() - 20] {
        let opened = Opened::new(&packed[..cut], "a.tgz");
        assert!(opened.error().starts_with("it is damaged: "), "{}", opened.error());
    }
    let packed = zstd_of(&[&tar]);
    let opened = Opened::new(&packed[..packed.len() - 1], "a.tar.zst");
    assert!(opened.error().starts_with("it is damaged: "), "{}", opened.error());
}

#[test]
fn what_is_behind_the_end_is_told() {
    let tar = Tar::new().file("a.jpg", b"1").finish();
    let opened = Opened::new(&[tar.clone(), tar.clone()].concat(), "a.tar");
    assert_eq!(opened.error(), "it holds several tar archives one after another");
    Opened::prepared(&[tar.clone(), vec![0; 9000], b"garbage".repeat(100)].concat(), "a.tar");
    Opened::prepared(&[tar, vec![0; 700]].concat(), "a.tar");
    assert!(Opened::prepared(&[0; 10_240], "a.tar").contents().is_empty());
}

#[test]
fn headers_that_claim_too_much_are_damage() {
    let mut long = tar::Header::new_gnu();
    long.set_entry_type(tar::EntryType::GNULongName);
    long.set_size(1 << 40);
    long.set_cksum();
    let opened = Opened::new(long.as_bytes(), "a.tar");
    let expected = "it is damaged: the name or extended header of a member has 1099511627776 bytes";
    assert_eq!(opened.error(), expected);
    let mut huge = tar::Header::new_gnu();
    huge.set_path("a.jpg").unwrap();
    huge.set_size(u64::MAX - 5);
    huge.set_cksum();
    let opened = Opened::new(huge.as_bytes(), "a.tar");
    assert_eq!(opened.error(), "it is damaged: a member claims 18446744073709551610 bytes");
    let named = Tar::new().add(b'L', b"././@LongLink", b"a.jpg\0").finish();
    assert_eq!(
        Opened::new(&named, "a.tar").error(),
        "it is damaged: it ends after the name of a member that is not there"
    );
}

#[test]
fn long_files_are_listed_but_not_unpacked() {
    let tar = Tar::new().file("a.jpg", &[0; 3000]).file("b.jpg", b"small").finish();
    let opened = Opened::new(&gzip(&[&tar]), "a.tgz");
    let limits = Limits { file_bytes: ByteSize(1000), ..Limits::default() };
    opened.archive.prepare(Some(&Arc::new(Spool::new(opened.folder.path()))), &limits).unwrap();
    assert_eq!((opened.archive.length(0), opened.archive.spooled_bytes()), (Some(3000), 5));
    let error = opened.archive.read(0, &limits, &mut Vec::new()).unwrap_err();
    assert_eq!(error.code(), "file-too-large");
    assert_eq!((opened.read(0), opened.read(1)), (Err("unreadable"), ok(b"small")));
}

#[test]
fn nothing_is_written_without_a_spool() {
    let tar = Tar::new().file("a.jpg", &[1; 3000]).file("a.cls", b"7").file("a.npy", &[0; 2 << 20]).finish();
    let opened = Opened::new(&gzip(&[&tar]), "a.tgz");
    opened.archive.prepare(None, &Limits::default()).unwrap();
    assert_eq!(opened.archive.spooled_bytes(), 3001 + (2 << 20));
    assert_eq!((opened.read(0), opened.read(1), opened.read(2)), (Err("unreadable"), ok(b"7"), Err("unreadable")));
    assert_eq!(fs::read_dir(opened.folder.path()).unwrap().count(), 1);
}

#[test]
fn archives_that_change_are_noticed() {
    let opened = Opened::prepared(&Tar::new().file("a.jpg", b"1").finish(), "a.tar");
    fs::write(opened.archive.path(), Tar::new().file("longer.jpg", &[2; 3000]).finish()).unwrap();
    assert_eq!(opened.read(0), Err("changed"));
}

#[test]
fn archives_are_recognized_by_content() {
    let tar = Tar::new().file("a.jpg", b"1").finish();
    let folder = TempDir::new().unwrap();
    let is_archive = |bytes: &[u8], name: &str| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        Archive::is_archive(&bytes[..bytes.len().min(1024)], &path, &stores())
    };
    // A header without the word that newer ones have, and one whose checksum is of signed bytes.
    let mut old = tar::Header::new_old();
    old.as_old_mut().name[..3].copy_from_slice("\u{e4}b".as_bytes());
    old.set_size(0);
    old.set_cksum();
    let mut signed = old.clone();
    signed.as_old_mut().cksum = *b"000000\0 ";
    let sum = old.cksum().unwrap() - 2 * 256;
    signed.as_old_mut().cksum[..6].copy_from_slice(format!("{sum:06o}").as_bytes());
    for (bytes, name) in [
        (&tar[..], "a"),
        (old.as_bytes(), "old"),
        (signed.as_bytes(), "signed"),
        (&[0; 1024], "empty.tar"),
        (&gzip(&[&tar]), "b"),
        (&zstd_of(&[&tar]), "c"),
        (&[&[0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9][..], &zstd_of(&[&tar])].concat(), "d"),
        (&zip::ZipWriter::new(Cursor::new(Vec::new())).finish().unwrap().into_inner(), "e"),
        (&zip_of(&[("a.jpg", b"1", CompressionMethod::Stored)]), "f"),
    ] {
        assert!(is_archive(bytes, name), "{name}");
    }
    for (bytes, name) in [
        (&b"\xff\xd8\xff"[..], "a.jpg"),
        (&gzip(&[b"text"]), "a.txt.gz"),
        (&gzip(&[&[1; 2000]]), "a.tar.gz"),
        (&zstd_of(&[&[1; 2000]]), "a.zst"),
        (&[0; 1024], "zeros"),
        (&tar[1..], "shifted.tar"),
        (&[], "nothing.tar"),
    ] {
        assert!(!is_archive(bytes, name), "{name}");
    }
}

/// Bytes that hardly any method makes shorter.
fn noise(bytes: u32) -> Vec<u8> {
    (0..bytes).map(|number| (number.wrapping_mul(number | 1).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn zip_of(members: &[(&str, &[u8], CompressionMethod)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes, method) in members {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(*method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Places of a text in bytes.
fn places(bytes: &[u8], text: &[u8]) -> Vec<usize> {
    (0..bytes.len()).filter(|place| bytes[*place..].starts_with(text)).collect()
}

/// Changes bytes of the directory entry of a zip with one member, at this place in the entry.
fn patched(mut zip: Vec<u8>, place: usize, bytes: &[u8]) -> Vec<u8> {
    let entry = places(&zip, b"PK\x01\x02")[0];
    zip[entry + place..][..bytes.len()].copy_from_slice(bytes);
    zip
}

#[test]
fn zips_are_read() {
    let noise = noise(50_000);
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    zip.add_directory("cats/", options).unwrap();
    for (name, bytes, method, is_large) in [
        ("cats/a.jpg", &b"stored"[..], CompressionMethod::Stored, false),
        ("cats/\u{e4}.jpg", &[5; 200_000], CompressionMethod::Deflated, false),
        ("cats/noise.jpg", &noise, CompressionMethod::Deflated, true),
        ("empty.jpg", b"", CompressionMethod::Deflated, false),
    ] {
        zip.start_file(name, options.compression_method(method).large_file(is_large)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.add_symlink("link.jpg", "cats/a.jpg", options).unwrap();
    zip.add_symlink("out.jpg", "../a.jpg", options).unwrap();
    zip.set_comment("PK\x05\x06 and a comment").unwrap();
    let zip = zip.finish().unwrap().into_inner();
    let expected = listing(&[
        ("cats/a.jpg", ok(b"stored")),
        ("cats/\u{e4}.jpg", ok(&[5; 200_000])),
        ("cats/noise.jpg", ok(&noise)),
        ("empty.jpg", ok(b"")),
        ("link.jpg", ok(b"stored")),
        ("out.jpg", Err("link-in-archive")),
    ]);
    assert_eq!(Opened::prepared(&zip, "a.zip").contents(), expected);
}

#[test]
fn names_of_windows_zips_are_paths() {
    let zip = zip_of(&[("cats\\a.jpg", b"1", CompressionMethod::Stored)]);
    assert_eq!(Opened::prepared(&zip, "a.zip").contents(), listing(&[("cats\\a.jpg", ok(b"1"))]));
    let from_dos = patched(zip, 5, &[0]);
    assert_eq!(Opened::prepared(&from_dos, "a.zip").contents(), listing(&[("cats/a.jpg", ok(b"1"))]));
    // Code page 437, where 0x84 is a-umlaut.
    let mut zip = zip_of(&[("a?.jpg", b"1", CompressionMethod::Stored)]);
    for place in places(&zip, b"a?.jpg") {
        zip[place + 1] = 0x84;
    }
    assert_eq!(Opened::prepared(&zip, "a.zip").contents(), listing(&[("a\u{e4}.jpg", ok(b"1"))]));
}

#[test]
fn members_of_zips_that_are_not_what_they_claim_are_refused() {
    let deflated = |bytes: &[u8]| zip_of(&[("a.jpg", bytes, CompressionMethod::Deflated)]);
    let zeros = deflated(&[0; 500_000]);
    let stored = zip_of(&[("a.jpg", b"123", CompressionMethod::Stored)]);
    for (zip, expected) in [
        (patched(stored.clone(), 8, &[1]), "encrypted"),
        (patched(stored.clone(), 10, &[9]), "unsupported-member"),
        // Checksum, packed length, length, place.
        (patched(stored.clone(), 16, &[0]), "damaged-member"),
        (patched(stored.clone(), 20, &[200, 0]), "damaged-member"),
        (patched(stored.clone(), 24, &[200, 0]), "damaged-member"),
        (patched(stored, 42, &[1]), "damaged-member"),
        (patched(zeros.clone(), 24, &100u32.to_le_bytes()), "damaged-member"),
        (patched(zeros.clone(), 24, &500_001u32.to_le_bytes()), "damaged-member"),
        (patched(zeros.clone(), 24, &900_000_000u32.to_le_bytes()), "damaged-member"),
        (patched(zeros, 24, &2_000_000_000u32.to_le_bytes()), "file-too-large"),
    ] {
        assert_eq!(Opened::prepared(&zip, "a.zip").contents(), listing(&[("a.jpg", Err(expected))]));
    }
}

#[test]
fn repeated_and_overlapping_members_of_zips_are_refused() {
    let one = [("a.jpg", &b"first"[..], CompressionMethod::Stored), ("b.jpg", b"later", CompressionMethod::Stored)];
    let mut repeated = zip_of(&one);
    for place in places(&repeated, b"b.jpg") {
        repeated[place] = b'a';
    }
    let expected = listing(&[("a.jpg", Err("duplicate-key")), ("a.jpg", ok(b"later"))]);
    assert_eq!(Opened::prepared(&repeated, "a.zip").contents(), expected);
    let mut overlapping = zip_of(&one);
    let second = places(&overlapping, b"PK\x01\x02")[1];
    overlapping[second + 42..second + 46].copy_from_slice(&[0; 4]);
    let expected = listing(&[("a.jpg", Err("damaged-member")), ("b.jpg", ok(b"first"))]);
    let contents = Opened::prepared(&overlapping, "a.zip").contents();
    assert_eq!(contents[0], expected[0]);
    assert_eq!(contents[1].1, Err("damaged-member"));
}

#[test]
fn flipped_bits_never_panic() {
    let tar = Tar::new()
        .file("a.jpg", &[1; 700])
        .link(b'1', "b.jpg", "a.jpg")
        .link(b'2', "c.jpg", "b.jpg")
        .add(b'L', b"././@LongLink", b"long.jpg\0")
        .file("d", b"4")
        .finish();
    let zip = zip_of(&[("a.jpg", &[1; 700], CompressionMethod::Deflated), ("b.jpg", b"2", CompressionMethod::Stored)]);
    let mut random = 1u64;
    for (bytes, name) in
        [(tar.clone(), "a.tar"), (gzip(&[&tar]), "a.tgz"), (zstd_of(&[&tar]), "a.tar.zst"), (zip, "a.zip")]
    {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(name);
        for _ in 0..300 {
            let mut flipped = bytes.clone();
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let bit = (random >> 33) as usize % (8 * flipped.len());
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, flipped).unwrap();
            let Ok(archive) = Archive::open(&path, &stores()) else { continue };
            let spool = Arc::new(Spool::new(folder.path()));
            if archive.prepare(Some(&spool), &Limits::default()).is_ok() {
                for member in archive.members() {
                    let _ = archive.read(member.number, &Limits::default(), &mut Vec::new());
                }
            }
        }
    }
}

/// Key, image and other fields of a sample.
type Found = (String, String, String);

/// The samples of an archive, and what is rejected.
fn samples_of(opened: &Opened) -> (Vec<Found>, Vec<(String, &'static str)>) {
    let samples = Samples::of(&opened.archive);
    let found = samples.iter(&opened.archive).map(|sample| {
        let fields = sample.fields.iter().map(|field| {
            let mark = if samples.is_image(*field) { "!" } else { "" };
            format!("{}{mark}", samples.name(*field))
        });
        let fields = fields.collect::<Vec<_>>().join(" ");
        (sample.key.to_owned(), opened.archive.name(sample.image).to_owned(), fields)
    });
    let found = found.collect();
    (found, samples.rejects.into_iter().map(|(key, error)| (key, error.code())).collect())
}

fn sample(key: &str, image: &str, fields: &str) -> Found {
    (key.to_owned(), image.to_owned(), fields.to_owned())
}

#[test]
fn neighbours_with_one_key_are_a_sample() {
    let tar = Tar::new()
        .add(b'5', b"d/", b"")
        .file("d.x/0001.cls", b"1")
        .file("d.x/0001.JPG", b"image")
        .file("d.x/0001.seg.png", b"mask")
        .file("__meta__", b"skipped")
        .file("d.x/__own__/a.jpg", b"skipped")
        .file("2.png", b"1")
        .file("2.jpg", b"2")
        .file("2.mask.jpg", b"3")
        .file("3.img.png", b"1")
        .file("3.txt", b"2")
        .file("d/.hidden.jpg", b"1")
        .file(".top.jpg", b"skipped")
        .file("noext", b"skipped")
        .file("4.txt", b"no image")
        .file("5.jpg", b"1")
        .file("5.txt", b"2")
        .file("5.TXT", b"3")
        .file("../6.jpg", b"1")
        .file("2.txt", b"apart")
        .finish();
    let opened = Opened::prepared(&tar, "a.tar");
    let (samples, rejects) = samples_of(&opened);
    let expected = [
        sample("d.x/0001", "d.x/0001.JPG", "cls seg.png!"),
        sample("2", "2.jpg", "mask.jpg! png!"),
        sample("3", "3.img.png", "txt"),
        sample("d/", "d/.hidden.jpg", ""),
    ];
    assert_eq!(samples, expected);
    let expected = [("4", "no-image"), ("../6.jpg", "name-outside"), ("5", "repeated-field"), ("2", "no-image")];
    assert_eq!(rejects, expected.map(|(key, code)| (key.to_owned(), code)));
    assert_eq!(Samples::of(&opened.archive).skipped, 4);
}

#[test]
fn images_alone_are_no_samples() {
    let is_samples = |names: &[&str]| {
        let tar = names.iter().fold(Tar::new(), |tar, name| tar.file(name, b"1")).finish();
        looks_like_samples(Opened::prepared(&tar, "a.tar").archive.members())
    };
    assert!(is_samples(&["1.jpg", "1.cls", "2.jpg", "2.cls"]));
    assert!(is_samples(&["a/1.json", "a/1.jpg", "a/1.txt"]));
    assert!(is_samples(&["1.jpg", "1.xml", "2.jpg", "2.xml", "README.md"]));
    assert!(!is_samples(&["cats/1.jpg", "dogs/1.jpg"]));
    assert!(!is_samples(&["cats/1.jpg", "cats/2.jpg", "metadata.csv", "README.txt"]));
    assert!(!is_samples(&["1.jpg", "1.seg.png"]));
    assert!(!is_samples(&["images/1.jpg", "labels/1.txt"]));
    assert!(!is_samples(&["1.jpg", "2.jpg", "2.txt", "3.jpg"]));
    assert!(!is_samples(&[]));
}

#[test]
fn small_members_become_columns() {
    let first = Tar::new()
        .file("1.jpg", b"image")
        .file("1.cls", b" 3\n")
        .file("1.txt", b"a cat")
        .file("1.json", br#"{"width": 3, "txt": "x"}"#)
        .file("1.npy", b"\x93NUMPY")
        .finish();
    let second = Tar::new()
        .file("2.jpg", b"image")
        .file("2.cls", b"4")
        .file("2.caption", b"a dog")
        .file("2.json", br#"{"width": 2.5}"#)
        .file("3.jpg", b"image")
        .file("3.json", b"[1]")
        .file("4.jpg", b"image")
        .file("4.other", &[0xff; 10])
        .finish();
    let mut columns = SampleColumns::default();
    let mut errors = Vec::new();
    for (bytes, name) in [(first, "a.tar"), (gzip(&[&second]), "b.tgz")] {
        let opened = Opened::new(&bytes, name);
        opened.archive.prepare(None, &Limits::default()).unwrap();
        let samples = Samples::of(&opened.archive);
        let mut reader = opened.archive.reader().unwrap();
        for sample in samples.iter(&opened.archive) {
            let pushed = columns.push(&samples, &sample, &mut reader, |member| opened.archive.length(member));
            errors.extend(pushed.err().map(|error| error.to_string()));
        }
    }
    assert_eq!(
        errors,
        ["the field `json` can't be read: invalid type: sequence, expected an object at line 1 column 0"]
    );
    assert_eq!(
        columns.ignored.iter().map(|(name, count)| (&**name, *count)).collect::<Vec<_>>(),
        [("npy", 1), ("other", 1)]
    );
    let values = columns.finish();
    let names: Vec<&str> = values.columns.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["txt", "caption", "width", "json.txt"]);
    let texts = |place: usize| values.columns[place].1.as_string::<i32>().iter().collect::<Vec<_>>();
    assert_eq!(texts(0), [Some("a cat"), None, None]);
    assert_eq!(texts(1), [None, Some("a dog"), None]);
    assert_eq!(texts(3), [Some("x"), None, None]);
    assert_eq!(values.labels[0].0, "cls");
    let labels: Vec<_> = values.labels[0].1.as_primitive::<Int64Type>().iter().collect();
    assert_eq!(labels, [Some(3), Some(4), None]);
}
