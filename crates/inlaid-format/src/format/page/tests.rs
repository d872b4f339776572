//! Pages as literals.

use super::*;
use crate::spec::{Channels, Size, Spec};

fn layout(size: &str, storage: Storage, max_rows: usize) -> PageLayout {
    layout_of(Dtype::U8, size, storage, max_rows)
}

fn layout_of(dtype: Dtype, size: &str, storage: Storage, max_rows: usize) -> PageLayout {
    let size = size.parse::<Size>().unwrap();
    let spec = Spec { channels: Channels::Gray, dtype, ..Spec::new(size) };
    PageLayout::new(&TensorShape::new(&spec).unwrap().unwrap(), storage, Compression::None, max_rows)
}

fn page(layout: PageLayout, rows: &[&[u8]]) -> Page {
    let mut buffer = layout.buffer(Vec::new());
    for row in rows {
        buffer.slot().copy_from_slice(row);
        buffer.keep();
    }
    buffer.finish()
}

#[test]
fn pixels_lie_verbatim_after_the_levels() {
    let page = page(layout("1x3", Storage::Tensor, 2), &[&[7, 8, 9], &[10, 11, 12]]);
    #[rustfmt::skip]
    assert_eq!(page.body(), [
        8, 0, 0, 0,             // repetition levels: 8 bytes
        2, 0, 4, 1, 2, 0, 4, 1, // each row: a run of one 0, a run of two 1
        2, 0, 0, 0,             // definition levels: 2 bytes
        12, 2,                  // a run of six 2
        8,                      // indices have 8 bits
        3,                      // one bit-packed run of one group of eight
        7, 8, 9, 10, 11, 12,    // the pixels
        0, 0,                   // the group is full
    ]);
    assert_eq!((page.rows, page.values, page.uncompressed_len), (2, 6, 28));
    #[rustfmt::skip]
    assert_eq!(page.header[..6], [
        0x15, 0,    // type: data page
        0x15, 56,   // 28 bytes
        0x15, 56,   // 28 bytes
    ]);
}

#[test]
fn lost_row_shortens_the_page() {
    let page = page(layout("1x3", Storage::Tensor, 8), &[&[7, 8, 9]]);
    assert_eq!(page.body(), [4, 0, 0, 0, 2, 0, 4, 1, 2, 0, 0, 0, 6, 2, 8, 3, 7, 8, 9, 0, 0, 0, 0, 0]);
    assert_eq!(page.pixels(), [7, 8, 9]);
}

#[test]
fn one_element_has_no_continuation() {
    let page = page(layout("1", Storage::Tensor, 8), &[&[5], &[6]]);
    assert_eq!(page.body(), [2, 0, 0, 0, 4, 0, 2, 0, 0, 0, 4, 2, 8, 3, 5, 6, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn binary_pages_are_pixels_alone() {
    let page = page(layout("1x3", Storage::Binary, 2), &[&[7, 8, 9], &[10, 11, 12]]);
    assert_eq!(page.body(), [7, 8, 9, 10, 11, 12]);
    assert_eq!((page.rows, page.values), (2, 2));
}

#[test]
fn used_buffer_leaves_no_trace() {
    let layout = layout("1x3", Storage::Tensor, 2);
    let fresh = page(layout, &[&[1, 2, 3]]);
    let mut buffer = layout.buffer(vec![0xAA; 100]);
    buffer.slot().copy_from_slice(&[1, 2, 3]);
    buffer.keep();
    let again = buffer.finish();
    assert_eq!((fresh.body(), &fresh.header), (again.body(), &again.header));
}

#[test]
fn u16_is_indices_of_16_bits() {
    let page = page(layout_of(Dtype::U16, "1x3", Storage::Tensor, 1), &[&[1, 0, 2, 0, 0xFF, 0xFF]]);
    #[rustfmt::skip]
    assert_eq!(page.body(), [
        4, 0, 0, 0, 2, 0, 4, 1, // repetition levels
        2, 0, 0, 0, 6, 2,       // definition levels
        16,                     // indices have 16 bits
        3,                      // one bit-packed run of one group of eight
        1, 0, 2, 0, 0xFF, 0xFF, // the elements
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // the group is full
    ]);
    assert_eq!((page.values, page.header[0..2].to_vec()), (3, vec![0x15, 0]));
}

#[test]
fn dictionary_of_u16_is_all_numbers_in_order() {
    let layout = layout_of(Dtype::U16, "1x3", Storage::Tensor, 1);
    let dictionary = layout.dictionary().unwrap();
    assert_eq!((dictionary.values, dictionary.body().len()), (65_536, 262_144));
    let values = dictionary.body().as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes));
    assert!(values.eq(0..65_536));
    let (header, _) = PageHeader::parse(&dictionary.header).unwrap();
    assert!(layout.is_identity(&header, dictionary.body()));
    let mut other = dictionary.body().to_vec();
    other[40_000] ^= 1;
    assert!(!layout.is_identity(&header, &other));
    assert!(!layout_of(Dtype::U8, "1x3", Storage::Tensor, 1).is_identity(&header, dictionary.body()));
}

#[test]
fn floats_are_plain() {
    let (one, two) = (1_f32.to_le_bytes(), 2_f32.to_le_bytes());
    let layout = layout_of(Dtype::F32, "1x2", Storage::Tensor, 1);
    assert!(layout.dictionary().is_none());
    let page = page(layout, &[&[one, two].concat()]);
    #[rustfmt::skip]
    assert_eq!(page.body(), [
        4, 0, 0, 0, 2, 0, 2, 1, // repetition levels
        2, 0, 0, 0, 4, 2,       // definition levels
        0, 0, 0x80, 0x3F,       // 1
        0, 0, 0, 0x40,          // 2
    ]);
    // Field 5: two values, encoding plain, levels run-length encoded.
    assert!(page.header.ends_with(&[0x15, 4, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0]), "{:?}", page.header);
}

#[test]
fn halves_are_plain() {
    // 1 and 2.
    let page = page(layout_of(Dtype::F16, "1x2", Storage::Tensor, 1), &[&[0, 0x3C, 0, 0x40]]);
    // Cutting a run of the definition levels makes the pixels begin at an even place.
    assert_eq!(page.body()[..8], [4, 0, 0, 0, 2, 0, 2, 1]);
    assert!(page.body().ends_with(&[0, 0x3C, 0, 0x40]));
}

#[test]
fn pixels_are_aligned_in_every_page() {
    for (dtype, storage) in [(Dtype::U16, 2), (Dtype::F16, 2), (Dtype::F32, 4)] {
        let layout = layout_of(dtype, "12", Storage::Tensor, 8);
        assert_eq!(layout.alignment(), storage);
        for seed in 0..200_usize {
            let row: Vec<u8> = (0..layout.row_bytes()).map(|at| ((at * (seed + 3)) >> 3) as u8).collect();
            let rows = vec![&row[..]; seed % 8 + 1];
            let page = page(layout, &rows);
            let begin = page.header.len() + page.body().len() - layout.padding(rows.len()) - rows.len() * row.len();
            assert_eq!((begin % storage, page.len() % storage), (0, 0), "{dtype} {seed}");
            assert_eq!(page.pixels(), rows.concat());

            let stored = [&page.header, page.body()].concat();
            assert_eq!(layout.check(&stored, rows.len()), Ok(()));
            let (header, _) = PageHeader::parse(&stored).unwrap();
            let (found, body, pixels) = layout.find_pixels(&header, page.body(), 8).unwrap();
            assert_eq!((found, &body[pixels]), (rows.len(), &rows.concat()[..]));
        }
    }
}

#[test]
fn levels_that_nobody_writes_are_not_recognised() {
    let layout = layout_of(Dtype::F32, "12", Storage::Tensor, 1);
    let page = page(layout, &[&vec![7; layout.row_bytes()]]);
    let (header, _) = PageHeader::parse(&page.header).unwrap();
    for at in 0..page.body().len() - layout.row_bytes() {
        let mut other = page.body().to_vec();
        other[at] ^= 1;
        assert!(layout.find_pixels(&header, &other, 1).is_none(), "byte {at}");
        let stored = [&page.header, &other[..]].concat();
        assert_eq!(layout.check(&stored, 1), Err("its header or checksum does not match"));
    }
}
