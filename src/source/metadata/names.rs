//! Names of files in tables, which anyone may have written.

use crate::error::RecordError;

/// The name as a path below the folder that it is relative to, `/`-separated.
///
/// # Errors
/// If it leads out of that folder, is absolute, or has a scheme.
pub(super) fn below(name: &str) -> Result<String, RecordError> {
    let outside = || RecordError::NameOutside;
    if name.contains("://") || name.starts_with(['/', '\\']) || name.as_bytes().get(1) == Some(&b':') {
        return Err(outside());
    }
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(outside()),
            part => parts.push(part),
        }
    }
    if parts.is_empty() || name.contains('\0') { Err(outside()) } else { Ok(parts.join("/")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below() {
        for (name, expected) in [("a.jpg", "a.jpg"), ("./x//a.jpg", "x/a.jpg"), ("ä b/c.png", "ä b/c.png")] {
            assert_eq!(below(name).unwrap(), expected);
        }
        for name in
            ["../a.jpg", "x/../../a", "/etc/passwd", "C:\\a.jpg", "\\\\host\\a", "https://x/a.jpg", "", ".", "a\0b"]
        {
            assert!(below(name).is_err(), "{name}");
        }
    }
}
