//! Clients of object stores, web servers and the Hub, by the scheme of a URL.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, ObjectStore, RetryConfig};

use super::aws_profile;
use super::hub::{self, Hub};
use super::settings::{aws_settings, check_values, key_of, own_settings, settings_of};
use super::told::cause_of;
use super::web::Web;
use super::writes::Writable;
use crate::error::StoreError;
use crate::run::StorageOptions;

/// How long a connection and a whole answer may take, and how long an answer may pause before it is asked for again.
const CLIENT: [(ClientConfigKey, &str); 4] = [
    (ClientConfigKey::ConnectTimeout, "10s"),
    (ClientConfigKey::Timeout, "1h"),
    (ClientConfigKey::ReadTimeout, "30s"),
    (ClientConfigKey::UserAgent, concat!("inlaid/", env!("CARGO_PKG_VERSION"))),
];

/// How long requests that fail are sent again, unless `INLAID_RETRY_SECONDS` says otherwise.
const RETRY_SECONDS: u64 = 180;

/// How requests that fail, and answers that break off, are asked for again: for a time, however often that is.
fn retries() -> Result<RetryConfig, StoreError> {
    const NAME: &str = "INLAID_RETRY_SECONDS";
    let seconds = match std::env::var(NAME) {
        Ok(text) => text.parse().map_err(|_| StoreError::Settings(format!("`{NAME}` is a number of seconds")))?,
        Err(_) => RETRY_SECONDS,
    };
    let backoff = BackoffConfig { base: 3.0, ..BackoffConfig::default() };
    Ok(RetryConfig { backoff, max_retries: 1000, retry_timeout: Duration::from_secs(seconds) })
}

/// A client for reads, and the same for writes.
pub(super) type Clients = (Arc<dyn ObjectStore>, Arc<dyn Writable>);

/// Clients of the bucket of a site, `s3://bucket`, with these settings and credentials, and those of the environment.
/// Sends no request.
///
/// # Errors
/// If it is no bucket, or a setting is wrong.
pub(super) fn of_bucket(site: &str, options: &StorageOptions) -> Result<Clients, StoreError> {
    let (scheme, name) = site.split_once("://").ok_or(StoreError::Url)?;
    provide_cryptography();
    match &*scheme.to_ascii_lowercase() {
        "s3" | "s3a" => of_s3(name, options),
        "gs" => of_google(name, options),
        "az" | "abfs" | "abfss" => of_azure(name, options),
        "http" | "https" | "hf" => Err(StoreError::ReadOnly(scheme.to_owned())),
        other => Err(StoreError::Scheme(other.to_owned())),
    }
}

fn of_s3(bucket: &str, options: &StorageOptions) -> Result<Clients, StoreError> {
    let builder = aws_profile::apply(aws_settings(options)?, options.keys())?;
    let set = |builder: AmazonS3Builder, (key, value): &(_, &str)| {
        builder.with_config(AmazonS3ConfigKey::Client(*key), *value)
    };
    let builder = CLIENT.iter().fold(builder, set).with_retry(retries()?);
    Ok(both(builder.with_bucket_name(bucket).build().map_err(wrong)?))
}

fn of_google(bucket: &str, options: &StorageOptions) -> Result<Clients, StoreError> {
    let builder = CLIENT.iter().fold(GoogleCloudStorageBuilder::from_env(), |builder, (key, value)| {
        builder.with_config(GoogleConfigKey::Client(*key), *value)
    });
    let set = |builder: GoogleCloudStorageBuilder, (name, value)| Ok(builder.with_config(key_of(name)?, value));
    let builder = options.iter().try_fold(builder, set)?.with_retry(retries()?);
    Ok(both(builder.with_bucket_name(bucket).build().map_err(wrong)?))
}

fn of_azure(container: &str, options: &StorageOptions) -> Result<Clients, StoreError> {
    check_values(&settings_of::<AzureConfigKey>("AZURE_"))?;
    check_values(&own_settings::<AzureConfigKey>(options)?)?;
    let builder = CLIENT.iter().fold(MicrosoftAzureBuilder::from_env(), |builder, (key, value)| {
        builder.with_config(AzureConfigKey::Client(*key), *value)
    });
    let set = |builder: MicrosoftAzureBuilder, (name, value)| Ok(builder.with_config(key_of(name)?, value));
    let builder = options.iter().try_fold(builder, set)?.with_retry(retries()?);
    Ok(both(builder.with_container_name(container).build().map_err(wrong)?))
}

fn wrong(error: object_store::Error) -> StoreError {
    StoreError::Settings(cause_of(&error))
}

/// As [`of_bucket`], where nothing is written: also of web servers, with a query behind all URLs, and of the Hub.
///
/// # Errors
/// As [`of_bucket`].
pub(super) fn to_read(site: &str, query: Option<&str>, options: &StorageOptions) -> Result<Clients, StoreError> {
    provide_cryptography();
    let client = || CLIENT.iter().fold(ClientOptions::new(), |client, (key, value)| client.with_config(*key, *value));
    let web = match site.split_once("://") {
        Some(("http" | "https", _)) => Web::new(site, query, client(), retries()?, None)?,
        Some(("hf", name)) => {
            let retries = retries()?;
            let hub = Hub::open(name, retries.retry_timeout)?;
            let client = client().with_default_headers(hub::headers()?);
            Web::new(&hub.endpoint(), None, client, retries, Some(hub))?
        }
        _ => return of_bucket(site, options),
    };
    Ok(both(web))
}

/// Gives the transport its cryptography.
fn provide_cryptography() {
    // Fails if there is one already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A store for reads, and the same for writes.
fn both(store: impl Writable) -> Clients {
    let store = Arc::new(store);
    (store.clone(), store)
}
