//! The header of a `.npy` file, versions 1 to 3: a magic number, and a literal of a Python dictionary.
//!
//! Source: `numpy.lib.format`.

use std::io::{self, Read};

use super::element::Element;
use crate::error::SourceError;

/// What `.npy` files begin with.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// Longest header: NumPy writes fewer than 200 bytes, more only for structures.
const LONGEST: usize = 1 << 16;

/// Greatest number of dimensions of an array in NumPy.
const MOST_DIMENSIONS: usize = 64;

/// The header of a `.npy` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) element: Element,
    /// Whether the first index changes fastest from one element to the next.
    pub(super) is_fortran: bool,
    pub(super) shape: Vec<u64>,
    /// Length of the header, in bytes.
    pub(super) length: u64,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// If it can't be read, or is none.
    pub(super) fn read(file: &mut dyn Read) -> Result<Header, SourceError> {
        let damaged = |reason: &str| SourceError::Damaged(reason.to_owned());
        let cut = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged("it ends in its header"),
            _ => SourceError::Damaged(error.to_string()),
        };
        let mut start = [0; 8];
        file.read_exact(&mut start).map_err(cut)?;
        if !start.starts_with(MAGIC) {
            return Err(damaged("it does not begin as a `.npy` file"));
        }
        let (length, before) = match start[6] {
            1 => {
                let mut length = [0; 2];
                file.read_exact(&mut length).map_err(cut)?;
                (u16::from_le_bytes(length).into(), 10)
            }
            2 | 3 => {
                let mut length = [0; 4];
                file.read_exact(&mut length).map_err(cut)?;
                (u32::from_le_bytes(length) as usize, 12)
            }
            version => return Err(SourceError::Damaged(format!("version {version} of `.npy` is unknown"))),
        };
        if length > LONGEST {
            return Err(SourceError::Damaged(format!("its header has {length} bytes")));
        }
        let mut text = vec![0; length];
        file.read_exact(&mut text).map_err(cut)?;
        let text = String::from_utf8_lossy(&text);
        let (element, is_fortran, shape) =
            Literal { rest: &text }.header().ok_or_else(|| damaged("its header is not understood"))?;
        Ok(Header { element, is_fortran, shape, length: (before + length) as u64 })
    }
}

/// What is left of a Python literal.
struct Literal<'a> {
    rest: &'a str,
}

impl<'a> Literal<'a> {
    /// The dictionary of a header.
    fn header(mut self) -> Option<(Element, bool, Vec<u64>)> {
        let (mut element, mut is_fortran, mut shape) = (None, None, None);
        self.take("{")?;
        while self.take("}").is_none() {
            let key = self.string()?;
            self.take(":")?;
            match key {
                "descr" => element = Some(self.element()?),
                "fortran_order" => is_fortran = Some(self.boolean()?),
                "shape" => shape = Some(self.numbers()?),
                _ => return None,
            }
            if self.take(",").is_none() {
                self.take("}")?;
                break;
            }
        }
        Some((element?, is_fortran?, shape?)).filter(|_| self.rest.trim().is_empty())
    }

    /// Takes this token, if it is the next one.
    fn take(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(token)?;
        Some(())
    }

    fn string(&mut self) -> Option<&'a str> {
        let rest = self.rest.trim_start();
        let quote = rest.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
        let (text, rest) = rest[1..].split_once(quote)?;
        self.rest = rest;
        Some(text)
    }

    fn boolean(&mut self) -> Option<bool> {
        match self.take("True") {
            Some(()) => Some(true),
            None => self.take("False").map(|()| false),
        }
    }

    /// A type: a string, or the list of the fields of a structure.
    fn element(&mut self) -> Option<Element> {
        if !self.rest.trim_start().starts_with('[') {
            return self.string().map(Element::of_descr);
        }
        let rest = self.rest.trim_start();
        let mut depth = 0_usize;
        let end = rest.find(|c| {
            depth = match c {
                '[' => depth + 1,
                ']' => depth - 1,
                _ => depth,
            };
            depth == 0
        })?;
        self.rest = &rest[end + 1..];
        Some(Element::of_descr(&rest[..=end]))
    }

    /// A tuple of whole numbers, which Python 2 writes as in `28L`.
    fn numbers(&mut self) -> Option<Vec<u64>> {
        let mut numbers = Vec::new();
        self.take("(")?;
        while self.take(")").is_none() {
            let rest = self.rest.trim_start();
            let end = rest.find(|c: char| !c.is_ascii_digit())?;
            numbers.push(rest[..end].parse().ok()?);
            self.rest = rest[end..].strip_prefix('L').unwrap_or(&rest[end..]);
            if self.take(",").is_none() {
                self.take(")")?;
                break;
            }
        }
        Some(numbers).filter(|numbers| numbers.len() <= MOST_DIMENSIONS)
    }
}

#[cfg(test)]
mod tests {
    use super::super::element::Kind;
    use super::*;

    fn header(version: u8, text: &str) -> Result<Header, String> {
        let mut file = [MAGIC, &[version, 0]].concat();
        match version {
            1 => file.extend((text.len() as u16).to_le_bytes()),
            _ => file.extend((text.len() as u32).to_le_bytes()),
        }
        file.extend(text.as_bytes());
        Header::read(&mut &file[..]).map_err(|error| error.to_string())
    }

    #[test]
    fn headers_of_every_version_are_read() {
        let text = "{'descr': '<f4', 'fortran_order': True, 'shape': (60000, 28, 28), }     \n";
        for version in 1..=3 {
            let header = header(version, text).unwrap();
            let element = Element { kind: Kind::Float(4), is_big_endian: false };
            assert_eq!((header.element, header.is_fortran, &header.shape[..]), (element, true, &[60_000, 28, 28][..]));
            assert_eq!(header.length, if version == 1 { 10 } else { 12 } + text.len() as u64);
        }
    }

    #[test]
    fn python_2_and_structures_are_understood() {
        let long = header(1, "{\"shape\": (3L,), 'descr': '>i8', 'fortran_order': False}").unwrap();
        assert_eq!((long.shape, long.element.kind, long.element.is_big_endian), (vec![3], Kind::Signed(8), true));
        let text = "{'descr': [('a', '<i4'), ('b', [('c', '|u1')])], 'fortran_order': False, 'shape': ()}";
        let Kind::Other(descr) = header(1, text).unwrap().element.kind else { panic!("a structure") };
        assert_eq!(descr, "[('a', '<i4'), ('b', [('c', '|u1')])]");
        assert_eq!(
            header(1, "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}").unwrap().element.kind,
            Kind::Object
        );
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let damaged = |text: &str| header(1, text).unwrap_err();
        for text in [
            "",
            "{",
            "{'descr': '<f4'}",
            "{'descr': '<f4', 'fortran_order': True, 'shape': (1,",
            "{'descr': '<f4', 'fortran_order': True, 'shape': (-1,)}",
            "{'descr': '<f4', 'fortran_order': True, 'shape': (99999999999999999999,)}",
            "{'descr': [']]]', 'fortran_order': True, 'shape': (1,)}",
            "{'descr': '<f4', 'fortran_order': 1, 'shape': (1,)}",
            "{'descr': '<f4', 'fortran_order': True, 'shape': (1,)} or more",
        ] {
            assert_eq!(damaged(text), "it is damaged: its header is not understood", "{text}");
        }
        assert_eq!(header(9, "{}").unwrap_err(), "it is damaged: version 9 of `.npy` is unknown");
        assert_eq!(header(2, &" ".repeat(70_000)).unwrap_err(), "it is damaged: its header has 70000 bytes");
        assert_eq!(Header::read(&mut &MAGIC[..]).unwrap_err().to_string(), "it is damaged: it ends in its header");
    }
}
