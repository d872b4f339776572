//! What the top-level folders of sources mean: classes, splits or nothing. Assigns splits and labels, and says what a
//! user may take for something else.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::found::{Found, Part};
use super::listing::Listing;
use super::notice::{Notice, UNKNOWN_TO_PILLOW};
use super::record::Record;
use super::reject;
use super::tree::{Tree, empty_folders};
use super::walk::DEEPEST;
use crate::error::{Error, RecordError};
use crate::spec::{Folders, Spec, Split};

impl Found {
    /// Decides what the top-level folders of every source mean, and assigns splits. A record beside these folders,
    /// rather than in one, is rejected. With `has_table`, a table describes the records, so that folders are not
    /// taken for classes unless the spec says so.
    ///
    /// # Errors
    /// If folders are not what the spec says, or mean different things in different sources.
    pub(super) fn decide(&mut self, spec: &Spec, has_table: bool) -> Result<(), Error> {
        let mut parts = std::mem::take(&mut self.parts);
        let first = parts.first().map(|part| part.source.clone()).unwrap_or_default();
        for part in &mut parts {
            self.decide_part(part, &first, spec, has_table)?;
        }
        self.parts = parts;
        Ok(())
    }

    fn decide_part(&mut self, part: &mut Part, first: &Path, spec: &Spec, has_table: bool) -> Result<(), Error> {
        let used: BTreeSet<&str> =
            part.records.iter().filter_map(|record| record.key.split_once('/')).map(|(top, _)| top).collect();
        let not_a_split = used.iter().find(|name| Split::from_folder_name(name).is_none());
        let folders = match spec.folders {
            Folders::Auto if used.is_empty() => Folders::None,
            Folders::Auto if not_a_split.is_none() => Folders::Splits,
            Folders::Auto if has_table => Folders::None,
            Folders::Auto => Folders::Classes,
            asked => asked,
        };
        if folders == Folders::Classes && spec.folders == Folders::Auto {
            let above = Tree::of(part.records.iter().map(|record| &*record.key)).above_splits();
            if !above.is_empty() {
                let folders = above.into_iter().map(|folder| part.source.join(folder));
                return Err(Error::SplitFoldersBelow(folders.collect()));
            }
        }
        if let (Folders::Splits, Some(folder)) = (folders, not_a_split) {
            return Err(Error::NotASplitFolder { folder: (*folder).to_owned(), source_folder: part.source.clone() });
        }
        // A source without images says nothing about what folders mean.
        match self.listing.folders {
            _ if part.records.is_empty() && spec.folders == Folders::Auto => {}
            Some(earlier) if earlier != folders => {
                return Err(Error::MixedSources {
                    first: first.to_owned(),
                    first_folders: earlier,
                    other: part.source.clone(),
                    other_folders: folders,
                });
            }
            _ => self.listing.folders = Some(folders),
        }
        let used = used.into_iter().map(str::to_owned).collect();
        self.tell_folders(&part.source, folders, &used, spec);
        self.tell_empty_folders(part, folders);

        let labelled = !has_table
            && folders == Folders::Splits
            && part.records.iter().any(|record| record.key.split('/').count() > 2);
        for mut record in std::mem::take(&mut part.records) {
            let (top, rest) = match record.key.split_once('/') {
                Some((top, rest)) => (Some(top), rest),
                None => (None, &*record.key),
            };
            let beside = match folders {
                Folders::Classes if top.is_none() => Some(RecordError::NoClass),
                Folders::Splits if top.is_none() => Some(RecordError::NoSplit),
                Folders::Splits if labelled && !rest.contains('/') => Some(RecordError::NoClass),
                _ => None,
            };
            match beside {
                Some(error) => part.rejects.push(reject(record.key, &error)),
                None => {
                    record.split = top.filter(|_| folders == Folders::Splits).and_then(Split::from_folder_name);
                    part.records.push(record);
                }
            }
        }
        Ok(())
    }

    fn tell_folders(&mut self, root: &Path, folders: Folders, used: &BTreeSet<String>, spec: &Spec) {
        if folders == Folders::Splits && spec.folders == Folders::Auto {
            self.listing.notices.push(Notice::SplitFolders(root.to_owned()));
        }
        let words: Vec<&String> = used.iter().filter(|name| Split::from_folder_name(name).is_some()).collect();
        // If all names are split names, they are classes only because the user says so.
        if folders == Folders::Classes && words.len() < used.len() {
            self.listing.notices.extend(words.into_iter().map(|name| Notice::SplitWordIsClass(name.clone())));
        }
    }

    /// Names the class folders, or the split folders and the class folders in them, that have no images.
    fn tell_empty_folders(&mut self, part: &Part, of: Folders) {
        let deepest = match of {
            Folders::Classes => 1,
            Folders::Splits => DEEPEST,
            _ => return,
        };
        let inputs = part.records.iter().map(|record| &*record.key);
        // A folder that could not be listed is rejected itself, not empty.
        let inputs = inputs.chain(part.rejects.iter().map(|reject| &*reject.path));
        let empty = empty_folders(&part.folders, inputs, deepest).into_iter();
        let folders: Vec<_> = empty.map(|folder| part.source.join(folder)).collect();
        if !folders.is_empty() {
            self.listing.notices.push(Notice::EmptyFolders { folders, of });
        }
    }

    /// The listing of all records, by key. Of records with the same key, the earliest source's is kept, and the others
    /// are rejected. `source_of` names the source of a place.
    pub(super) fn into_listing(self, source_of: &dyn Fn(u32) -> PathBuf) -> Listing {
        let Found { mut listing, parts, .. } = self;
        for mut part in parts {
            listing.rejects.append(&mut part.rejects);
            match listing.records.is_empty() {
                true => listing.records = part.records,
                false => listing.records.append(&mut part.records),
            }
        }
        listing.records.sort_unstable_by(|a, b| (&*a.key, a.place).cmp(&(&*b.key, b.place)));
        let rejects = &mut listing.rejects;
        listing.records.dedup_by(|later, earlier| {
            let same = later.key == earlier.key;
            if same {
                rejects.push(reject(later.key.clone(), &RecordError::DuplicateKey(source_of(earlier.place))));
            }
            same
        });
        listing
    }
}

impl Listing {
    /// Labels records by the folders that they are in, if these mean classes. So many parts of a key come before them.
    pub(super) fn label_by_folders(&mut self, before: usize) {
        let depth = match self.folders {
            Some(Folders::Classes) => before,
            Some(Folders::Splits) => before + 1,
            _ => return,
        };
        let names: BTreeSet<&str> = self.records.iter().filter_map(|record| class_of(&record.key, depth)).collect();
        self.classes = names.into_iter().map(str::to_owned).collect();
        let ids: HashMap<&str, u32> = self.classes.iter().map(String::as_str).zip(0..).collect();
        for record in &mut self.records {
            record.label = class_of(&record.key, depth).map(|name| ids[name]);
        }
    }

    /// Says that folders are no classes because a table describes the images, if they could be.
    pub(super) fn tell_folders_without_meaning(&mut self) {
        let depth = match self.folders {
            Some(Folders::None) => 0,
            Some(Folders::Splits) => 1,
            _ => return,
        };
        let names: BTreeSet<&str> = self.records.iter().filter_map(|record| class_of(&record.key, depth)).collect();
        if names.len() > 1 {
            self.notices.push(Notice::FoldersBesideTable(names.into_iter().map(str::to_owned).collect()));
        }
    }

    /// Names the folders in class folders: a user may take them for classes. `source` is the only one, if it is.
    pub(super) fn tell_nested_folders(&mut self, spec: &Spec, source: Option<&Path>) {
        let depth = match self.folders {
            // If the user says that top folders are classes, nobody takes others for classes.
            Some(Folders::Classes) if spec.folders == Folders::Auto => 0,
            Some(Folders::Splits) => 1,
            _ => return,
        };
        let tree = Tree::of(self.records.iter().map(|record| &*record.key));
        let folders = tree.below(depth);
        if folders.is_empty() {
            return;
        }
        // One folder with everything in it is most likely the folder that should have been given.
        let source = match (source, self.classes.first()) {
            (Some(source), Some(class)) if depth == 0 && self.classes.len() == 1 => {
                let beside = self.records.iter().any(|record| record.key.split('/').count() == 2);
                (!beside && folders.get(class).is_some_and(|inside| inside.len() > 1)).then(|| source.join(class))
            }
            _ => None,
        };
        self.notices.push(Notice::NestedFolders { folders, source });
    }

    /// Counts the files that Pillow can't decode, for a dataset of files.
    pub(super) fn tell_unknown_to_pillow(&mut self) {
        let extension = |record: &Record| Some(record.key.rsplit_once('.')?.1.to_ascii_lowercase());
        let extensions = self.records.iter().filter_map(extension);
        match extensions.filter(|extension| UNKNOWN_TO_PILLOW.contains(&extension.as_str())).count() {
            0 => {}
            unknown => self.notices.push(Notice::UnknownToPillow(unknown)),
        }
    }

    /// Says what was counted.
    pub(super) fn tell_ignored(&mut self) {
        if !self.ignored.system.is_empty() {
            self.notices.push(Notice::SystemFiles(self.ignored.system.clone()));
        }
        if self.ignored.hidden > 0 {
            self.notices.push(Notice::Hidden(self.ignored.hidden));
        }
        if self.ignored.linked_folders > 0 {
            self.notices.push(Notice::LinkedFolders(self.ignored.linked_folders));
        }
        if !self.ignored.other.is_empty() {
            self.notices.push(Notice::OtherFiles(self.ignored.other.clone()));
        }
    }
}

/// The folder at this depth of a key; none if the file is not that deep.
fn class_of(key: &str, depth: usize) -> Option<&str> {
    let mut folders = key.split('/');
    let class = folders.nth(depth)?;
    folders.next().map(|_| class)
}
