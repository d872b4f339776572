//! A color, with its human-readable forms.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::SpecError;

/// Color as red, green and blue, 0..=255 each. Default: black.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Color(pub [u8; 3]);

impl FromStr for Color {
    type Err = SpecError;

    /// Parses `R,G,B`, `#RRGGBB`, `black`, `gray` (128 each) or `white`.
    fn from_str(text: &str) -> Result<Color, SpecError> {
        let wrong = || SpecError::Color(text.to_owned());
        match text {
            "black" => return Ok(Color([0; 3])),
            "gray" => return Ok(Color([128; 3])),
            "white" => return Ok(Color([255; 3])),
            _ => {}
        }
        if let Some(hex) = text.strip_prefix('#') {
            let value = u32::from_str_radix(hex, 16).ok().filter(|_| hex.len() == 6);
            let [_, r, g, b] = value.ok_or_else(wrong)?.to_be_bytes();
            return Ok(Color([r, g, b]));
        }
        let parts: Result<Vec<u8>, _> = text.split(',').map(|part| part.trim().parse()).collect();
        let rgb = parts.ok().and_then(|parts| parts.try_into().ok());
        rgb.map(Color).ok_or_else(wrong)
    }
}
