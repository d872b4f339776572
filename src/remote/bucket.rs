//! A bucket, or a container, and what lies below a prefix in it.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, UpdateVersion};
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinHandle;

use super::clients::{self, Clients};
use super::own_runtime::OwnRuntime;
use super::told::told;
use super::writes::Writable;
use crate::error::{Error, StoreError};
use crate::format::catch_panic::contain;
use crate::run::StorageOptions;

/// Threads that send requests and receive answers. One keeps up with ten gigabits a second.
const THREADS: usize = 2;

/// Pages of listings that are asked for at once.
const LISTINGS: usize = 32;

/// Folders down to which a listing is divided, so that its parts are listed at once; parts that are enough; and folders
/// in a folder that are too many to be listed one by one.
const DEEPEST: usize = 2;
const PARTS: usize = 64;
const MANY: usize = 1000;

/// What lies below a URL of an object store. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    store: Arc<dyn ObjectStore>,
    /// The same, for writes.
    writes: Arc<dyn Writable>,
    prefix: Path,
    /// Its own, since the threads of one would not be there after a fork.
    runtime: Arc<OwnRuntime>,
}

/// An object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    path: Path,
    /// Length in bytes.
    pub(crate) bytes: u64,
    /// What changes when the object does, if the store tells it.
    pub(super) version: Option<Box<str>>,
}

impl Object {
    /// What changes when it does, if the store tells it.
    pub(crate) fn tag(&self) -> Option<&str> {
        self.version.as_deref()
    }
}

impl Bucket {
    /// The bucket of a URL, with these settings and credentials, and those of the environment. Sends no request.
    ///
    /// # Errors
    /// If it is no URL of a bucket, or a setting is wrong.
    pub(crate) fn open(url: &str, options: &StorageOptions) -> Result<Bucket, StoreError> {
        let (site, prefix) = Bucket::parts(url)?;
        Bucket::of(clients::of_bucket(site, options)?, prefix)
    }

    /// As [`Bucket::open`], where nothing is written: also files of the web, with a query behind their URLs, and datasets
    /// of the Hub.
    ///
    /// # Errors
    /// As [`Bucket::open`].
    pub(super) fn to_read(url: &str, query: Option<&str>, options: &StorageOptions) -> Result<Bucket, StoreError> {
        let (site, prefix) = Bucket::parts(url)?;
        Bucket::of(clients::to_read(site, query, options)?, prefix)
    }

    fn of((store, writes): Clients, prefix: &str) -> Result<Bucket, StoreError> {
        let prefix = Path::parse(prefix.trim_end_matches('/')).map_err(|_| StoreError::Url)?;
        let mut threads = Builder::new_multi_thread();
        threads.worker_threads(THREADS).thread_name("inlaid-requests").enable_all();
        let runtime = threads.build().map_err(|error| StoreError::Settings(error.to_string()))?;
        Ok(Bucket { store, writes, prefix, runtime: Arc::new(OwnRuntime::new(runtime)) })
    }

    /// The scheme and bucket of a URL, and the prefix behind them.
    ///
    /// # Errors
    /// If there is no bucket, or the URL holds a secret.
    pub(super) fn parts(url: &str) -> Result<(&str, &str), StoreError> {
        let (scheme, rest) = url.split_once("://").ok_or(StoreError::Url)?;
        let mut slashes = rest.match_indices('/').map(|(at, _)| at);
        // A dataset of the Hub has a name of three parts.
        let end = if scheme == "hf" { slashes.nth(2) } else { slashes.next() };
        let (name, prefix) = end.map_or((rest, ""), |end| (&rest[..end], &rest[end + 1..]));
        let has_user = name.contains('@') && scheme != "hf";
        if has_user || ["sig=", "X-Amz-", "X-Goog-"].iter().any(|sign| prefix.contains(sign)) {
            return Err(StoreError::Secret);
        }
        match name.is_empty() {
            true => Err(StoreError::Url),
            false => Ok((&url[..scheme.len() + 3 + name.len()], prefix)),
        }
    }

    /// What lies below another prefix of the same bucket.
    ///
    /// # Errors
    /// If no keys can begin so.
    pub(super) fn at_prefix(&self, prefix: &str) -> Result<Bucket, StoreError> {
        let prefix = Path::parse(prefix.trim_end_matches('/')).map_err(|_| StoreError::Url)?;
        Ok(Bucket { prefix, ..self.clone() })
    }

    /// As [`Bucket::open`], for a URL that messages name.
    ///
    /// # Errors
    /// As [`Bucket::open`].
    pub(crate) fn at(url: &std::path::Path, options: &StorageOptions) -> Result<Arc<Bucket>, Error> {
        Bucket::open(&url.to_string_lossy(), options).map(Arc::new).map_err(|reason| named(url, reason))
    }

    /// As [`Bucket::to_read`], for a URL that messages name.
    ///
    /// # Errors
    /// As [`Bucket::to_read`].
    pub(crate) fn to_read_at(url: &std::path::Path, options: &StorageOptions) -> Result<Arc<Bucket>, Error> {
        Bucket::to_read(&url.to_string_lossy(), None, options).map(Arc::new).map_err(|reason| named(url, reason))
    }

    pub(super) fn runtime(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Waits for a task.
    ///
    /// # Errors
    /// If it has panicked.
    pub(super) fn wait<T>(&self, task: JoinHandle<T>) -> Result<T, StoreError> {
        self.runtime.block_on(task).map_err(|_| StoreError::Unreachable)
    }

    pub(super) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    pub(super) fn writes(&self) -> &Arc<dyn Writable> {
        &self.writes
    }

    /// Waits for something that does not need threads of its own.
    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Waits for a request.
    ///
    /// # Errors
    /// Those of the request.
    pub(super) fn wait_for<T: Send + 'static>(
        &self,
        request: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.wait(self.runtime.spawn(request)).flatten()
    }

    /// All objects below the prefix, in the order of their keys. Folders near the top are listed at once.
    ///
    /// # Errors
    /// If the store can't be listed.
    pub(crate) fn list(&self) -> Result<Vec<Object>, StoreError> {
        let listed = contain(|| self.runtime.block_on(self.list_parts())).map_err(StoreError::Settings)?;
        let mut objects = listed.map_err(|error| told(&error))?;
        // The mark of a folder may have the path of an object.
        objects.sort_unstable_by(|a, b| (&a.path, b.bytes).cmp(&(&b.path, a.bytes)));
        objects.dedup_by(|a, b| a.path == b.path);
        Ok(objects)
    }

    async fn list_parts(&self) -> Result<Vec<Object>, object_store::Error> {
        let (mut objects, mut parts, mut whole) = (Vec::new(), vec![self.prefix.clone()], Vec::new());
        for _ in 0..DEEPEST {
            if parts.len() >= PARTS {
                break;
            }
            let store = &self.store;
            let listed = stream::iter(std::mem::take(&mut parts));
            let listed = listed.map(|part| async move {
                let found = store.list_with_delimiter(Some(&part)).await;
                found.map(|found| (found, part))
            });
            let mut listed = listed.buffer_unordered(LISTINGS);
            while let Some((found, part)) = listed.try_next().await? {
                if found.common_prefixes.len() > MANY {
                    whole.push(part);
                } else {
                    objects.extend(found.objects.into_iter().map(Object::from));
                    parts.extend(found.common_prefixes);
                }
            }
        }
        let listed =
            stream::iter(parts.into_iter().chain(whole)).map(|part| self.store.list(Some(&part)).map_ok(Object::from));
        let mut listed = listed.flatten_unordered(LISTINGS);
        while let Some(object) = listed.try_next().await? {
            objects.push(object);
        }
        Ok(objects)
    }

    /// Whether the store answers at all.
    pub(crate) fn answers(&self) -> bool {
        let first = async { self.store.list(Some(&self.prefix)).next().await.transpose() };
        match self.runtime.block_on(first) {
            Ok(_) => true,
            Err(error) => match told(&error) {
                StoreError::NoListing => !self.find("").is_err_and(|error| error.is_silence()),
                error => !error.is_silence(),
            },
        }
    }

    /// The key of an object below the prefix.
    pub(crate) fn key<'o>(&self, object: &'o Object) -> &'o str {
        let key = object.path.as_ref();
        key.strip_prefix(self.prefix.as_ref()).map_or(key, |below| below.trim_start_matches('/'))
    }

    /// The object with a key below the prefix, or the one that the URL names if the key is empty; none if there is none.
    ///
    /// # Errors
    /// If the store can't be asked.
    pub(crate) fn find(&self, key: &str) -> Result<Option<Object>, StoreError> {
        let path = self.path_of(key)?;
        match self.runtime.block_on(self.store.head(&path)) {
            Ok(meta) => Ok(Some(Object::from(meta))),
            Err(error) => match told(&error) {
                StoreError::NotFound => Ok(None),
                error => Err(error),
            },
        }
    }

    /// All bytes of an object with a key below the prefix, and what they are a version of; none if there is none.
    ///
    /// # Errors
    /// If it can't be read.
    pub(crate) fn read_whole(&self, key: &str) -> Result<Option<(Bytes, UpdateVersion)>, StoreError> {
        let path = self.path_of(key)?;
        let read = async {
            let answer = self.store.get(&path).await?;
            let version = UpdateVersion { e_tag: answer.meta.e_tag.clone(), version: answer.meta.version.clone() };
            Ok((answer.bytes().await?, version))
        };
        match self.runtime.block_on(read) {
            Ok(read) => Ok(Some(read)),
            Err(error) => match told(&error) {
                StoreError::NotFound => Ok(None),
                error => Err(error),
            },
        }
    }

    /// Names and lengths of the objects in a folder below the prefix, which may be empty, and of the folders in it.
    ///
    /// # Errors
    /// If the store can't be listed.
    pub(crate) fn entries(&self, folder: &str) -> Result<Vec<(String, u64)>, StoreError> {
        let path = self.path_of(folder)?;
        let listed = contain(|| self.runtime.block_on(self.store.list_with_delimiter(Some(&path))));
        let listed = listed.map_err(StoreError::Settings)?.map_err(|error| told(&error))?;
        // The mark of the folder itself may be among them.
        let objects =
            listed.objects.iter().map(|object| (&object.location, object.size)).filter(|(at, _)| **at != path);
        let entries = objects.chain(listed.common_prefixes.iter().map(|folder| (folder, 0)));
        Ok(entries.filter_map(|(at, bytes)| Some((at.filename()?.to_owned(), bytes))).collect())
    }

    /// Whether there is an object below the prefix whose key is like this. Looks no further than to the first.
    ///
    /// # Errors
    /// If the store can't be listed.
    pub(crate) fn any(&self, is_like: impl Fn(&str) -> bool) -> Result<bool, StoreError> {
        let search = async {
            let mut listed = self.store.list(Some(&self.prefix));
            while let Some(object) = listed.try_next().await? {
                if object.location != self.prefix && is_like(self.key(&Object::from(object))) {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        let found = contain(|| self.runtime.block_on(search)).map_err(StoreError::Settings)?;
        found.map_err(|error| told(&error))
    }

    /// The path of a key below the prefix; an empty key is the prefix itself.
    pub(super) fn path_of(&self, key: &str) -> Result<Path, StoreError> {
        let parts = [self.prefix.as_ref(), key];
        let whole = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        Path::parse(&whole).map_err(|_| StoreError::Key(whole))
    }

    /// The object that the prefix names, of which a listing told the length and the version.
    pub(super) fn object_there(&self, bytes: u64, version: Option<&str>) -> Object {
        Object { path: self.prefix.clone(), bytes, version: version.map(Box::from) }
    }

    /// Reads an object.
    ///
    /// # Errors
    /// If it can't be read, or has changed since it was listed.
    pub(crate) fn read(&self, object: &Object) -> Result<Bytes, StoreError> {
        self.runtime.block_on(get(&*self.store, object))
    }

    /// Reads a range of an object, all of which exists.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn read_range(&self, object: &Object, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.runtime.block_on(get_range(&*self.store, object, range))
    }
}

/// Reads a range of an object, all of which exists.
pub(super) async fn get_range(
    store: &dyn ObjectStore,
    object: &Object,
    range: Range<u64>,
) -> Result<Bytes, StoreError> {
    let if_match = object.version.as_deref().map(str::to_owned);
    let options = GetOptions { if_match, range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
    let answer = store.get_opts(&object.path, options).await.map_err(|error| told(&error))?;
    if answer.meta.size != object.bytes {
        return Err(StoreError::Changed);
    }
    let bytes = answer.bytes().await.map_err(|error| told(&error))?;
    match bytes.len() as u64 == range.end - range.start {
        true => Ok(bytes),
        false => Err(StoreError::Answer),
    }
}

/// The error of a URL, which is not shown if it holds a secret.
fn named(url: &std::path::Path, reason: StoreError) -> Error {
    let place = if reason == StoreError::Secret { std::path::Path::new("URL") } else { url };
    Error::Store { place: place.to_owned(), reason }
}

impl From<ObjectMeta> for Object {
    fn from(meta: ObjectMeta) -> Object {
        Object { path: meta.location, bytes: meta.size, version: meta.e_tag.map(String::into_boxed_str) }
    }
}

/// Reads an object, as it was listed.
pub(super) async fn get(store: &dyn ObjectStore, object: &Object) -> Result<Bytes, StoreError> {
    let options = GetOptions { if_match: object.version.as_deref().map(str::to_owned), ..GetOptions::default() };
    let answer = store.get_opts(&object.path, options).await.map_err(|error| told(&error))?;
    // What has another length than it was listed with is not received.
    if answer.meta.size != object.bytes {
        return Err(StoreError::Changed);
    }
    let bytes = answer.bytes().await.map_err(|error| told(&error))?;
    match bytes.len() as u64 == object.bytes {
        true => Ok(bytes),
        false => Err(StoreError::Answer),
    }
}
