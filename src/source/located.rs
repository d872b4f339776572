//! Images of which a plan says where they are: read without the source that listed them.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::archive::read_part;
use super::files::Files;
use super::listing::Listing;
use super::location::{Extent, Location, Version};
use super::record::Record;
use super::{ImageRef, Source};
use crate::error::{Error, RecordError};
use crate::format::open;
use crate::format::ranges::Stored;
use crate::remote::{Stores, is_url};
use crate::run::SourceOptions;
use crate::spec::{Limits, Spec};

/// Images of which a plan says where they are. The place of a record is its row in `locations`.
#[derive(Debug)]
pub(crate) struct LocatedSource {
    /// Where the images of every record are, those of one record one after the other.
    locations: Vec<Option<Location>>,
    /// Number of images of a record.
    images: usize,
    stores: Arc<Stores>,
    /// Objects that were opened.
    objects: Mutex<HashMap<PathBuf, Stored>>,
    /// An archive or a table that is another than when it was listed.
    changed: OnceLock<PathBuf>,
}

impl LocatedSource {
    pub(crate) fn new(locations: Vec<Option<Location>>, images: usize, options: &SourceOptions) -> LocatedSource {
        let stores = Stores::new(&options.storage);
        LocatedSource { locations, images: images.max(1), stores, objects: Mutex::default(), changed: OnceLock::new() }
    }

    fn location(&self, image: &ImageRef<'_>) -> Option<&Location> {
        self.locations.get(image.record.place as usize * self.images + image.image)?.as_ref()
    }

    fn objects(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, Stored>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object, as it was when it was listed.
    fn object(&self, url: &Path, version: &Version) -> Result<Stored, RecordError> {
        if let Some(stored) = self.objects().get(url) {
            return Ok(stored.clone());
        }
        let stored = self.stores.open_known(url, version.bytes, version.tag.as_deref());
        let stored = stored.map_err(|error| RecordError::unread(std::io::Error::other(error)))?;
        // A whole object is read once.
        if version.bytes > 0 {
            self.objects().insert(url.to_owned(), stored.clone());
        }
        Ok(stored)
    }

    fn open(&self, path: &Path, version: &Version) -> Result<Stored, RecordError> {
        if is_url(path) {
            return self.object(path, version);
        }
        let file = open::without_waiting(path).map_err(RecordError::Unreadable)?;
        let metadata = file.metadata().map_err(RecordError::Unreadable)?;
        let is_same = metadata.len() == version.bytes
            && version.modified.is_none_or(|modified| modified == (metadata.mtime(), metadata.mtime_nsec()));
        match is_same {
            true => Ok(Stored::File(Arc::new(file), version.bytes)),
            false => {
                let _ = self.changed.set(path.to_owned());
                Err(RecordError::Changed)
            }
        }
    }

    fn read_image(&self, image: &ImageRef<'_>, limits: &Limits, files: &mut Files) -> bool {
        let Some(location) = self.location(image) else {
            return files.add(|_| Err(RecordError::NoFurtherFile(image.image + 1)));
        };
        let path = Path::new(&location.path);
        let Some(part) = &location.part else { return files.add_file(path, limits) };
        let limit = limits.file_bytes.0;
        if part.bytes > limit {
            return files.add(|_| Err(RecordError::FileTooLarge { bytes: part.bytes, limit }));
        }
        let (before, mut is_read) = (files.len(), false);
        let has_room = files.add_range(path, part.bytes, |buffer| {
            is_read = true;
            let stored = self.open(path, &part.of)?;
            let read = read_part(&stored, part, limit, buffer);
            self.let_go(path, part);
            read
        });
        // It needs more memory than there may be.
        if !is_read && files.len() > before && is_url(path) {
            if let Ok(stored) = self.open(path, &part.of) {
                stored.give_up(&part.range());
            }
            self.let_go(path, part);
        }
        has_room
    }

    /// Forgets an object that was read as a whole.
    fn let_go(&self, path: &Path, part: &Extent) {
        if is_url(path) && part.range() == (0..part.of.bytes) {
            self.objects().remove(path);
        }
    }
}

impl Source for LocatedSource {
    /// The records are those of a plan.
    fn list(&self, _: &Spec) -> Result<Listing, Error> {
        Ok(Listing::default())
    }

    fn read(&self, images: &[ImageRef<'_>], limits: &Limits, files: &mut Files) {
        let _ = images.iter().all(|image| self.begin(image, limits));
        for image in images {
            if !self.read_image(image, limits, files) {
                return;
            }
        }
    }

    fn ahead(&self) -> usize {
        let is_elsewhere =
            |location: &Option<Location>| location.as_ref().is_some_and(|location| is_url(Path::new(&location.path)));
        if self.locations.iter().any(is_elsewhere) { Stores::AHEAD } else { 0 }
    }

    fn begin(&self, image: &ImageRef<'_>, limits: &Limits) -> bool {
        let Some(location) = self.location(image) else { return true };
        let (path, Some(part)) = (Path::new(&location.path), &location.part) else { return true };
        if !is_url(path) || part.bytes > limits.file_bytes.0 {
            return true;
        }
        self.object(path, &part.of).is_ok_and(|stored| stored.begin(&part.range()))
    }

    /// One file that has many images and has changed is a failure: it is not their images that can't be used.
    fn failure(&self) -> Option<Error> {
        let changed = || Some(Error::ChangedMeanwhile(self.changed.get()?.clone()));
        self.stores.failure().or_else(changed)
    }

    fn length(&self, record: &Record) -> Option<u64> {
        let location = self.location(&ImageRef { record, image: 0 })?;
        match &location.part {
            Some(part) => Some(part.bytes),
            None => std::fs::metadata(&location.path).ok().map(|file| file.len()),
        }
    }

    fn paths(&self) -> &[PathBuf] {
        &[]
    }
}
