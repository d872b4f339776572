//! Files that are rewritten so that their decoder takes them: TIFFs of palettes or of luma and chroma, which become gray
//! or RGB and are converted afterwards, and BMPs of OS/2 2, whose header begins like that of Windows.

use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageFormat, ImageResult, Limits};

use super::chunks::{TiffField, tiff_fields};
use super::format::Format;
use super::sample::Sample;

/// A file as its decoder takes it.
pub(super) struct Rewritten {
    pub(super) file: Vec<u8>,
    /// What the decoded samples mean, if it is something else than their type says.
    pub(super) meaning: Option<Meaning>,
}

/// What samples mean.
#[derive(Clone)]
pub(super) enum Meaning {
    /// Colors by index.
    Palette(Vec<[u8; 3]>),
    /// Luma and two chromas of ITU-R BT.601, as in JPEGs.
    LumaAndChroma,
}

/// The file as its decoder takes it; none if it takes the file as it is.
pub(super) fn rewritten(format: Format, file: &[u8]) -> Option<Rewritten> {
    match format {
        Format::Image(ImageFormat::Tiff) => rewritten_tiff(file),
        Format::Image(ImageFormat::Bmp) => Some(Rewritten { file: rewritten_bmp(file)?, meaning: None }),
        _ => None,
    }
}

/// A header of OS/2 2 has 64 bytes, of which the first 40 are those of Windows. Its compressions 3 and 4 mean others.
fn rewritten_bmp(file: &[u8]) -> Option<Vec<u8>> {
    const FILE_HEADER: usize = 14;
    const COMPRESSION: usize = FILE_HEADER + 16;
    const OS2: u32 = 64;
    const WINDOWS: u32 = 40;
    let number = |at: usize| file.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    let is_os2 = number(FILE_HEADER)? == OS2 && number(COMPRESSION)? <= 2;
    let pixels = number(10)?.checked_sub(OS2 - WINDOWS).filter(|_| is_os2)?;
    let (header, rest) = (FILE_HEADER + 4, file.get(FILE_HEADER + OS2 as usize..)?);
    let same = &file[header..FILE_HEADER + WINDOWS as usize];
    Some([&file[..10], &pixels.to_le_bytes(), &WINDOWS.to_le_bytes(), same, rest].concat())
}

fn rewritten_tiff(file: &[u8]) -> Option<Rewritten> {
    const PHOTOMETRIC: u16 = 262;
    const GRAY: u16 = 1;
    const RGB: u16 = 2;
    const PALETTE: u64 = 3;
    const LUMA_AND_CHROMA: u64 = 6;
    let field = |tag| tiff_fields(file).find(|field| field.tag == tag);
    let photometric = field(PHOTOMETRIC).filter(|field| field.kind == 3 && field.count == 1)?;
    let (plain, meaning) = match photometric.number {
        PALETTE => (GRAY, Meaning::Palette(palette(file)?)),
        LUMA_AND_CHROMA if has_all_chroma(file) => (RGB, Meaning::LumaAndChroma),
        _ => return None,
    };
    let bytes = if file.starts_with(b"II") { plain.to_le_bytes() } else { plain.to_be_bytes() };
    let mut file = file.to_vec();
    file.get_mut(photometric.place..photometric.place + 2)?.copy_from_slice(&bytes);
    Some(Rewritten { file, meaning: Some(meaning) })
}

/// Whether every pixel has its chroma, perhaps because the decoder of JPEGs makes it.
fn has_all_chroma(file: &[u8]) -> bool {
    const COMPRESSION: u16 = 259;
    const SAMPLING: u16 = 530;
    const JPEG: u64 = 7;
    let one = |field: &TiffField<'_>| match file.get(field.place..field.place + 4) {
        Some([1, 0, 1, 0]) => file.starts_with(b"II"),
        Some([0, 1, 0, 1]) => file.starts_with(b"MM"),
        _ => false,
    };
    tiff_fields(file).any(|field| match field.tag {
        COMPRESSION => field.number == JPEG,
        SAMPLING => one(&field),
        _ => false,
    })
}

/// The palette of a TIFF whose indices have 1 or 8 bits. A file of 1 bit is decoded as black and white, 0 and 255.
fn palette(file: &[u8]) -> Option<Vec<[u8; 3]>> {
    const BITS: u16 = 258;
    const SAMPLES: u16 = 277;
    const COLORS: u16 = 320;
    let field = |tag| tiff_fields(file).find(|field| field.tag == tag);
    let bits = field(BITS).map_or(1, |field| field.number);
    if !matches!(bits, 1 | 8) || field(SAMPLES).is_some_and(|field| field.number != 1) {
        return None;
    }
    let colors = field(COLORS).filter(|field| field.kind == 3)?;
    let count = usize::try_from(colors.count).ok()? / 3;
    let values = colors.values.get(..6 * count)?;
    // The more significant byte of each 16-bit value.
    let high = usize::from(file.starts_with(b"II"));
    let color = |index: usize| [0, 1, 2].map(|channel| values[2 * (channel * count + index) + high]);
    let index = |sample: usize| if bits == 1 { sample & 1 } else { sample };
    Some((0..256).map(|sample| if index(sample) < count { color(index(sample)) } else { [0; 3] }).collect())
}

/// Decoder of a file whose samples mean something else than it knows.
pub(super) struct Recolored<'a> {
    inner: Box<dyn ImageDecoder + 'a>,
    meaning: Meaning,
}

impl<'a> Recolored<'a> {
    /// None if the samples are not what they were taken for.
    pub(super) fn new(inner: Box<dyn ImageDecoder + 'a>, meaning: Meaning) -> Option<Recolored<'a>> {
        let expected = match meaning {
            Meaning::Palette(_) => ColorType::L8,
            Meaning::LumaAndChroma => ColorType::Rgb8,
        };
        (inner.color_type() == expected).then_some(Recolored { inner, meaning })
    }

    fn read(self, out: &mut [u8]) -> ImageResult<()> {
        match self.meaning {
            Meaning::Palette(colors) => {
                // Indices at the end are read before colors from the start on reach them.
                let pixels = out.len() / 3;
                let indices = 2 * pixels;
                self.inner.read_image(&mut out[indices..])?;
                for pixel in 0..pixels {
                    let color = colors[usize::from(out[indices + pixel])];
                    out[3 * pixel..3 * pixel + 3].copy_from_slice(&color);
                }
            }
            Meaning::LumaAndChroma => {
                self.inner.read_image(out)?;
                out.as_chunks_mut().0.iter_mut().for_each(|pixel| *pixel = rgb(*pixel));
            }
        }
        Ok(())
    }
}

/// Red, green and blue of luma and chroma.
fn rgb(samples: [u8; 3]) -> [u8; 3] {
    let [luma, first, second] = samples.map(|sample| f32::from(sample) / 255.0);
    let (first, second) = (first - 128.0 / 255.0, second - 128.0 / 255.0);
    [luma + 1.402 * second, luma - 0.344_136 * first - 0.714_136 * second, luma + 1.772 * first].map(u8::from_f32)
}

impl ImageDecoder for Recolored<'_> {
    fn dimensions(&self) -> (u32, u32) {
        self.inner.dimensions()
    }

    fn color_type(&self) -> ColorType {
        ColorType::Rgb8
    }

    fn orientation(&mut self) -> ImageResult<Orientation> {
        self.inner.orientation()
    }

    fn set_limits(&mut self, limits: Limits) -> ImageResult<()> {
        self.inner.set_limits(limits)
    }

    fn read_image(self, out: &mut [u8]) -> ImageResult<()> {
        self.read(out)
    }

    fn read_image_boxed(self: Box<Self>, out: &mut [u8]) -> ImageResult<()> {
        self.read(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luma_and_chroma_become_colors() {
        assert_eq!(rgb([100, 128, 128]), [100; 3]);
        assert_eq!(rgb([76, 85, 255]), [254, 0, 0]);
    }

    #[test]
    fn header_of_os2_is_shortened() {
        let mut file = vec![0; 14 + 64 + 6];
        file[..2].copy_from_slice(b"BM");
        (file[10], file[14], file[18]) = (84, 64, 7);
        file[78..].copy_from_slice(b"colors");
        let shorter = rewritten_bmp(&file).unwrap();
        assert_eq!(
            (shorter.len(), shorter[10], shorter[14], shorter[18], &shorter[54..]),
            (60, 60, 40, 7, &b"colors"[..])
        );
        // Another header, and a compression that means something else.
        file[14] = 40;
        assert_eq!(rewritten_bmp(&file), None);
        (file[14], file[30]) = (64, 3);
        assert_eq!(rewritten_bmp(&file), None);
    }
}
