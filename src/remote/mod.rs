//! Object stores: what lies below a URL, listed and read by many requests at once. The home of `object_store` and
//! `tokio`.

#[cfg(feature = "remote")]
mod aws_profile;
#[cfg(feature = "remote")]
mod bucket;
#[cfg(feature = "remote")]
mod fetches;
#[cfg(feature = "remote")]
mod object_bytes;
#[cfg(feature = "remote")]
mod told;

use std::path::Path;

#[cfg(feature = "remote")]
pub(crate) use bucket::{Bucket, Object};
#[cfg(feature = "remote")]
pub(crate) use fetches::Fetches;
#[cfg(feature = "remote")]
pub(crate) use object_bytes::ObjectBytes;

/// Whether a path is a URL.
pub(crate) fn is_url(path: &Path) -> bool {
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
