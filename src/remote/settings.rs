//! Settings of stores, from the environment and from callers, checked before anything is sent.

use std::str::FromStr;

use object_store::ClientConfigKey;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};

use crate::error::StoreError;
use crate::run::StorageOptions;

/// A setting of a store: its name as it was given, what it is, and its value.
pub(super) type Setting<K> = (String, K, String);

/// The variables of the environment that are settings of a store, which begin like this. Empty ones are none.
pub(super) fn settings_of<K: FromStr>(prefix: &str) -> Vec<Setting<K>> {
    // Others need not be texts.
    let texts =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let named = texts.filter(|(name, value)| name.starts_with(prefix) && !value.is_empty());
    named.filter_map(|(name, value)| Some((name.clone(), key_of(&name).ok()?, value))).collect()
}

/// The settings that were given.
pub(super) fn own_settings<K: FromStr>(options: &StorageOptions) -> Result<Vec<Setting<K>>, StoreError> {
    options.iter().map(|(name, value)| Ok((name.to_owned(), key_of(name)?, value.to_owned()))).collect()
}

/// Checks what is put into requests as it is. Values are not shown: they may be secret.
pub(super) fn check_values<K>(settings: &[Setting<K>]) -> Result<(), StoreError> {
    for (name, _, value) in settings {
        let wrong = |what: &str| Err(StoreError::Settings(format!("`{name}` {what}")));
        if value.chars().any(char::is_control) {
            return wrong("holds a line break, or another control character");
        }
        let lower = name.to_ascii_lowercase();
        // `use_fabric_endpoint` says only which one.
        if lower.contains("endpoint") && !lower.contains("use_") {
            let host = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://"));
            let is_host = |host: &str| !host.is_empty() && !host.contains(char::is_whitespace);
            if !host.is_some_and(is_host) {
                return wrong("is no URL of a host, such as `https://host:9000`");
            }
        }
    }
    Ok(())
}

/// The settings of S3: those in `options`, then those of the environment that are not about the same.
pub(super) fn aws_settings(options: &StorageOptions) -> Result<AmazonS3Builder, StoreError> {
    use AmazonS3ConfigKey::{AccessKeyId, Endpoint, S3Endpoint, SecretAccessKey, Token};
    let (own, of_environment) = (own_settings::<AmazonS3ConfigKey>(options)?, settings_of::<AmazonS3ConfigKey>("AWS_"));
    let named: Vec<AmazonS3ConfigKey> = own.iter().map(|(_, key, _)| *key).collect();
    let has = |keys: &[AmazonS3ConfigKey]| {
        let are_given = keys.contains(&AccessKeyId) && options.keys().is_some();
        are_given || named.iter().any(|key| keys.contains(key))
    };
    // Keys belong together, and one endpoint goes before the other.
    let groups: [&[AmazonS3ConfigKey]; 2] = [&[AccessKeyId, SecretAccessKey, Token], &[Endpoint, S3Endpoint]];
    let is_replaced = |key: &AmazonS3ConfigKey| groups.iter().any(|group| group.contains(key) && has(group));
    let mut settings: Vec<_> = of_environment.into_iter().filter(|(_, key, _)| !is_replaced(key)).collect();
    settings.extend(own);
    check_values(&settings)?;
    let set = |builder: AmazonS3Builder, (_, key, value)| builder.with_config(key, value);
    let builder = settings.into_iter().fold(AmazonS3Builder::new(), set);
    let is_plain = |key| builder.get_config_value(&key).is_some_and(|endpoint| endpoint.starts_with("http://"));
    let allows = builder.get_config_value(&AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp));
    match (is_plain(Endpoint) || is_plain(S3Endpoint)) && allows.is_none_or(|value| !value.eq_ignore_ascii_case("true"))
    {
        true => Err(StoreError::NoTls),
        false => Ok(builder),
    }
}

/// The setting of a name.
pub(super) fn key_of<K: FromStr>(name: &str) -> Result<K, StoreError> {
    name.to_ascii_lowercase().parse().map_err(|_| StoreError::Option(name.to_owned()))
}
