//! The members of an archive: a table of 24 bytes for each (40 in a zip), and their names one after another.

use crate::error::{RecordError, SourceError};

use super::name::{self, Origin};

/// Place of a member whose bytes were not kept.
pub(super) const NOWHERE: u64 = u64::MAX;

/// A member of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) struct Member<'a> {
    /// Number of the member, with which it is read.
    pub(in crate::source) number: u32,
    /// Path in the archive, separated by `/`. What can be shown of it, if it can't be a key.
    pub(in crate::source) name: &'a str,
    /// What it is.
    pub(in crate::source) kind: MemberKind,
}

/// What a member of an archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) enum MemberKind {
    /// A file of this length.
    File {
        /// Length in bytes, as the archive claims it.
        bytes: u64,
    },
    /// A folder.
    Folder,
    /// Something that can't be read.
    Refused(Refused),
}

/// Reason that a member can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) enum Refused {
    /// A name that is not UTF-8.
    NotUtf8,
    /// A name longer than any file system allows.
    NameTooLong,
    /// A name that leads out of the archive, or is none.
    NameOutside,
    /// A name that a later member has too.
    Duplicate,
    /// A link to something that is no file of the archive.
    Link,
    /// A pipe, a device, or a kind that nobody knows.
    NotAFile,
    /// A file with holes.
    Sparse,
    /// An encrypted file.
    Encrypted,
    /// A file packed by a method that can't be unpacked.
    Method(u16),
    /// A file whose bytes are also those of another, or beyond the end of the archive.
    Overlap,
}

impl Refused {
    /// The reason, for the list of rejects.
    pub(in crate::source) fn error(self) -> RecordError {
        match self {
            Refused::NotUtf8 => RecordError::NameNotUtf8,
            Refused::NameTooLong => RecordError::NameTooLong,
            Refused::NameOutside => RecordError::NameOutside,
            Refused::Duplicate => RecordError::DuplicateMember,
            Refused::Link => RecordError::ArchiveLink,
            Refused::NotAFile => RecordError::NotAFile,
            Refused::Sparse => RecordError::UnsupportedMember("sparse files can't be read from archives".to_owned()),
            Refused::Encrypted => RecordError::Encrypted,
            Refused::Method(method) => RecordError::UnsupportedMember(packed_by(method)),
            Refused::Overlap => {
                let reason = "its bytes are also those of another member, or beyond the end of the archive";
                RecordError::DamagedMember(reason.to_owned())
            }
        }
    }
}

/// ``packed by Deflate64, which can't be unpacked``.
fn packed_by(method: u16) -> String {
    match zip::CompressionMethod::name_from_u16(method) {
        name if name.eq_ignore_ascii_case("unknown") => {
            format!("packed by method {method}, which can't be unpacked")
        }
        name => format!("packed by {name}, which can't be unpacked"),
    }
}

/// What a member is, without its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Refused(Refused),
}

/// Where a member is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// First byte: of the file in a tar, of its local header in a zip, or of the unpacked copy.
    pub(super) offset: u64,
    /// Length, unpacked.
    pub(super) bytes: u64,
    /// Start of the name in the names; it ends where the next one starts.
    name: u32,
    pub(super) kind: Kind,
}

/// What a zip says about a member besides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed {
    /// Length in the archive.
    pub(super) bytes: u64,
    pub(super) crc: u32,
    pub(super) is_deflated: bool,
}

/// A link that is not resolved yet. Its member is refused until then.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) member: u32,
    /// Whether it is another name of an earlier member, not a path to one.
    pub(super) is_hard: bool,
    pub(super) target: Box<[u8]>,
}

/// All members of an archive.
#[derive(Debug, Default)]
pub(super) struct Table {
    names: String,
    entries: Vec<Entry>,
    /// For each entry, if the archive is a zip.
    packed: Vec<Packed>,
    /// Links, until they are resolved.
    pub(super) links: Vec<Link>,
}

impl Table {
    /// Adds a member; returns its number, or none if it is a folder without a name: the top.
    ///
    /// # Errors
    /// If numbers or names are used up.
    pub(super) fn push(
        &mut self,
        raw: &[u8],
        origin: Origin,
        kind: Kind,
        offset: u64,
        bytes: u64,
    ) -> Result<Option<u32>, SourceError> {
        let full = |_| SourceError::Damaged("its names are more than 4 GiB".to_owned());
        let start = u32::try_from(self.names.len()).map_err(full)?;
        let number = u32::try_from(self.entries.len()).map_err(full)?;
        let refused = name::append(&mut self.names, raw, origin);
        let kind = match (kind, refused) {
            (Kind::Folder, Some(_)) => {
                self.names.truncate(start as usize);
                return Ok(None);
            }
            (Kind::Folder, None) if self.names.len() == start as usize => return Ok(None),
            (_, Some(refused)) => Kind::Refused(refused),
            (kind, None) => kind,
        };
        self.entries.push(Entry { offset, bytes, name: start, kind });
        Ok(Some(number))
    }

    /// Adds what a zip says about the member that was added last.
    pub(super) fn push_packed(&mut self, packed: Packed) {
        self.packed.push(packed);
    }

    pub(super) fn len(&self) -> u32 {
        self.entries.len() as u32
    }

    pub(super) fn name(&self, number: u32) -> &str {
        let number = number as usize;
        let end = self.entries.get(number + 1).map_or(self.names.len(), |next| next.name as usize);
        &self.names[self.entries[number].name as usize..end]
    }

    pub(super) fn entry(&self, number: u32) -> Option<&Entry> {
        self.entries.get(number as usize)
    }

    pub(super) fn packed(&self, number: u32) -> Option<Packed> {
        self.packed.get(number as usize).copied()
    }

    pub(super) fn kind(&self, number: u32) -> Kind {
        self.entries[number as usize].kind
    }

    pub(super) fn refuse(&mut self, number: u32, reason: Refused) {
        self.entries[number as usize].kind = Kind::Refused(reason);
    }

    /// Gives a link the bytes of another member.
    pub(super) fn resolve(&mut self, link: u32, target: u32) {
        let (link, target) = (link as usize, target as usize);
        self.entries[link] = Entry { name: self.entries[link].name, ..self.entries[target] };
        if let Some(packed) = self.packed.get(target).copied() {
            self.packed[link] = packed;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Member<'_>> {
        (0..self.len()).map(|number| Member { number, name: self.name(number), kind: self.public(number) })
    }

    fn public(&self, number: u32) -> MemberKind {
        let entry = &self.entries[number as usize];
        match entry.kind {
            Kind::File => MemberKind::File { bytes: entry.bytes },
            Kind::Folder => MemberKind::Folder,
            Kind::Refused(reason) => MemberKind::Refused(reason),
        }
    }

    /// Gives back memory that only growing needed.
    pub(super) fn shrink(&mut self) {
        self.names.shrink_to_fit();
        self.entries.shrink_to_fit();
        self.packed.shrink_to_fit();
        self.links = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_small() {
        assert_eq!(size_of::<Entry>(), 24);
        assert_eq!(size_of::<Packed>(), 16);
    }
}
