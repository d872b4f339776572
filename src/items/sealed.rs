//! Small files of a run: lines of JSON, the last of which has the checksum of those before. What is damaged is noticed.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::format::shard::Checksum;

/// The last line.
#[derive(Serialize, Deserialize)]
struct Seal {
    checksum: Checksum,
}

/// The bytes of a file with these lines.
pub(super) fn seal<T: Serialize>(lines: &[T]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut add = |line: Vec<u8>| {
        text.extend_from_slice(&line);
        text.push(b'\n');
    };
    lines.iter().for_each(|line| add(serde_json::to_vec(line).expect("it is made of texts and numbers")));
    let seal = Seal { checksum: Checksum::of(&text) };
    text.extend(serde_json::to_vec(&seal).expect("it is a text"));
    text.push(b'\n');
    text
}

/// The lines of a file.
///
/// # Errors
/// The reason that it is damaged.
pub(super) fn unseal<T: DeserializeOwned>(text: &[u8]) -> Result<Vec<T>, String> {
    let (lines, seal) = parts(text)?;
    if Checksum::of(lines) != seal.checksum {
        return Err("its checksum does not match".to_owned());
    }
    let lines = lines.split_inclusive(|byte| *byte == b'\n').map(serde_json::from_slice);
    lines.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

fn parts(text: &[u8]) -> Result<(&[u8], Seal), String> {
    let cut = || "it has no checksum".to_owned();
    let whole = text.strip_suffix(b"\n").ok_or_else(cut)?;
    let start = whole.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
    let seal = serde_json::from_slice(&whole[start..]).map_err(|_| cut())?;
    Ok((&text[..start], seal))
}
