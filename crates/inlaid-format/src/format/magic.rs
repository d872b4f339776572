//! The first bytes of image files.

/// How image files begin, at offset 0.
const BEGINNINGS: &[&[u8]] = &[
    b"\xff\xd8\xff",      // JPEG
    b"\x89PNG\r\n\x1a\n", // PNG
    b"GIF8",              // GIF
    b"II*\0",             // TIFF
    b"MM\0*",             // TIFF
    b"qoif",              // QOI
    b"\x76\x2f\x31\x01",  // OpenEXR
    b"#?RADIANCE",        // Radiance HDR
    b"farbfeld",          // farbfeld
    b"\xff\x0a",          // JPEG XL
    b"\0\0\0\x0cJXL ",    // JPEG XL
    b"\0\0\0\x0cjP  ",    // JPEG 2000
];

/// Whether bytes begin like an image file, of a format that can be decoded or not.
pub fn is_image(bytes: &[u8]) -> bool {
    let is_riff = || bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    let is_heif = || {
        let brand = bytes.get(8..12).unwrap_or_default();
        let brands: [&[u8]; 6] = [b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1"];
        bytes.get(4..8) == Some(b"ftyp") && brands.contains(&brand)
    };
    // The length of the file follows the two letters.
    let is_bmp = || bytes.starts_with(b"BM") && bytes.get(6..10) == Some(&[0; 4]);
    let is_pnm = || matches!(bytes, [b'P', b'1'..=b'7', b' ' | b'\n' | b'\r' | b'\t', ..]);
    BEGINNINGS.iter().any(|beginning| bytes.starts_with(beginning)) || is_riff() || is_heif() || is_bmp() || is_pnm()
}
