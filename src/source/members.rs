//! Files in archives: every image file in one is a record or a reject, and tables describe them, as in a folder.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use super::archive::{Archive, Member, MemberKind, Refused};
use super::found::{Found, FoundTable, Part, is_named_as_image};
use super::listing::Listing;
use super::metadata;
use super::notice::Notice;
use super::record::Record;
use super::tables::split_of;
use super::walk::{DEEPEST, extension_of};
use crate::error::{Error, SourceError};
use crate::spec::{Folders, Spec, Split};

/// Adds the image files of an archive that is prepared. The one with number `n` gets the place `place + n`.
///
/// # Errors
/// If a table in it can't be read.
pub(super) fn list(found: &mut Found, archive: &Archive, place: u32, spec: &Spec) -> Result<(), Error> {
    let mut part = Part::of(archive.path(), place..place + archive.len());
    for member in archive.members() {
        let leads_out = member.kind == MemberKind::Refused(Refused::NameOutside);
        if !leads_out && member.name.split('/').any(|name| found.ignores(OsStr::new(name))) {
            continue;
        }
        let extension = extension_of(member.name.as_ref());
        match member.kind {
            MemberKind::Folder => {}
            MemberKind::File { .. } if metadata::is_table(member.name.as_ref()) => {
                let bytes = found.reads_tables.then(|| table_bytes(archive, &member, spec)).transpose()?;
                part.tables.push(FoundTable { below: member.name.to_owned(), bytes });
            }
            _ if !is_named_as_image(&extension, spec) => found.ignore_other(extension),
            MemberKind::Refused(reason) => part.reject(member.name, &reason.error()),
            MemberKind::File { .. } => part.records.push(Record::new(member.name, place + member.number)),
        }
        if matches!(member.kind, MemberKind::Folder) && member.name.split('/').count() <= DEEPEST {
            part.folders.insert(member.name.to_owned());
        }
    }
    if let Some(top) = top_folder(&part) {
        drop_folder(&mut part, &top);
        found.listing.notices.push(Notice::TopFolder { archive: archive.path().to_owned(), folder: top });
    }
    if archive.lacks_end() {
        found.listing.notices.push(Notice::NoEnd(archive.path().to_owned()));
    }
    found.parts.push(part);
    Ok(())
}

/// The bytes of a table. They are held in memory, within the limit of files.
fn table_bytes(archive: &Archive, table: &Member<'_>, spec: &Spec) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let path = archive.path().join(table.name);
    let read = archive.read(table.number, &spec.limits, &mut bytes);
    read.map_err(|error| Error::source(&path)(SourceError::TableInArchive(error.to_string())))?;
    Ok(bytes)
}

/// Assigns the splits that the names of all archives say, if there are `least` different ones and folders say none.
pub(super) fn split_by_names(listing: &mut Listing, archives: &[&Archive], spec: &Spec, least: usize) {
    let split = |archive: &&Archive| split_of(archive.path().file_name().map_or(Path::new(""), Path::new));
    let Some(splits) = archives.iter().map(split).collect::<Option<Vec<_>>>() else { return };
    if spec.folders != Folders::Auto || listing.folders == Some(Folders::Splits) || listing.records.is_empty() {
        return;
    }
    if splits.iter().collect::<BTreeSet<_>>().len() < least {
        return;
    }
    let ends = archives.iter().scan(0, |end, archive| {
        *end += archive.len();
        Some(*end)
    });
    let ends: Vec<u32> = ends.collect();
    for record in &mut listing.records {
        record.split = splits.get(ends.partition_point(|end| *end <= record.place)).copied();
    }
    listing.folders = Some(Folders::Splits);
    listing.notices.push(Notice::SplitNames(archives[0].path().to_owned()));
}

/// The folder that an archive of a whole folder begins with: the deepest one that all files are below, in folders of
/// which there are several. None if there is no such folder. Tables say nothing about folders below them.
fn top_folder(part: &Part) -> Option<String> {
    let Part { records, tables, .. } = part;
    let mut top = folder_of(&records.first()?.key).to_owned();
    // The only folder above all.
    for key in records.iter().map(|record| &*record.key).chain(tables.iter().map(|table| &*table.below)) {
        while !is_below(key, &top) {
            top.truncate(top.rfind('/').unwrap_or(0));
        }
        if top.is_empty() {
            return None;
        }
    }
    // A folder named after a split means something.
    let mut end = 0;
    for name in top.split('/') {
        if Split::from_folder_name(name).is_some() {
            break;
        }
        end += name.len() + 1;
    }
    top.truncate(end.saturating_sub(1));
    if top.is_empty() {
        return None;
    }
    // Files right in it, or in one folder alone, are those of a class.
    let is_beside = |record: &Record| folder_of(&record.key) == top;
    (!records.iter().any(is_beside)).then_some(top)
}

fn folder_of(key: &str) -> &str {
    key.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn is_below(key: &str, folder: &str) -> bool {
    folder.is_empty() || key.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Drops a folder from the paths of what is below it.
fn drop_folder(part: &mut Part, folder: &str) {
    let below = |path: &str| Some(path.strip_prefix(folder)?.strip_prefix('/')?.to_owned());
    for record in &mut part.records {
        if let Some(key) = below(&record.key) {
            record.key = key.into();
        }
    }
    part.folders = std::mem::take(&mut part.folders).iter().filter_map(|path| below(path)).collect();
    for table in &mut part.tables {
        table.below = below(&table.below).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn top(keys: &[&str]) -> Option<String> {
        let mut part = Part::default();
        for key in keys {
            match key.contains("metadata") {
                true => part.tables.push(FoundTable { below: (*key).to_owned(), bytes: None }),
                false => part.records.push(Record::new(*key, 0)),
            }
        }
        top_folder(&part)
    }

    #[test]
    fn folder_above_several_is_the_top() {
        assert_eq!(top(&["photos/cat/1.jpg", "photos/dog/2.jpg"]).as_deref(), Some("photos"));
        assert_eq!(top(&["a/b/train/cat/1.jpg", "a/b/val/cat/2.jpg"]).as_deref(), Some("a/b"));
        assert_eq!(top(&["all/train/cat/1.jpg", "all/train/dog/2.jpg"]).as_deref(), Some("all"));
        assert_eq!(top(&["photos/cat/deep/1.jpg", "photos/cats/2.jpg"]).as_deref(), Some("photos"));
    }

    #[test]
    fn table_is_in_the_top_or_below() {
        assert_eq!(top(&["a/metadata.csv", "a/b/c/1.jpg", "a/b/d/2.jpg"]).as_deref(), Some("a"));
        assert_eq!(top(&["metadata.csv", "a/b/1.jpg", "a/c/2.jpg"]), None);
    }

    #[test]
    fn class_folder_is_none() {
        assert_eq!(top(&["cat/1.jpg", "cat/2.jpg"]), None);
        assert_eq!(top(&["cat/1.jpg", "dog/2.jpg"]), None);
        assert_eq!(top(&["cat/1.jpg", "cat/deep/2.jpg"]), None);
        assert_eq!(top(&["1.jpg", "cat/2.jpg"]), None);
        assert_eq!(top(&["train/cat/1.jpg", "train/dog/2.jpg"]), None);
        assert_eq!(top(&[]), None);
    }
}
