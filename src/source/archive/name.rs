//! Names of members as keys: paths below the archive, or a reason that they can't be.

use super::member::Refused;

/// Greatest length of a name, in bytes: that of a path in Linux.
const LONGEST: usize = 4096;

/// The system whose rules a name follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Names are separated by `/`; a backslash is a letter.
    Unix,
    /// Names are separated by `/` or, in the zips of some programs, by nothing but backslashes.
    Dos,
}

/// Appends the key of a member to `names`: its name without `.` and empty parts. If it has none, what can be shown of
/// the name is appended. The name of the top folder is empty.
pub(super) fn append(names: &mut String, raw: &[u8], origin: Origin) -> Option<Refused> {
    let start = names.len();
    let refused = append_key(names, raw, origin).err()?;
    names.truncate(start);
    match raw {
        [] => names.push('.'),
        _ => names.push_str(&String::from_utf8_lossy(&raw[..raw.len().min(LONGEST)])),
    }
    Some(refused)
}

fn append_key(names: &mut String, raw: &[u8], origin: Origin) -> Result<(), Refused> {
    if raw.len() > LONGEST {
        return Err(Refused::NameTooLong);
    }
    let name = str::from_utf8(raw).map_err(|_| Refused::NotUtf8)?;
    let separator = if origin == Origin::Dos && !raw.contains(&b'/') { '\\' } else { '/' };
    let has_drive = match raw {
        [letter, b':', rest @ ..] if letter.is_ascii_alphabetic() => {
            origin == Origin::Dos || matches!(rest.first(), Some(b'/' | b'\\'))
        }
        _ => false,
    };
    if has_drive || name.starts_with(separator) || raw.contains(&0) {
        return Err(Refused::NameOutside);
    }
    let start = names.len();
    for part in name.split(separator) {
        match part {
            "" | "." => {}
            ".." => return Err(Refused::NameOutside),
            part => {
                if names.len() > start {
                    names.push('/');
                }
                names.push_str(part);
            }
        }
    }
    Ok(())
}

/// The key that a symbolic link leads to; none if it leads out of the archive.
pub(super) fn follow(link: &str, target: &[u8]) -> Option<String> {
    let target = str::from_utf8(target).ok().filter(|target| target.len() <= LONGEST)?;
    if target.is_empty() || target.starts_with('/') || target.contains('\0') {
        return None;
    }
    let mut parts: Vec<&str> = link.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(raw: &[u8], origin: Origin) -> Result<String, Refused> {
        let mut names = "before".to_owned();
        let refused = append(&mut names, raw, origin);
        refused.map_or_else(|| Ok(names["before".len()..].to_owned()), Err)
    }

    #[test]
    fn names_are_keys() {
        for (raw, expected) in [
            ("a/b.jpg", "a/b.jpg"),
            ("./a//./b.jpg", "a/b.jpg"),
            ("a/", "a"),
            ("./", ""),
            ("a\\b.jpg", "a\\b.jpg"),
            ("a:b.jpg", "a:b.jpg"),
            ("..a/b..", "..a/b.."),
        ] {
            assert_eq!(key(raw.as_bytes(), Origin::Unix).as_deref(), Ok(expected), "{raw}");
        }
        assert_eq!(key(b"a\\b.jpg", Origin::Dos).as_deref(), Ok("a/b.jpg"));
        assert_eq!(key(b"a/b\\c.jpg", Origin::Dos).as_deref(), Ok("a/b\\c.jpg"));
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        for raw in ["/a.jpg", "../a.jpg", "a/../../b.jpg", "a/..", "C:\\a.jpg", "c:/a.jpg", "a\0b.jpg"] {
            assert_eq!(key(raw.as_bytes(), Origin::Unix), Err(Refused::NameOutside), "{raw}");
        }
        for raw in ["..\\a.jpg", "\\a.jpg", "\\\\server\\a.jpg", "C:a.jpg"] {
            assert_eq!(key(raw.as_bytes(), Origin::Dos), Err(Refused::NameOutside), "{raw}");
        }
        assert_eq!(key(b"a\xff.jpg", Origin::Unix), Err(Refused::NotUtf8));
        assert_eq!(key(&[b'a'; 4097], Origin::Unix), Err(Refused::NameTooLong));
    }

    #[test]
    fn refused_names_are_shown() {
        let mut names = String::new();
        append(&mut names, b"../a\xff.jpg", Origin::Unix);
        assert_eq!(names, "../a\u{fffd}.jpg");
    }

    #[test]
    fn links_lead_to_keys() {
        for (link, target, expected) in [
            ("a/b/link.jpg", "c.jpg", Some("a/b/c.jpg")),
            ("a/b/link.jpg", "../../c.jpg", Some("c.jpg")),
            ("link.jpg", "./a//c.jpg", Some("a/c.jpg")),
            ("link.jpg", "../c.jpg", None),
            ("link.jpg", "/c.jpg", None),
            ("link.jpg", "", None),
        ] {
            assert_eq!(follow(link, target.as_bytes()).as_deref(), expected, "{link} -> {target}");
        }
    }
}
