//! Types of the elements of arrays, and elements as samples of pixels.

use half::f16;

use crate::error::RecordError;
use crate::source::raw_pixels::RawSample;

/// Greatest length of a text, in characters: a longer one is no name.
const LONGEST_TEXT: u64 = 1 << 16;

/// Type of an array's elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) kind: Kind,
    pub(super) is_big_endian: bool,
}

/// Type of an element, apart from the order of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    /// Of 1, 2, 4 or 8 bytes.
    Unsigned(u64),
    /// Of 1, 2, 4 or 8 bytes.
    Signed(u64),
    /// Of 2, 4 or 8 bytes.
    Float(u64),
    /// Characters of 4 bytes.
    Text(u64),
    /// Characters of 1 byte.
    Ascii(u64),
    /// Pickled Python objects.
    Object,
    /// Anything else, by the name that NumPy gives it.
    Other(String),
}

impl Element {
    /// Unsigned bytes.
    pub(super) const BYTE: Element = Element { kind: Kind::Unsigned(1), is_big_endian: false };

    /// The element type that NumPy describes so, as in `<f4`.
    pub(super) fn of_descr(descr: &str) -> Element {
        let other = || Kind::Other(descr.to_owned());
        let (order, rest) = match descr.chars().next() {
            Some(order @ ('<' | '>' | '|' | '=')) => (order, &descr[1..]),
            _ => ('|', descr),
        };
        let letter = rest.chars().next().unwrap_or_default();
        let length = rest.get(letter.len_utf8()..).and_then(|length| length.parse::<u64>().ok()).unwrap_or(0);
        let kind = match (letter, length) {
            ('b', 1) => Kind::Bool,
            ('u', 1 | 2 | 4 | 8) => Kind::Unsigned(length),
            ('i', 1 | 2 | 4 | 8) => Kind::Signed(length),
            ('f', 2 | 4 | 8) => Kind::Float(length),
            ('U', 1..=LONGEST_TEXT) => Kind::Text(length),
            ('S', 1..=LONGEST_TEXT) => Kind::Ascii(length),
            ('O', _) => Kind::Object,
            _ => other(),
        };
        Element { kind, is_big_endian: order == '>' }
    }

    /// Size of an element, in bytes; none if it is not known.
    pub(super) fn bytes(&self) -> Option<u64> {
        Some(match self.kind {
            Kind::Bool => 1,
            Kind::Unsigned(bytes) | Kind::Signed(bytes) | Kind::Float(bytes) => bytes,
            Kind::Text(length) => 4 * length,
            Kind::Ascii(length) => length,
            Kind::Object | Kind::Other(_) => return None,
        })
    }

    /// The samples that elements become; none if they can't be pixels.
    pub(super) fn sample(&self) -> Option<RawSample> {
        Some(match self.kind {
            Kind::Bool | Kind::Unsigned(1 | 4 | 8) | Kind::Signed(_) => RawSample::U8,
            Kind::Unsigned(_) => RawSample::U16,
            Kind::Float(_) => RawSample::F32,
            _ => return None,
        })
    }

    /// Whether elements are samples already, but for the order of their bytes.
    pub(super) fn is_sample(&self) -> bool {
        matches!(self.kind, Kind::Unsigned(1 | 2) | Kind::Float(4))
    }

    /// Turns elements that are samples into little-endian ones.
    ///
    /// # Errors
    /// If floats are not from 0 to 1.
    pub(super) fn order(&self, samples: &mut [u8]) -> Result<(), RecordError> {
        match self.kind {
            Kind::Unsigned(2) if self.is_big_endian => swap::<2>(samples),
            Kind::Float(4) => {
                if self.is_big_endian {
                    swap::<4>(samples);
                }
                let floats = samples.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
                check_floats(floats.map(f64::from))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Appends the samples of elements that are none themselves.
    ///
    /// # Errors
    /// If values are not on the scale of pixels.
    pub(super) fn append(&self, elements: &[u8], samples: &mut Vec<u8>) -> Result<(), RecordError> {
        match self.kind {
            // As 1-bit samples of a PNG.
            Kind::Bool => samples.extend(elements.iter().map(|element| if *element == 0 { 0 } else { 255 })),
            Kind::Float(2) => self.append_floats(elements, samples, |bytes| f16::from_le_bytes(bytes).to_f64())?,
            Kind::Float(_) => self.append_floats(elements, samples, f64::from_le_bytes)?,
            Kind::Unsigned(4) => self.append_integers(elements, samples, |bytes| u32::from_le_bytes(bytes).into())?,
            Kind::Unsigned(_) => self.append_integers(elements, samples, |bytes| u64::from_le_bytes(bytes).into())?,
            Kind::Signed(1) => self.append_integers(elements, samples, |bytes| i8::from_le_bytes(bytes).into())?,
            Kind::Signed(2) => self.append_integers(elements, samples, |bytes| i16::from_le_bytes(bytes).into())?,
            Kind::Signed(4) => self.append_integers(elements, samples, |bytes| i32::from_le_bytes(bytes).into())?,
            Kind::Signed(_) => self.append_integers(elements, samples, |bytes| i64::from_le_bytes(bytes).into())?,
            Kind::Text(_) | Kind::Ascii(_) | Kind::Object | Kind::Other(_) => {}
        }
        Ok(())
    }

    /// The elements as numbers of `N` bytes.
    fn numbers<const N: usize, T>(&self, elements: &[u8], number: impl Fn([u8; N]) -> T) -> impl Iterator<Item = T> {
        let is_big_endian = self.is_big_endian;
        elements.as_chunks::<N>().0.iter().map(move |bytes| {
            let mut bytes = *bytes;
            if is_big_endian {
                bytes.reverse();
            }
            number(bytes)
        })
    }

    fn append_floats<const N: usize>(
        &self,
        elements: &[u8],
        samples: &mut Vec<u8>,
        float: impl Fn([u8; N]) -> f64,
    ) -> Result<(), RecordError> {
        check_floats(self.numbers(elements, &float))?;
        samples.extend(self.numbers(elements, &float).flat_map(|value| (value as f32).to_le_bytes()));
        Ok(())
    }

    fn append_integers<const N: usize>(
        &self,
        elements: &[u8],
        samples: &mut Vec<u8>,
        integer: impl Fn([u8; N]) -> i128,
    ) -> Result<(), RecordError> {
        let within = |(least, most): (i128, i128), value: i128| (least.min(value), most.max(value));
        let (least, most) = self.numbers(elements, &integer).fold((0, 0), within);
        if least < 0 || most > 255 {
            let fix = "convert them to uint8, or to uint16 if white is 65535";
            return Err(RecordError::Range { least: least as f64, most: most as f64, white: 255, fix });
        }
        samples.extend(self.numbers(elements, &integer).map(|value| value as u8));
        Ok(())
    }

    /// The elements of a column or of labels, as integers; none if they are something else.
    pub(super) fn integers(&self, elements: &[u8]) -> Option<Vec<i64>> {
        Some(match self.kind {
            Kind::Unsigned(1) => elements.iter().map(|element| i64::from(*element)).collect(),
            Kind::Unsigned(2) => self.numbers(elements, |bytes| u16::from_le_bytes(bytes).into()).collect(),
            Kind::Unsigned(4) => self.numbers(elements, |bytes| u32::from_le_bytes(bytes).into()).collect(),
            Kind::Unsigned(_) => {
                let numbers = self.numbers(elements, |bytes| i64::try_from(u64::from_le_bytes(bytes)));
                numbers.collect::<Result<_, _>>().ok()?
            }
            Kind::Signed(1) => self.numbers(elements, |bytes| i8::from_le_bytes(bytes).into()).collect(),
            Kind::Signed(2) => self.numbers(elements, |bytes| i16::from_le_bytes(bytes).into()).collect(),
            Kind::Signed(4) => self.numbers(elements, |bytes| i32::from_le_bytes(bytes).into()).collect(),
            Kind::Signed(_) => self.numbers(elements, i64::from_le_bytes).collect(),
            _ => return None,
        })
    }

    /// The elements of a column or of labels, as floats; none if they are something else.
    pub(super) fn floats(&self, elements: &[u8]) -> Option<Vec<f64>> {
        Some(match self.kind {
            Kind::Float(2) => self.numbers(elements, |bytes| f16::from_le_bytes(bytes).to_f64()).collect(),
            Kind::Float(4) => self.numbers(elements, |bytes| f32::from_le_bytes(bytes).into()).collect(),
            Kind::Float(_) => self.numbers(elements, f64::from_le_bytes).collect(),
            _ => return None,
        })
    }

    /// The elements of a column or of labels, as texts; none if they are something else. What is no Unicode is replaced.
    pub(super) fn texts(&self, elements: &[u8]) -> Option<Vec<String>> {
        let bytes = usize::try_from(self.bytes()?).ok()?;
        let texts = elements.chunks_exact(bytes);
        Some(match self.kind {
            Kind::Text(_) => {
                let char = |code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                // Shorter texts end with zeros.
                let text = |text| self.numbers(text, u32::from_le_bytes).take_while(|code| *code != 0).map(char);
                texts.map(|each| text(each).collect()).collect()
            }
            Kind::Ascii(_) => texts
                .map(|text| {
                    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
                    String::from_utf8_lossy(&text[..end]).into_owned()
                })
                .collect(),
            _ => return None,
        })
    }
}

fn swap<const N: usize>(samples: &mut [u8]) {
    samples.as_chunks_mut::<N>().0.iter_mut().for_each(|sample| sample.reverse());
}

/// Checks that floats are on the scale of pixels.
///
/// # Errors
/// If one is not from 0 to 1, or is no number.
fn check_floats(values: impl Iterator<Item = f64>) -> Result<(), RecordError> {
    let (mut least, mut most, mut are_numbers) = (f64::INFINITY, f64::NEG_INFINITY, true);
    for value in values {
        least = if value < least { value } else { least };
        most = if value > most { value } else { most };
        are_numbers &= !value.is_nan();
    }
    match are_numbers {
        false => Err(RecordError::NotNumbers),
        true if least < 0.0 || most > 1.0 => {
            Err(RecordError::Range { least, most, white: 1, fix: "convert them to that range, or to uint8" })
        }
        true => Ok(()),
    }
}
