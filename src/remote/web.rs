//! Files of web servers, which are only read, part by part: `https://`, and the Hub of Hugging Face below it.

use std::fmt;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use object_store::http::{HttpBuilder, HttpStore};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    ClientOptions, CopyOptions, Error, GetOptions, GetRange, GetResult, ListResult, MultipartId, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, RetryConfig,
};
use reqwest::Url;

use super::hub::Hub;
use crate::error::StoreError;

/// What is said instead of writing, and of listing.
pub(super) const READ_ONLY: &str = "a web server is only read";
pub(super) const NO_LISTING: &str = "a web server lists no files";

/// Files of a web server.
#[derive(Debug)]
pub(super) struct Web {
    http: HttpStore,
    /// What lists the files, and says where they are; none if nothing does.
    hub: Option<Hub>,
}

impl Web {
    /// The files of a server, `https://host:port`, with a query behind all of their URLs.
    ///
    /// # Errors
    /// If it is no URL.
    pub(super) fn new(
        server: &str,
        query: Option<&str>,
        client: ClientOptions,
        retries: RetryConfig,
        hub: Option<Hub>,
    ) -> std::result::Result<Web, StoreError> {
        let mut url = Url::parse(server).map_err(|_| StoreError::Url)?;
        url.set_query(query);
        let plain = url.scheme() == "http";
        if plain && !allows_plain(&url) {
            return Err(StoreError::NoTlsOfWeb);
        }
        let client = client.with_allow_http(plain);
        let http = HttpBuilder::new().with_url(url).with_client_options(client).with_retry(retries).build();
        let http = http.map_err(|_| StoreError::Url)?;
        Ok(Web { http, hub })
    }

    async fn place(&self, location: &Path) -> Result<Path> {
        match &self.hub {
            Some(hub) => hub.place(location).await,
            None => Ok(location.clone()),
        }
    }
}

/// Whether files are read without TLS: from this machine, or where a setting says so.
pub(super) fn allows_plain(url: &Url) -> bool {
    let is_own = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    is_own || std::env::var("INLAID_ALLOW_HTTP").is_ok_and(|value| value.eq_ignore_ascii_case("true"))
}

impl fmt::Display for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Web")
    }
}

fn refused(operation: &str) -> Error {
    Error::NotImplemented { operation: operation.to_owned(), implementer: "Web".to_owned() }
}

#[async_trait]
impl ObjectStore for Web {
    async fn get_opts(&self, location: &Path, mut options: GetOptions) -> Result<GetResult> {
        let place = self.place(location).await?;
        // Signed URLs allow no HEAD, and a part tells the whole length.
        if std::mem::take(&mut options.head) {
            options.range = Some(GetRange::Bounded(0..1));
        }
        // What a commit holds does not change; and a weak tag never matches, but may be compared.
        let tag = options.if_match.take_if(|tag| self.hub.is_some() || tag.starts_with("W/"));
        let mut answer = self.http.get_opts(&place, options).await?;
        if let Some(tag) = tag.filter(|tag| self.hub.is_none() && answer.meta.e_tag.as_ref() != Some(tag)) {
            return Err(Error::Precondition { path: location.to_string(), source: tag.into() });
        }
        answer.meta.location = location.clone();
        Ok(answer)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match &self.hub {
            Some(hub) => hub.list(prefix),
            None => stream::once(async { Err(refused(NO_LISTING)) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        match &self.hub {
            Some(hub) => hub.list_folder(prefix).await,
            None => Err(refused(NO_LISTING)),
        }
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(refused(READ_ONLY))
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(refused(READ_ONLY))
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        stream::once(async { Err(refused(READ_ONLY)) }).boxed()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(refused(READ_ONLY))
    }
}

#[async_trait]
impl MultipartStore for Web {
    async fn create_multipart(&self, _: &Path) -> Result<MultipartId> {
        Err(refused(READ_ONLY))
    }

    async fn put_part(&self, _: &Path, _: &MultipartId, _: usize, _: PutPayload) -> Result<PartId> {
        Err(refused(READ_ONLY))
    }

    async fn complete_multipart(&self, _: &Path, _: &MultipartId, _: Vec<PartId>) -> Result<PutResult> {
        Err(refused(READ_ONLY))
    }

    async fn abort_multipart(&self, _: &Path, _: &MultipartId) -> Result<()> {
        Err(refused(READ_ONLY))
    }
}
