//! Samples of a WebDataset: neighbours in a tar whose names are the same up to the first dot of their last part. What
//! follows is the field: `a/0001.jpg`, `a/0001.seg.png` and `a/0001.cls` are the fields `jpg`, `seg.png` and `cls` of the
//! sample `a/0001`.

use std::collections::HashMap;

use super::stream::image_rank;
use super::{Archive, Member, MemberKind, Refused};
use crate::error::RecordError;

/// Samples looked at to tell whether an archive holds any.
const LOOKED_AT: usize = 10_000;

/// The samples of an archive. Each takes 16 bytes, and 8 for each field.
#[derive(Debug, Default)]
pub(in crate::source) struct Samples {
    /// Names of fields, in the order in which they first appear.
    names: Vec<Box<str>>,
    fields: Vec<Field>,
    samples: Vec<Compact>,
    /// Samples that can't be used, by key, and members that are in none.
    pub(in crate::source) rejects: Vec<(String, RecordError)>,
    /// Number of members of no sample because of their names: those of WebDataset itself, and those without a field.
    pub(in crate::source) skipped: usize,
}

/// A field of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) struct Field {
    /// Name of the field, by its number.
    name: u32,
    /// Member with its bytes.
    pub(in crate::source) member: u32,
}

/// A sample in memory.
#[derive(Clone, Copy, Debug)]
struct Compact {
    /// Member whose name begins with the key.
    image: u32,
    key_length: u32,
    /// Its fields without the image: from `start`, so many.
    start: u32,
    fields: u32,
}

/// A sample.
#[derive(Clone, Copy, Debug)]
pub(in crate::source) struct Sample<'a> {
    /// Key: the names of its members up to the first dot of the last part.
    pub(in crate::source) key: &'a str,
    /// Member with the image.
    pub(in crate::source) image: u32,
    /// The other fields, sorted by name.
    pub(in crate::source) fields: &'a [Field],
}

impl Samples {
    /// The samples of an archive that is prepared.
    pub(in crate::source) fn of(archive: &Archive) -> Samples {
        let mut samples = Samples::default();
        let mut names = HashMap::new();
        let mut open: Option<Open<'_>> = None;
        for member in archive.members() {
            let (key, field) = match look_at(&member) {
                Seen::Field(key, field) => (key, field),
                Seen::Folder => continue,
                Seen::Skipped => {
                    samples.skipped += 1;
                    continue;
                }
                Seen::Unnamed(refused) => {
                    samples.rejects.push((member.name.to_owned(), refused.error()));
                    continue;
                }
            };
            if open.as_ref().is_some_and(|open| open.key != key) {
                samples.close(open.take(), archive);
            }
            let open = open.get_or_insert_with(|| Open { key, fields: Vec::new(), error: None });
            open.add(&member, field, &mut names, &mut samples.names);
        }
        samples.close(open, archive);
        samples.fields.shrink_to_fit();
        samples.samples.shrink_to_fit();
        samples
    }

    /// Ends a sample.
    fn close(&mut self, open: Option<Open<'_>>, archive: &Archive) {
        let Some(mut open) = open else { return };
        if let Some(error) = open.error {
            self.rejects.push((open.key.to_owned(), error));
            return;
        }
        let rank = |field: &Field| image_order(self.name(*field));
        let Some(image) = open.fields.iter().copied().filter(|field| rank(field).is_some()).min_by_key(rank) else {
            self.rejects.push((open.key.to_owned(), RecordError::NoImage));
            return;
        };
        open.fields.retain(|field| *field != image);
        open.fields.sort_by_key(|field| self.name(*field));
        debug_assert!(archive.name(image.member).starts_with(open.key));
        self.samples.push(Compact {
            image: image.member,
            key_length: open.key.len() as u32,
            // There are no more fields than members, whose numbers have 32 bits.
            start: self.fields.len() as u32,
            fields: open.fields.len() as u32,
        });
        self.fields.extend(open.fields);
    }

    /// The samples in the order of the archive, which has to be the one that they are of.
    pub(in crate::source) fn iter<'a>(&'a self, archive: &'a Archive) -> impl Iterator<Item = Sample<'a>> {
        self.samples.iter().map(|sample| Sample {
            key: archive.name(sample.image).get(..sample.key_length as usize).unwrap_or_default(),
            image: sample.image,
            fields: &self.fields[sample.start as usize..][..sample.fields as usize],
        })
    }

    /// Name of a field, in lower case, without the dot before it.
    pub(in crate::source) fn name(&self, field: Field) -> &str {
        &self.names[field.name as usize]
    }

    /// Whether a field is a further image.
    pub(in crate::source) fn is_image(&self, field: Field) -> bool {
        image_order(self.name(field)).is_some()
    }
}

/// A sample that may go on.
struct Open<'a> {
    key: &'a str,
    fields: Vec<Field>,
    /// The first reason that it can't be used.
    error: Option<RecordError>,
}

impl<'a> Open<'a> {
    fn add(
        &mut self,
        member: &Member<'a>,
        field: &str,
        numbers: &mut HashMap<Box<str>, u32>,
        names: &mut Vec<Box<str>>,
    ) {
        let field = field.to_lowercase();
        let number = match numbers.get(&*field) {
            Some(number) => *number,
            None => {
                let number = names.len() as u32;
                names.push(field.as_str().into());
                numbers.insert(field.as_str().into(), number);
                number
            }
        };
        let error = match member.kind {
            _ if self.fields.iter().any(|other| other.name == number) => Some(RecordError::RepeatedField(field)),
            MemberKind::Refused(reason) => Some(reason.error()),
            _ => None,
        };
        self.error = self.error.take().or(error);
        self.fields.push(Field { name: number, member: member.number });
    }
}

/// What a member is to samples.
enum Seen<'a> {
    /// A field of the sample of this key.
    Field(&'a str, &'a str),
    Folder,
    Skipped,
    /// A member whose name is not to be trusted.
    Unnamed(Refused),
}

fn look_at<'a>(member: &Member<'a>) -> Seen<'a> {
    match member.kind {
        MemberKind::Folder => Seen::Folder,
        MemberKind::Refused(Refused::NotAFile) => Seen::Skipped,
        MemberKind::Refused(reason @ (Refused::NotUtf8 | Refused::NameTooLong | Refused::NameOutside)) => {
            Seen::Unnamed(reason)
        }
        _ if is_own(member.name) || is_of_macos(member.name) => Seen::Skipped,
        _ => split(member.name).map_or(Seen::Skipped, |(key, field)| Seen::Field(key, field)),
    }
}

/// Whether a part of a name is one that WebDataset keeps for itself, as in `__meta__`.
fn is_own(name: &str) -> bool {
    name.split('/').any(|part| part.len() >= 4 && part.starts_with("__") && part.ends_with("__"))
}

/// Whether a name is that of what macOS adds to archives.
fn is_of_macos(name: &str) -> bool {
    name.split('/').any(|part| part == "__MACOSX" || part.starts_with("._") || part == ".DS_Store")
}

/// The key and the field of a name. The last part has to have a dot that is not its first letter, unless there is a
/// folder before it: `d/.x.jpg` is the field `x.jpg` of the sample `d/`.
fn split(name: &str) -> Option<(&str, &str)> {
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = last + name[last..].find('.')?;
    (dot > 0).then(|| (&name[..dot], &name[dot + 1..]))
}

/// Place of a field among those that could be the image: first the ones that are nothing but an extension, the usual
/// ones before others. None if it is no image.
fn image_order(field: &str) -> Option<(bool, usize, &str)> {
    let extension = field.rsplit('.').next().unwrap_or(field);
    let rank = image_rank(format!(".{extension}").as_bytes())?;
    Some((field.contains('.'), rank, field))
}

/// Whether members are samples: most keys of members beside each other have an image and something else, or one has a
/// class. An archive of
/// images alone is none, nor one of images with a table.
pub(in crate::source) fn looks_like_samples<'a>(members: impl Iterator<Item = Member<'a>>) -> bool {
    let (mut samples, mut keys, mut is_labelled) = (0, 0, false);
    let mut last: Option<(&str, bool, bool)> = None;
    let mut count = |key: Option<(&str, bool, bool)>| {
        if let Some((_, has_image, has_more)) = key {
            keys += 1;
            samples += usize::from(has_image && has_more);
        }
        keys < LOOKED_AT
    };
    for member in members {
        let Seen::Field(key, field) = look_at(&member) else { continue };
        let is_image = image_order(&field.to_lowercase()).is_some();
        match &mut last {
            Some((open, has_image, has_more)) if *open == key => {
                is_labelled |= field.eq_ignore_ascii_case("cls");
                *has_image |= is_image;
                *has_more |= !is_image;
            }
            _ => {
                if !count(last.replace((key, is_image, !is_image))) {
                    last = None;
                    break;
                }
            }
        }
    }
    count(last);
    is_labelled || samples * 2 > keys
}
