//! Images that are files: in folders and archives, or named in a list.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::archive::{Archive, Spool, looks_like_samples};
use super::file_list::FileList;
use super::files::Files;
use super::found::Found;
use super::listing::Listing;
use super::location::{Fingerprint, Location};
use super::metadata::{self, Others};
use super::notice::Notice;
use super::record::Record;
#[cfg(feature = "remote")]
use super::remote_folder::RemoteFolder;
use super::walk::walk;
use super::{ImageRef, Source, members, sample_listing};
use crate::error::{Error, RecordError};
use crate::remote::at_once;
use crate::remote::{Stores, is_url};
use crate::run::SourceOptions;
use crate::spec::{Folders, Limits, Spec};

/// Images that are files: in folders and archives, or named in a list.
#[derive(Debug)]
pub struct FileSource {
    roots: Vec<Root>,
    paths: Vec<PathBuf>,
    stores: Arc<Stores>,
    options: SourceOptions,
    /// Further images of the rows that were listed last.
    others: Mutex<Arc<Others>>,
}

/// What holds files.
#[derive(Debug)]
pub(super) enum Root {
    Folder(PathBuf),
    Archive(Box<Archive>),
    List(FileList),
    #[cfg(feature = "remote")]
    Remote(RemoteFolder),
}

impl Root {
    /// Number of places that the files in it have.
    fn places(&self) -> u32 {
        match self {
            Root::Folder(_) => 1,
            Root::Archive(archive) => archive.len(),
            Root::List(_) => FileList::PLACES,
            #[cfg(feature = "remote")]
            Root::Remote(folder) => folder.len(),
        }
    }

    /// Adds the file with this key, at this place in the root, to `files`. Returns whether there is room for another.
    fn read(&self, place: u32, key: &str, limits: &Limits, files: &mut Files) -> bool {
        match self {
            Root::Folder(folder) => files.add_file(&folder.join(key), limits),
            Root::List(list) => files.add_file(&list.file(place, key), limits),
            #[cfg(feature = "remote")]
            Root::Remote(folder) => folder.read(place, key, limits, files),
            Root::Archive(archive) => {
                let bytes = archive.length(place).unwrap_or_default();
                let (before, mut is_read) = (files.len(), false);
                let has_room = files.add_range(archive.path(), bytes.min(limits.file_bytes.0), |buffer| {
                    is_read = true;
                    archive.read(place, limits, buffer)
                });
                // It needs more memory than there may be.
                if !is_read && files.len() > before {
                    archive.give_up(place, limits);
                }
                has_room
            }
        }
    }

    /// Length of the file with this key, at this place in the root, in bytes.
    fn length(&self, place: u32, key: &str) -> Option<u64> {
        let of_file = |path: PathBuf| fs::metadata(path).ok().map(|file| file.len());
        match self {
            Root::Folder(folder) => of_file(folder.join(key)),
            Root::List(list) => of_file(list.file(place, key)),
            Root::Archive(archive) => archive.length(place),
            #[cfg(feature = "remote")]
            Root::Remote(folder) => folder.length(place),
        }
    }

    /// Number of images that the root gains by beginning to read them before they are asked for.
    fn ahead(&self) -> usize {
        match self {
            #[cfg(feature = "remote")]
            Root::Remote(_) => Stores::AHEAD,
            Root::Archive(archive) if archive.is_elsewhere() => Stores::AHEAD,
            _ => 0,
        }
    }

    /// Begins to read the file at this place in the root, unless too many are being read. Returns whether it did.
    fn begin(&self, place: u32, limits: &Limits) -> bool {
        match self {
            #[cfg(feature = "remote")]
            Root::Remote(folder) => folder.begin(place, limits),
            Root::Archive(archive) => archive.begin(place, limits),
            _ => true,
        }
    }

    /// Where the file with this key, at this place in the root, is.
    fn locate(&self, place: u32, key: &str) -> Option<Location> {
        match self {
            Root::Folder(folder) => Location::file(&folder.join(key)),
            Root::List(list) => Location::file(&list.file(place, key)),
            Root::Archive(archive) => archive.locate(place),
            #[cfg(feature = "remote")]
            Root::Remote(folder) => folder.locate(place, key),
        }
    }

    fn add_to(&self, fingerprint: &mut Fingerprint) {
        fingerprint.add_path(&self.path());
        match self {
            Root::Folder(_) => {}
            Root::List(list) => fingerprint.add_path(list.folder()),
            Root::Archive(archive) => archive.version().iter().for_each(|version| fingerprint.add_version(version)),
            #[cfg(feature = "remote")]
            Root::Remote(folder) => folder.versions().for_each(|version| fingerprint.add_version(&version)),
        }
    }

    fn path(&self) -> PathBuf {
        match self {
            Root::Folder(folder) => folder.clone(),
            Root::Archive(archive) => archive.path().to_owned(),
            Root::List(list) => list.path().to_owned(),
            #[cfg(feature = "remote")]
            Root::Remote(folder) => folder.url().to_owned(),
        }
    }
}

impl FileSource {
    /// A source of the files in these folders. If two have a file with the same key, the earlier folder takes
    /// precedence.
    ///
    /// # Errors
    /// If `folders` is empty.
    pub fn new<P: AsRef<Path>>(folders: &[P]) -> Result<FileSource, Error> {
        let roots = folders.iter().map(|folder| Root::Folder(folder.as_ref().to_owned())).collect();
        let options = SourceOptions::default();
        FileSource::of(roots, &options, Stores::new(&options.storage))
    }

    pub(super) fn of(roots: Vec<Root>, options: &SourceOptions, stores: Arc<Stores>) -> Result<FileSource, Error> {
        if roots.is_empty() {
            return Err(Error::NoSource);
        }
        // Standard input has no path.
        let paths = roots.iter().map(Root::path).chain(options.metadata.clone());
        let paths = paths.filter(|path| path != Path::new("-")).collect();
        Ok(FileSource { roots, paths, stores, options: options.clone(), others: Mutex::default() })
    }

    /// The source, with these paths that its roots were found in.
    pub(super) fn within(mut self, paths: Vec<PathBuf>) -> FileSource {
        let is_folder = |path: &Path| path.is_dir() || is_url(path);
        let folders = paths.into_iter().filter(|path| is_folder(path) && !self.paths.contains(path));
        let folders: Vec<PathBuf> = folders.collect();
        self.paths.extend(folders);
        self
    }

    /// The root of a place, and the place in it.
    fn root_of(&self, mut place: u32) -> (&Root, u32) {
        let (last, before) = self.roots.split_last().expect("a source has a root");
        for root in before {
            match place.checked_sub(root.places()) {
                Some(rest) => place = rest,
                None => return (root, place),
            }
        }
        (last, place)
    }

    /// Further images of the rows that were listed last.
    fn others(&self) -> Arc<Others> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn archives(&self) -> impl Iterator<Item = &Archive> {
        self.roots.iter().filter_map(|root| match root {
            Root::Archive(archive) => Some(&**archive),
            _ => None,
        })
    }

    fn tell_unpacked(&self, listing: &mut Listing) {
        match self.archives().map(Archive::spooled_bytes).sum() {
            0 => {}
            bytes => listing.notices.push(Notice::Unpacked(bytes)),
        }
    }

    /// Counts the folders of images, if rows have no classes: `photos/*` gives class folders one by one.
    fn tell_folder_sources(&self, found: &mut Found) {
        let is_folder = |root: &Root| !matches!(root, Root::Archive(_) | Root::List(_));
        let parts = self.roots.iter().zip(&found.parts).filter(|(root, _)| is_folder(root)).map(|(_, part)| part);
        let filled = parts.filter(|part| !part.records.is_empty());
        let folders: Vec<&Path> = filled.map(|part| part.source.as_path()).collect();
        if folders.len() < 2 || found.listing.folders != Some(Folders::None) {
            return;
        }
        let above = folders[0].parent().filter(|above| *above != Path::new("") && !is_url(folders[0]));
        let above = above.filter(|above| folders.iter().all(|folder| folder.parent() == Some(*above)));
        let notice = Notice::FolderSources { count: folders.len(), above: above.map(Path::to_owned) };
        found.listing.notices.push(notice);
    }

    /// The archives, if one of them holds samples of a WebDataset, and no table describes them.
    fn samples(&self) -> Option<Vec<&Archive>> {
        let archives: Vec<&Archive> = self.archives().collect();
        let only = archives.len() == self.roots.len() && self.options.metadata.is_none();
        // An image alone is a sample too, and an empty shard one of any dataset.
        let are_samples = only && archives.iter().any(|archive| looks_like_samples(archive.members()));
        are_samples.then_some(archives)
    }
}

impl Source for FileSource {
    fn prepare(&self, scratch: Option<&Path>, limits: &Limits) -> Result<(), Error> {
        let spool = scratch.map(|folder| Arc::new(Spool::new(folder)));
        let elsewhere: Vec<&Archive> = self.archives().filter(|archive| archive.is_elsewhere()).collect();
        at_once(&elsewhere, |archive| archive.prepare(spool.as_ref(), limits)).map_err(Error::of_source)?;
        self.roots.iter().try_for_each(|root| match root {
            Root::Archive(archive) => archive.prepare(spool.as_ref(), limits),
            #[cfg(feature = "remote")]
            Root::Remote(folder) => folder.prepare(),
            Root::Folder(_) | Root::List(_) => Ok(()),
        })
    }

    /// Lists the inputs in an order that does not depend on the file system. Opens no image, except of archives that
    /// were not prepared.
    fn list(&self, spec: &Spec) -> Result<Listing, Error> {
        self.prepare(None, &spec.limits)?;
        if let Some(archives) = self.samples() {
            let mut listing = sample_listing::list(&archives, spec, &self.options)?;
            self.tell_unpacked(&mut listing);
            return Ok(listing);
        }
        let full = |table: &PathBuf| if is_url(table) { Some(table.clone()) } else { table.canonicalize().ok() };
        let given = self.options.metadata.as_ref().and_then(full);
        let reads_tables = self.options.metadata.is_none();
        let (mut found, mut place, mut has_table) = (Found { given, reads_tables, ..Found::default() }, 0, false);
        for root in &self.roots {
            match root {
                Root::Folder(folder) => walk(&mut found, folder, place, spec)?,
                Root::Archive(archive) => members::list(&mut found, archive, place, spec)?,
                #[cfg(feature = "remote")]
                Root::Remote(folder) => folder.list(&mut found, place, spec)?,
                Root::List(list) => {
                    list.list(&mut found, place);
                    has_table |= list.has_labels();
                }
            }
            place += root.places();
        }
        let tables = metadata::read(&found, &self.options, &self.stores).map_err(Error::of_source)?;
        has_table |= !tables.is_empty();
        found.decide(spec, has_table)?;
        if !has_table && spec.folders == Folders::Auto {
            self.tell_folder_sources(&mut found);
        }
        let mut listing = found.into_listing(&|place| self.root_of(place).0.path());
        if !has_table || listing.folders == Some(Folders::Classes) {
            listing.label_by_folders(0);
        }
        if has_table && !tables.has_labels() {
            listing.tell_folders_without_meaning();
        }
        for root in &self.roots {
            if let Root::List(list) = root {
                list.label(&mut listing);
            }
        }
        let archives: Vec<&Archive> = self.archives().collect();
        if archives.len() == self.roots.len() {
            members::split_by_names(&mut listing, &archives, spec, 2);
        }
        let others = tables.join(&mut listing, spec, &self.options)?;
        *self.others.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(others);
        listing.rejects.sort();
        if !has_table {
            let folder = match &*self.roots {
                [Root::Folder(folder)] => Some(folder.as_path()),
                [Root::List(list)] => Some(list.folder()),
                _ => None,
            };
            listing.tell_nested_folders(spec, folder);
        }
        listing.tell_ignored();
        self.tell_unpacked(&mut listing);
        if spec.size.is_none() {
            listing.tell_unknown_to_pillow();
        }
        Ok(listing)
    }

    fn failure(&self) -> Option<Error> {
        self.stores.failure()
    }

    fn ahead(&self) -> usize {
        self.roots.iter().map(Root::ahead).max().unwrap_or(0)
    }

    fn begin(&self, image: &ImageRef<'_>, limits: &Limits) -> bool {
        let (root, place) = match image.image {
            0 => self.root_of(image.record.place),
            number => {
                let others = self.others();
                let Ok((place, _)) = others.image(image.record.row, number - 1) else { return true };
                self.root_of(place)
            }
        };
        root.begin(place, limits)
    }

    fn read(&self, images: &[ImageRef<'_>], limits: &Limits, files: &mut Files) {
        if self.ahead() > 0 {
            // Those that were not begun before are, at least, at once.
            let _ = images.iter().all(|image| self.begin(image, limits));
        }
        for ImageRef { record, image } in images {
            let read = |place, key: &str, files: &mut Files| {
                let (root, place) = self.root_of(place);
                root.read(place, key, limits, files)
            };
            let is_read = match image {
                0 => read(record.place, &record.key, files),
                number => match self.others().image(record.row, number - 1) {
                    Ok((place, key)) => read(place, key, files),
                    Err(_) => files.add(|_| Err(RecordError::NoFurtherFile(number + 1))),
                },
            };
            if !is_read {
                return;
            }
        }
    }

    fn length(&self, record: &Record) -> Option<u64> {
        let (root, place) = self.root_of(record.place);
        root.length(place, &record.key)
    }

    fn locate(&self, ImageRef { record, image }: &ImageRef<'_>) -> Option<Location> {
        let others = self.others();
        let (place, key) = match image {
            0 => (record.place, &*record.key),
            number => others.image(record.row, number - 1).ok()?,
        };
        let (root, place) = self.root_of(place);
        root.locate(place, key)
    }

    fn fingerprint(&self) -> u64 {
        let mut fingerprint = Fingerprint::default();
        self.roots.iter().for_each(|root| root.add_to(&mut fingerprint));
        fingerprint.finish()
    }

    fn paths(&self) -> &[PathBuf] {
        &self.paths
    }
}
