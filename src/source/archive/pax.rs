//! Extended headers of tars (POSIX.1-2001): lines of `LENGTH KEY=VALUE`. Values may hold line feeds, so that lines are
//! told apart by their lengths alone.

/// What an extended header says about the next member, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub(super) path: Option<Box<[u8]>>,
    pub(super) link: Option<Box<[u8]>>,
    pub(super) bytes: Option<u64>,
    pub(super) is_sparse: bool,
}

impl Pax {
    /// What a header says; none if it is malformed.
    pub(super) fn parse(mut header: &[u8]) -> Option<Pax> {
        let mut pax = Pax::default();
        // Some programs fill up the header with zeros.
        while header.first().is_some_and(|byte| *byte != 0) {
            let (line, rest) = split_line(header)?;
            let equals = line.iter().position(|byte| *byte == b'=')?;
            let (key, value) = (&line[..equals], &line[equals + 1..]);
            match key {
                b"path" => pax.path = Some(value.into()),
                b"linkpath" => pax.link = Some(value.into()),
                b"size" => pax.bytes = Some(str::from_utf8(value).ok()?.parse().ok()?),
                b"GNU.sparse.name" => {
                    pax.path = Some(value.into());
                    pax.is_sparse = true;
                }
                key if key.starts_with(b"GNU.sparse.") => pax.is_sparse = true,
                _ => {}
            }
            header = rest;
        }
        Some(pax)
    }
}

/// The first line without its length and its line feed, and the rest.
fn split_line(header: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = header.iter().take(20).position(|byte| *byte == b' ')?;
    let length: usize = str::from_utf8(&header[..space]).ok()?.parse().ok()?;
    let line = header.get(space + 1..length)?;
    match line {
        [line @ .., b'\n'] => Some((line, &header[length..])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_long_as_they_say() {
        let pax = Pax::parse(b"15 path=a\nb.jpg\n14 linkpath=c\n12 size=007\n14 mtime=12.5\n\0\0");
        // The first two lines are one byte off on purpose: their lengths rule.
        assert_eq!(pax, None);
        let pax = Pax::parse(b"16 path=a\nb.jpg\n14 linkpath=c\n11 size=70\n14 mtime=12.5\n\0\0").unwrap();
        assert_eq!(pax.path.as_deref(), Some(&b"a\nb.jpg"[..]));
        assert_eq!(pax.link.as_deref(), Some(&b"c"[..]));
        assert_eq!((pax.bytes, pax.is_sparse), (Some(70), false));
        assert!(Pax::parse(b"22 GNU.sparse.major=1\n").unwrap().is_sparse);
    }

    #[test]
    fn malformed_headers_are_told() {
        for header in
            ["path=a\n", "9 path=a", "99 path=a\n", "0 path=a\n", "3 \n", "8 path\n", "12 size=-70\n", "9 size=x\n"]
        {
            assert_eq!(Pax::parse(header.as_bytes()), None, "{header}");
        }
    }
}
