//! Why an object store, or an object in it, can't be read.

use thiserror::Error as ThisError;

/// Why an object store, or an object in it, can't be read. Texts hold no settings and no URLs of requests, which may be
/// secret.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum StoreError {
    /// A build without object stores.
    #[error("object stores need a build with the feature `remote`")]
    LeftOut,
    /// A URL without a bucket.
    #[error("it is no URL of a bucket, such as `s3://bucket/photos`")]
    Url,
    /// A scheme of no store.
    #[error("`{0}://` is not a store that is read: s3, gs, az, hf and https are")]
    Scheme(String),
    /// A scheme of what is only read.
    #[error("nothing is written to `{0}://`")]
    ReadOnly(String),
    /// A URL of the Hub of Hugging Face without a dataset.
    #[error("it is no URL of a dataset, such as `hf://datasets/owner/name/data`")]
    HubUrl,
    /// No such dataset of the Hub.
    #[error("there is no such dataset or revision, or no permission to read it")]
    NoRepository,
    /// A web server that gives files only as a whole.
    #[error("the server gives no parts of files")]
    NoParts,
    /// A web server that does not tell lengths.
    #[error("the server does not tell the length of the file")]
    NoLength,
    /// A folder of a web server.
    #[error("a web server lists no files")]
    NoListing,
    /// Two URLs that differ only in their queries.
    #[error("another source has the same URL with another query")]
    SameUrl,
    /// A web server without TLS.
    #[error("files are read from `http://` only on this machine")]
    NoTlsOfWeb,
    /// A URL that holds a key or a signature.
    #[error("keys and signatures are not taken from URLs, which messages show")]
    Secret,
    /// What is read from disks only.
    #[error("tables to repack and lists of files are read from disks only")]
    SingleObject,
    /// A list of files beside a URL.
    #[error("a list of files names files on disks, not in object stores")]
    List,
    /// A table that is longer than files may be.
    #[error("the table has {bytes} bytes, more than the {limit} allowed")]
    TableTooLarge {
        /// Its length in bytes.
        bytes: u64,
        /// Greatest length allowed, in bytes.
        limit: u64,
    },
    /// A setting that the store does not have.
    #[error("the store has no setting `{0}`")]
    Option(String),
    /// A setting that is wrong.
    #[error("{0}")]
    Settings(String),
    /// A profile of AWS without keys.
    #[error("the profile `{0}` has no keys: it signs in, or takes a role")]
    Profile(String),
    /// No credentials.
    #[error("no credentials are found")]
    NoCredentials,
    /// Credentials that are not enough.
    #[error("the store denies access: {0}")]
    Denied(String),
    /// Credentials that have expired.
    #[error("the credentials have expired")]
    Expired,
    /// A clock that is wrong.
    #[error("the clock of this machine differs too much from that of the store")]
    Clock,
    /// A bucket of another region.
    #[error("the bucket is in another region")]
    Region,
    /// No such bucket.
    #[error("there is no such bucket")]
    NoBucket,
    /// No such object.
    #[error("there is no such object")]
    NotFound,
    /// An object that has changed since it was listed.
    #[error("the object has changed since it was listed")]
    Changed,
    /// A store that does not keep to the conditions of a write, so that several writers could lose each other's rows.
    #[error("the store ignores conditions of writes, so nothing keeps two writers apart")]
    NoConditions,
    /// A dataset that another process has begun to write to since.
    #[error("another process has taken over, since this one was silent for too long")]
    TakenOver,
    /// A manifest that somebody else has replaced.
    #[error("another process has changed the dataset in the meantime")]
    Raced,
    /// A change that would not be whole at any time.
    #[error("datasets in object stores are appended to, but {0} in place")]
    InPlace(&'static str),
    /// Files that are written to disks only.
    #[error("only datasets of images are written to object stores")]
    DiskOnly,
    /// A file that is too long for one upload.
    #[error("a file has more than 10,000 parts of 8 MiB, and no store takes more")]
    TooManyParts,
    /// An upload that somebody has dropped.
    #[error("the upload of `{0}` is not there any more")]
    UploadGone(String),
    /// A key that no path can be.
    #[error("the key `{0}` has empty parts, parts `.` or `..`, or control characters, as no path has")]
    Key(String),
    /// An answer that says nothing else.
    #[error("the store answers with status {status}{}", coded(.code))]
    Status {
        /// Status of HTTP.
        status: u16,
        /// What the store calls it; empty for nothing.
        code: String,
    },
    /// An answer that can't be read.
    #[error("an answer of the store can't be read")]
    Answer,
    /// A store without TLS, which no setting allows.
    #[error("the endpoint of the store begins with `http://`, and secrets would be sent in the clear")]
    NoTls,
    /// No answer, or one that broke off.
    #[error("the store does not answer")]
    Unreachable,
}

#[cfg(feature = "remote")]
impl StoreError {
    /// Whether it is about the whole store, so that no other object can be read either.
    pub(crate) fn is_of_store(&self) -> bool {
        use StoreError::*;
        match self {
            Denied(code) => ["InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch"].contains(&&**code),
            _ => matches!(self, NoCredentials | Settings(_) | Expired | Clock | Region | NoBucket | NoRepository),
        }
    }

    /// Whether the store gave no answer, or none that says anything.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self, StoreError::Unreachable | StoreError::Status { .. })
    }
}

fn coded(code: &str) -> String {
    if code.is_empty() { String::new() } else { format!(", {code}") }
}
