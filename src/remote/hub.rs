//! Datasets of the Hub of Hugging Face: their files as the interface of the Hub lists them, at the commit that a revision
//! is when it is first asked for.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Error, ListResult, ObjectMeta, Result};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LINK};
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use super::web::allows_plain;
use crate::error::StoreError;

/// Where the Hub is, unless `HF_ENDPOINT` says otherwise.
const ENDPOINT: &str = "https://huggingface.co";

/// How long a connection and an answer may take.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(60);

/// A dataset of the Hub. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Hub(Arc<Repository>);

#[derive(Debug)]
struct Repository {
    endpoint: Url,
    /// `OWNER/NAME`.
    name: String,
    revision: String,
    client: Client,
    retry: Duration,
    /// The commit that the revision is.
    commit: OnceCell<String>,
}

/// What the Hub says of a revision.
#[derive(Deserialize)]
struct Revision {
    sha: String,
}

/// A file or a folder in a listing.
#[derive(Deserialize)]
struct Entry {
    r#type: String,
    path: String,
    #[serde(default)]
    size: u64,
}

impl Hub {
    /// The dataset `datasets/OWNER/NAME@REVISION`. Sends no request.
    ///
    /// # Errors
    /// If it is no name of a dataset, or a setting is wrong.
    pub(super) fn open(name: &str, retry: Duration) -> std::result::Result<Hub, StoreError> {
        let (name, revision) = name.split_once('@').unwrap_or((name, "main"));
        let name = name.strip_prefix("datasets/").ok_or(StoreError::HubUrl)?;
        let is_name = name.split('/').count() == 2 && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !is_name || revision.is_empty() {
            return Err(StoreError::HubUrl);
        }
        let text = env::var("HF_ENDPOINT").ok().filter(|text| !text.is_empty());
        let wrong = || StoreError::Settings("`HF_ENDPOINT` is no URL of a host".to_owned());
        let endpoint = Url::parse(text.as_deref().unwrap_or(ENDPOINT)).map_err(|_| wrong())?;
        if endpoint.host().is_none() || !["http", "https"].contains(&endpoint.scheme()) {
            return Err(wrong());
        }
        if endpoint.scheme() == "http" && !allows_plain(&endpoint) {
            return Err(StoreError::NoTlsOfWeb);
        }
        // Redirects to other hosts are followed without the header that holds the token.
        let client = Client::builder().user_agent(concat!("inlaid/", env!("CARGO_PKG_VERSION")));
        let client = client.connect_timeout(CONNECT).timeout(ANSWER).default_headers(headers()?);
        let client = client.build().map_err(|_| StoreError::Settings("no client of HTTP can be made".to_owned()))?;
        let (name, revision, commit) = (name.to_owned(), revision.replace("%2F", "/"), OnceCell::new());
        Ok(Hub(Arc::new(Repository { endpoint, name, revision, client, retry, commit })))
    }

    /// Where the Hub is.
    pub(super) fn endpoint(&self) -> String {
        self.0.endpoint.as_str().trim_end_matches('/').to_owned()
    }

    /// The path below the endpoint that a file is read from.
    pub(super) async fn place(&self, file: &Path) -> Result<Path> {
        let repository = &self.0;
        let commit = repository.commit().await?;
        Ok(Path::parse(format!("datasets/{}/resolve/{commit}/{file}", repository.name))?)
    }

    /// All files below a folder.
    pub(super) fn list(&self, folder: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (hub, folder) = (self.clone(), folder.cloned().unwrap_or_default());
        let listed = stream::once(async move { hub.0.entries(&folder, true).await });
        let files = listed.map_ok(|entries| stream::iter(entries.into_iter().filter(Entry::is_file).map(Entry::meta)));
        files.try_flatten().boxed()
    }

    /// The files and folders in a folder.
    pub(super) async fn list_folder(&self, folder: Option<&Path>) -> Result<ListResult> {
        let entries = self.0.entries(&folder.cloned().unwrap_or_default(), false).await?;
        let (files, folders): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(Entry::is_file);
        Ok(ListResult {
            objects: files.into_iter().map(Entry::meta).collect::<Result<_>>()?,
            common_prefixes: folders.iter().map(|folder| Ok(Path::parse(&folder.path)?)).collect::<Result<_>>()?,
            extensions: Default::default(),
        })
    }
}

impl Entry {
    fn is_file(&self) -> bool {
        self.r#type == "file"
    }

    fn meta(self) -> Result<ObjectMeta> {
        let location = Path::parse(&self.path)?;
        Ok(ObjectMeta { location, last_modified: Default::default(), size: self.size, e_tag: None, version: None })
    }
}

impl Repository {
    async fn commit(&self) -> Result<&str> {
        let ask = || async {
            let url = self.interface(&["revision", &self.revision], &Path::default())?;
            self.ask::<Revision>(url).await.map(|(revision, _)| revision.sha)
        };
        self.commit.get_or_try_init(ask).await.map(String::as_str)
    }

    /// What is in a folder, and below it if `all`; nothing if there is no such folder.
    async fn entries(&self, folder: &Path, all: bool) -> Result<Vec<Entry>> {
        let commit = self.commit().await?;
        let mut url = self.interface(&["tree", commit], folder)?;
        url.set_query(all.then_some("recursive=true"));
        let (mut entries, mut next) = (Vec::new(), Some(url));
        while let Some(url) = next {
            match self.ask::<Vec<Entry>>(url).await {
                Ok((page, following)) => {
                    entries.extend(page);
                    next = following;
                }
                Err(Error::NotFound { .. }) if entries.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    /// A URL of the interface.
    fn interface(&self, parts: &[&str], path: &Path) -> Result<Url> {
        let mut url = self.endpoint.clone();
        let mut segments = url.path_segments_mut().map_err(|()| failed(StoreError::Answer))?;
        segments.pop_if_empty().extend(["api", "datasets"]).extend(self.name.split('/')).extend(parts);
        segments.extend(path.parts().map(|part| part.as_ref().to_owned()).collect::<Vec<_>>());
        drop(segments);
        Ok(url)
    }

    /// What the Hub answers, and the URL of what follows. Asked for again while the Hub does not answer.
    async fn ask<T: DeserializeOwned>(&self, url: Url) -> Result<(T, Option<Url>)> {
        let (begin, mut wait) = (Instant::now(), Duration::from_millis(100));
        loop {
            let silence = match self.client.get(url.clone()).send().await {
                Ok(answer) if answer.status().is_success() => {
                    let following = self.following(answer.headers())?;
                    match answer.bytes().await {
                        Ok(bytes) => {
                            let told = serde_json::from_slice(&bytes).map_err(|_| failed(StoreError::Answer))?;
                            return Ok((told, following));
                        }
                        Err(_) => StoreError::Unreachable,
                    }
                }
                Ok(answer) => {
                    let code = answer.headers().get("X-Error-Code").and_then(|code| code.to_str().ok());
                    match (answer.status(), code.unwrap_or_default().to_owned()) {
                        (StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND, code)
                            if !["EntryNotFound", "GatedRepo"].contains(&&*code) && self.commit.get().is_none() =>
                        {
                            return Err(failed(StoreError::NoRepository));
                        }
                        (StatusCode::NOT_FOUND, _) => {
                            let path = url.path().to_owned();
                            return Err(Error::NotFound { path, source: StoreError::NotFound.into() });
                        }
                        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, code) => {
                            let code = if code.is_empty() { "no permission".to_owned() } else { code };
                            return Err(failed(StoreError::Denied(code)));
                        }
                        (status, code) if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                            StoreError::Status { status: status.as_u16(), code }
                        }
                        (status, code) => return Err(failed(StoreError::Status { status: status.as_u16(), code })),
                    }
                }
                Err(_) => StoreError::Unreachable,
            };
            if begin.elapsed() + wait > self.retry {
                return Err(failed(silence));
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(15));
        }
    }

    /// The URL that a header names for what follows. Only the Hub itself gets the token.
    fn following(&self, headers: &HeaderMap) -> Result<Option<Url>> {
        let links = headers.get(LINK).and_then(|links| links.to_str().ok()).unwrap_or_default();
        let next = links.split(',').find(|link| link.contains("rel=\"next\""));
        let Some((_, url)) = next.and_then(|link| link.split_once('<')) else { return Ok(None) };
        let url = url.split('>').next().and_then(|url| self.endpoint.join(url).ok());
        let url = url.filter(|url| url.origin() == self.endpoint.origin());
        url.map(Some).ok_or_else(|| failed(StoreError::Answer))
    }
}

/// An error of which the text is known.
fn failed(error: StoreError) -> Error {
    Error::Generic { store: "Hub", source: error.into() }
}

/// The token, as a header.
///
/// # Errors
/// If it is no text of a header.
pub(super) fn headers() -> std::result::Result<HeaderMap, StoreError> {
    let mut headers = HeaderMap::new();
    if let Some(token) = token() {
        let wrong = |_| {
            StoreError::Settings("the token of the Hub holds a line break, or another control character".to_owned())
        };
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(wrong)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

/// The token in the environment, or in the file that `hf auth login` writes.
fn token() -> Option<String> {
    let texts = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"].iter().filter_map(|name| env::var(name).ok());
    let of_file = || {
        let home = env::var_os("HF_HOME").map(PathBuf::from);
        let usual = || {
            let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
            let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))?;
            Some(cache.join("huggingface"))
        };
        let file = env::var_os("HF_TOKEN_PATH").map(PathBuf::from);
        std::fs::read_to_string(file.or_else(|| Some(home.or_else(usual)?.join("token")))?).ok()
    };
    let found = texts.chain(std::iter::once_with(of_file).flatten());
    found.map(|text| text.trim().to_owned()).find(|text| !text.is_empty())
}
