//! What the sources of a run are read from: disks, and the stores that URLs name. What a URL names is looked up once, and
//! read as it was then.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::bucket::{Bucket, Object};
use super::fetches::Fetches;
use super::health::Health;
use super::object_parts::ObjectParts;
use super::{disk_file, is_url};
use crate::error::{Error, SourceError, StoreError};
use crate::format::ranges::Stored;
use crate::run::StorageOptions;

/// What the sources of a run are read from.
#[derive(Debug)]
pub(crate) struct Stores {
    options: StorageOptions,
    fetches: Arc<Fetches>,
    known: Mutex<Known>,
}

/// What was looked up.
#[derive(Debug, Default)]
struct Known {
    /// Buckets by their names, and the queries of their URLs.
    sites: HashMap<(String, Option<String>), Site>,
    /// The queries of URLs of the web.
    queries: HashMap<PathBuf, Option<String>>,
    /// The objects below URLs.
    below: HashMap<PathBuf, Arc<Below>>,
    /// Objects that URLs name.
    named: HashMap<PathBuf, Option<Object>>,
}

/// A bucket.
#[derive(Clone, Debug)]
struct Site {
    bucket: Bucket,
    health: Arc<Health>,
}

/// The objects below a URL.
#[derive(Debug)]
pub(crate) struct Below {
    pub(crate) bucket: Bucket,
    /// In the order of their keys.
    pub(crate) objects: Vec<Object>,
    pub(crate) fetches: Arc<Fetches>,
    pub(crate) health: Arc<Health>,
}

impl Below {
    /// Keys below the URL, and lengths in bytes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.objects.iter().map(|object| (self.bucket.key(object), object.bytes))
    }

    fn find(&self, key: &str) -> Option<&Object> {
        let place = self.objects.binary_search_by(|object| self.bucket.key(object).cmp(key)).ok()?;
        self.objects.get(place)
    }
}

impl Stores {
    /// The stores that can be read with these settings and credentials, and those of the environment. Sends no request.
    pub(crate) fn new(options: &StorageOptions) -> Arc<Stores> {
        let fetches = Arc::new(Fetches::new());
        Arc::new(Stores { options: options.clone(), fetches, known: Mutex::default() })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bucket of a URL, with what the URL names in it as its prefix.
    fn site(&self, url: &Path) -> Result<Site, StoreError> {
        let text = url.to_string_lossy();
        let (name, prefix) = Bucket::parts(&text)?;
        let mut known = self.known();
        let query = known.queries.get(url).cloned().flatten();
        let key = (name.to_owned(), query.clone());
        let site = match known.sites.get(&key) {
            Some(site) => site.clone(),
            None => {
                let bucket = Bucket::to_read(&text, query.as_deref(), &self.options)?;
                let site = Site { bucket, health: Arc::new(Health::new()) };
                known.sites.insert(key, site.clone());
                site
            }
        };
        let is_web = name.starts_with("http");
        let prefix = if is_web { percent_decoded(prefix)? } else { prefix.to_owned() };
        Ok(Site { bucket: site.bucket.at_prefix(&prefix)?, health: site.health })
    }

    /// Checks a URL, without a request. Returns it as messages may show it: without its query.
    ///
    /// # Errors
    /// If it is no URL of a store, holds a secret, or a setting is wrong.
    pub(crate) fn check(&self, url: &Path) -> Result<PathBuf, Error> {
        let text = url.to_string_lossy();
        // Not to be shown.
        let secret = |error| failed(Path::new("URL"), error);
        let (place, query) = match text.split_once('?').filter(|_| text.starts_with("http")) {
            Some((place, query)) if is_secret(query) => {
                let _ = place;
                return Err(secret(StoreError::Secret));
            }
            Some((place, query)) => (PathBuf::from(place), Some(query.to_owned())),
            None => (url.to_owned(), None),
        };
        if self.known().queries.insert(place.clone(), query.clone()).is_some_and(|before| before != query) {
            return Err(failed(&place, StoreError::SameUrl));
        }
        match self.site(&place) {
            Ok(_) => Ok(place),
            Err(StoreError::Secret) => Err(secret(StoreError::Secret)),
            Err(error) => Err(failed(&place, error)),
        }
    }

    /// The objects below a URL.
    ///
    /// # Errors
    /// If they can't be listed.
    pub(crate) fn below(&self, url: &Path) -> Result<Arc<Below>, Error> {
        if let Some(below) = self.known().below.get(url) {
            return Ok(below.clone());
        }
        let listed = self.site(url).and_then(|Site { bucket, health }| {
            let objects = bucket.list()?;
            Ok(Below { bucket, objects, fetches: self.fetches.clone(), health })
        });
        let below = Arc::new(listed.map_err(|error| failed(url, error))?);
        self.known().below.insert(url.to_owned(), below.clone());
        Ok(below)
    }

    /// The names of what is in the folder of a URL.
    ///
    /// # Errors
    /// If it can't be listed.
    pub(crate) fn names(&self, url: &Path) -> Result<Vec<String>, Error> {
        let entries = self.site(url).and_then(|site| site.bucket.entries("")).map_err(|error| failed(url, error))?;
        Ok(entries.into_iter().map(|(name, _)| name).collect())
    }

    fn object(&self, url: &Path) -> Result<Option<Object>, StoreError> {
        if let Some(object) = self.known().named.get(url) {
            return Ok(object.clone());
        }
        let listed = {
            let known = self.known();
            let object =
                |(above, below): (&PathBuf, &Arc<Below>)| below.find(url.strip_prefix(above).ok()?.to_str()?).cloned();
            known.below.iter().find_map(object)
        };
        let object = match listed {
            Some(object) => Some(object),
            None => self.site(url)?.bucket.find("")?,
        };
        self.known().named.insert(url.to_owned(), object.clone());
        Ok(object)
    }

    /// Whether what lies below a URL can be listed.
    pub(crate) fn lists(&self, url: &Path) -> bool {
        !url.as_os_str().as_encoded_bytes().starts_with(b"http")
    }

    /// Whether there is an object that a URL names.
    ///
    /// # Errors
    /// If that can't be told.
    pub(crate) fn has(&self, url: &Path) -> Result<bool, Error> {
        self.object(url).map(|object| object.is_some()).map_err(|error| failed(url, error))
    }

    /// Whether there is a file, or an object that a URL names.
    pub(crate) fn is_file(&self, path: &Path) -> bool {
        if is_url(path) { self.has(path).unwrap_or(false) } else { path.is_file() }
    }

    /// Opens a file, or the object that a URL names.
    ///
    /// # Errors
    /// If there is none, or it can't be read.
    pub(crate) fn open(&self, path: &Path) -> io::Result<Stored> {
        if !is_url(path) {
            return disk_file(path);
        }
        let opened = self.object(path).and_then(|object| {
            let Site { bucket, health } = self.site(path)?;
            let object = object.ok_or(StoreError::NotFound)?;
            Ok(ObjectParts::new(path.to_owned(), bucket, object, self.fetches.clone(), health))
        });
        opened.map(|parts| Stored::Elsewhere(Arc::new(parts))).map_err(io::Error::other)
    }

    /// An object of which a listing told the length and the version.
    ///
    /// # Errors
    /// If its URL is none, or a setting of its store is wrong.
    pub(crate) fn open_known(&self, url: &Path, bytes: u64, tag: Option<&str>) -> Result<Stored, StoreError> {
        let Site { bucket, health } = self.site(url)?;
        let object = bucket.object_there(bytes, tag);
        let parts = ObjectParts::new(url.to_owned(), bucket, object, self.fetches.clone(), health);
        Ok(Stored::Elsewhere(Arc::new(parts)))
    }

    /// Number of parts that are gained by asking for them ahead.
    pub(crate) const AHEAD: usize = Fetches::AHEAD;

    /// A failure of a whole store, since which nothing can be read from it.
    pub(crate) fn failure(&self) -> Option<Error> {
        let known = self.known();
        let failure = known.sites.values().find_map(|site| site.health.failure());
        failure.map(|(url, error)| failed(url, error.clone()))
    }
}

/// Whether a query holds what gives access.
fn is_secret(query: &str) -> bool {
    const SECRETS: [&str; 8] = ["sig=", "signature", "token", "key", "secret", "password", "credential", "policy="];
    let query = query.to_ascii_lowercase();
    SECRETS.iter().any(|secret| query.contains(secret))
}

/// A path without the signs that stand for others in URLs.
fn percent_decoded(path: &str) -> Result<String, StoreError> {
    let (mut bytes, mut rest) = (Vec::new(), path.as_bytes());
    while let [first, tail @ ..] = rest {
        let hex = |digit: &u8| char::from(*digit).to_digit(16);
        match (first, tail) {
            (b'%', [high, low, tail @ ..]) if hex(high).is_some() && hex(low).is_some() => {
                bytes.push((hex(high).unwrap_or(0) * 16 + hex(low).unwrap_or(0)) as u8);
                rest = tail;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| StoreError::Url)
}

fn failed(url: &Path, error: StoreError) -> Error {
    Error::source(url)(SourceError::Store(error))
}
