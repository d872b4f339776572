//! Object stores: what lies below a URL, listed and read by many requests at once. The home of `object_store` and
//! `tokio`.

mod at_once;
#[cfg(feature = "remote")]
mod aws_profile;
#[cfg(feature = "remote")]
mod bucket;
#[cfg(feature = "remote")]
mod bucket_files;
#[cfg(feature = "remote")]
mod clients;
#[cfg(feature = "remote")]
mod fetches;
#[cfg(feature = "remote")]
mod health;
#[cfg(feature = "remote")]
mod hub;
#[cfg(feature = "remote")]
mod new_object;
#[cfg(not(feature = "remote"))]
mod no_stores;
#[cfg(feature = "remote")]
mod object_bytes;
#[cfg(feature = "remote")]
mod object_parts;
#[cfg(feature = "remote")]
mod own_runtime;
mod reading;
#[cfg(feature = "remote")]
mod settings;
#[cfg(feature = "remote")]
mod store_files;
#[cfg(feature = "remote")]
mod stores;
#[cfg(feature = "remote")]
mod told;
#[cfg(feature = "remote")]
mod web;
#[cfg(feature = "remote")]
mod writes;

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
#[cfg(not(feature = "remote"))]
use crate::error::StoreError;
use crate::format::files::{Files, Folder};
use crate::format::open;
use crate::format::ranges::Stored;
use crate::run::StorageOptions;

pub(crate) use at_once::at_once;
#[cfg(feature = "remote")]
pub(crate) use bucket::{Bucket, Object};
#[cfg(feature = "remote")]
pub(crate) use bucket_files::BucketFiles;
#[cfg(feature = "remote")]
pub(crate) use new_object::{NewObject, Sent};
#[cfg(not(feature = "remote"))]
pub(crate) use no_stores::Stores;
pub use reading::Reading;
#[cfg(feature = "remote")]
pub(crate) use stores::{Below, Stores};
#[cfg(feature = "remote")]
pub(crate) use writes::{Expected, Put, Upload, Version};

/// The files of the dataset at a path or URL. Sends no request.
///
/// # Errors
/// If it is no URL of a bucket, or a setting of its store is wrong.
#[cfg(feature = "remote")]
pub(crate) fn files_at(place: &Path, options: &StorageOptions) -> Result<Arc<dyn Files>, Error> {
    match is_url(place) {
        true => Ok(Arc::new(BucketFiles::new(place, Bucket::to_read_at(place, options)?))),
        false => Ok(Arc::new(Folder(place.to_owned()))),
    }
}

#[cfg(not(feature = "remote"))]
pub(crate) fn files_at(place: &Path, _options: &StorageOptions) -> Result<Arc<dyn Files>, Error> {
    match is_url(place) {
        true => Err(Error::Store { place: place.to_owned(), reason: StoreError::LeftOut }),
        false => Ok(Arc::new(Folder(place.to_owned()))),
    }
}

/// A file on a disk.
fn disk_file(path: &Path) -> io::Result<Stored> {
    open::regular(path).and_then(Stored::of_file)
}

/// Whether a URL is one of a place that nothing is written to: a web server, or the Hub.
#[cfg(feature = "remote")]
pub(crate) fn is_read_only(url: &Path) -> bool {
    let scheme = url.to_str().and_then(|text| text.split_once("://")).map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("http" | "https" | "hf"))
}

/// Whether a path is a URL.
pub fn is_url(path: &Path) -> bool {
    let Some((scheme, _)) = path.to_str().and_then(|text| text.split_once("://")) else { return false };
    scheme.len() > 1 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_scheme() {
        assert!(["s3://bucket/a", "gs://b", "https://host/x.tar"].iter().all(|url| is_url(Path::new(url))));
        assert!(!["a/b", "/a://b", "c:/x", "./s3://b", "://x", ""].iter().any(|path| is_url(Path::new(path))));
    }
}
