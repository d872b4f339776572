//! Profiles of the AWS command line: keys, region and endpoint from its files, or keys from a program that they name.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arrow_cast::parse::string_to_timestamp_nanos;
use async_trait::async_trait;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential};
use object_store::{CredentialProvider, Error};
use serde::Deserialize;

use crate::error::StoreError;
use crate::run::{KeySource, StoreKeys};

/// Variables that say where credentials come from, before any profile.
const BEFORE_PROFILES: [&str; 4] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/// How long before keys expire new ones are asked for, and how long they are taken in any case: some programs give the
/// same ones until they expire.
const MARGIN: Duration = Duration::from_secs(300);
const LEAST: Duration = Duration::from_secs(30);

/// The settings of a profile.
type Profile = HashMap<String, String>;

/// Gives a builder what the profile says that the environment does not.
///
/// # Errors
/// If there is no profile of the name in `AWS_PROFILE`, or its keys come from where inlaid can't get them.
pub(super) fn apply(
    builder: AmazonS3Builder,
    keys: Option<&Arc<dyn KeySource>>,
) -> Result<AmazonS3Builder, StoreError> {
    let has = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let asked = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"].iter().find_map(|name| env::var(name).ok());
    let name = asked.clone().unwrap_or_else(|| "default".to_owned());
    let profile = match (profile_of(&name), &asked) {
        (Some(profile), _) => profile,
        (None, None) => Profile::new(),
        (None, Some(name)) => {
            return Err(StoreError::Settings(format!("there is no profile `{name}` in the files of AWS")));
        }
    };
    let mut builder = builder;
    use AmazonS3ConfigKey::{DefaultRegion, Endpoint, Region, S3Endpoint};
    let unset = |keys: [AmazonS3ConfigKey; 2]| keys.iter().all(|key| builder.get_config_value(key).is_none());
    let region = profile.get("region").filter(|_| unset([Region, DefaultRegion]));
    let endpoint = profile.get("endpoint_url").filter(|_| unset([Endpoint, S3Endpoint]));
    if let Some(region) = region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(keys) = keys {
        return Ok(builder.with_credentials(Arc::new(KeptKeys::of(keys.clone()))));
    }
    let is_told = builder.get_config_value(&AmazonS3ConfigKey::AccessKeyId).is_some()
        || builder.get_config_value(&AmazonS3ConfigKey::SkipSignature).is_some_and(|value| value == "true")
        || BEFORE_PROFILES.iter().any(|name| has(name));
    if is_told {
        return Ok(builder);
    }
    match (profile.get("aws_access_key_id"), profile.get("aws_secret_access_key"), profile.get("credential_process")) {
        (Some(id), Some(secret), _) => {
            let builder = builder.with_access_key_id(id).with_secret_access_key(secret);
            Ok(match profile.get("aws_session_token") {
                Some(token) => builder.with_token(token),
                None => builder,
            })
        }
        (_, _, Some(command)) => {
            let program = Arc::new(Program { command: words(command) });
            Ok(builder.with_credentials(Arc::new(KeptKeys::of(program))))
        }
        _ if asked.is_some() => Err(StoreError::Profile(name)),
        _ if has_machine_role(&builder) => Ok(builder),
        _ => Err(StoreError::NoCredentials),
    }
}

/// Whether this may be a machine of AWS, which gives the keys of its role. A connection elsewhere would be tried for
/// minutes.
fn has_machine_role(builder: &AmazonS3Builder) -> bool {
    const USUAL: &str = "169.254.169.254:80";
    const WAIT: Duration = Duration::from_secs(1);
    if env::var("AWS_EC2_METADATA_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true")) {
        return false;
    }
    let endpoint = builder.get_config_value(&AmazonS3ConfigKey::MetadataEndpoint);
    let host = endpoint.as_deref().map_or(USUAL, |url| url.split("://").last().unwrap_or(url).trim_end_matches('/'));
    let address = host.to_socket_addrs().ok().and_then(|mut found| found.next());
    // Whoever names another endpoint without a port knows that it is there.
    address.map_or(endpoint.is_some(), |address| TcpStream::connect_timeout(&address, WAIT).is_ok())
}

/// A profile; none if no file has it. Keys in the file of credentials come first.
fn profile_of(name: &str) -> Option<Profile> {
    let file = |variable: &str, usual: &str| {
        let path = env::var_os(variable).map(PathBuf::from);
        let path = path.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".aws").join(usual)))?;
        fs::read_to_string(path).ok()
    };
    let in_config = if name == "default" { name.to_owned() } else { format!("profile {name}") };
    let config = file("AWS_CONFIG_FILE", "config").and_then(|text| section(&text, &in_config));
    let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials").and_then(|text| section(&text, name));
    match (config, credentials) {
        (None, None) => None,
        (config, credentials) => {
            let mut profile = config.unwrap_or_default();
            profile.extend(credentials.unwrap_or_default());
            Some(profile)
        }
    }
}

/// The settings in a section of a file; none if there is no such section. What is indented belongs to the line above.
fn section(text: &str, name: &str) -> Option<Profile> {
    let (mut found, mut is_in) = (None, false);
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(title) = trimmed.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            is_in = title.split_whitespace().eq(name.split_whitespace());
            if is_in {
                found.get_or_insert_with(Profile::new);
            }
        } else if is_in
            && !line.starts_with([' ', '\t', '#', ';'])
            && let Some((key, value)) = trimmed.split_once('=')
        {
            found.get_or_insert_with(Profile::new).insert(key.trim().to_lowercase(), value.trim().to_owned());
        }
    }
    found
}

/// The words of a command, in which quotes keep blanks.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for sign in command.chars() {
        match (sign, quote) {
            (sign, Some(open)) if sign == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(sign);
                word.get_or_insert_with(String::new);
            }
            (sign, None) if sign.is_whitespace() => words.extend(word.take()),
            (sign, _) => word.get_or_insert_with(String::new).push(sign),
        }
    }
    words.extend(word);
    words
}

/// Keys that are asked for again before they expire.
struct KeptKeys {
    source: Arc<dyn KeySource>,
    /// The keys, and until when they are taken; none for ever.
    keys: Mutex<Option<(Arc<AwsCredential>, Option<SystemTime>)>>,
}

impl KeptKeys {
    fn of(source: Arc<dyn KeySource>) -> KeptKeys {
        KeptKeys { source, keys: Mutex::default() }
    }
}

impl std::fmt::Debug for KeptKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Arguments of a program may be secret.
        f.debug_struct("KeptKeys").finish_non_exhaustive()
    }
}

/// A program that prints keys.
struct Program {
    command: Vec<String>,
}

/// What the program prints.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<String>,
}

#[async_trait]
impl CredentialProvider for KeptKeys {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> Result<Arc<AwsCredential>, Error> {
        // Held while keys are asked for, so that they are asked for once.
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |end: &Option<SystemTime>| end.is_none_or(|end| SystemTime::now() < end);
        if let Some((known, end)) = &*keys
            && is_fresh(end)
        {
            return Ok(known.clone());
        }
        let failed = |reason: String| Error::Generic { store: "S3", source: reason.into() };
        let StoreKeys { key_id, secret_key, token, expires } = self.source.keys().map_err(failed)?;
        let end = expires.map(|end| end.checked_sub(MARGIN).unwrap_or(end).max(SystemTime::now() + LEAST));
        let fresh = Arc::new(AwsCredential { key_id, secret_key, token });
        *keys = Some((fresh.clone(), end));
        Ok(fresh)
    }
}

impl KeySource for Program {
    fn keys(&self) -> Result<StoreKeys, String> {
        let printed = self.run()?;
        let time = |text: &String| {
            let nanos = string_to_timestamp_nanos(text).ok().and_then(|nanos| u64::try_from(nanos).ok());
            let end = nanos.map(|nanos| SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos));
            end.ok_or_else(|| "the credential_process prints no time of expiration".to_owned())
        };
        let expires = printed.expiration.as_ref().map(time).transpose()?;
        let Printed { access_key_id: key_id, secret_access_key: secret_key, session_token: token, .. } = printed;
        Ok(StoreKeys { key_id, secret_key, token, expires })
    }
}

impl Program {
    /// Runs the program. Nothing that it prints is told.
    fn run(&self) -> Result<Printed, String> {
        let (program, arguments) = self.command.split_first().ok_or("the credential_process is empty")?;
        let output = Command::new(program).args(arguments).output();
        let output = output.map_err(|error| format!("the credential_process `{program}` can't be run: {error}"))?;
        if !output.status.success() {
            return Err(format!("the credential_process `{program}` failed: {}", output.status));
        }
        serde_json::from_slice(&output.stdout).map_err(|_| format!("the credential_process `{program}` prints no keys"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_hold_settings() {
        let text =
            "[default]\nregion = eu\n\n# none\n[profile  a b]\nAWS_Access_Key_ID=x=y\ns3 =\n    region = no\n[other]\n";
        assert_eq!(section(text, "default"), Some(HashMap::from([("region".to_owned(), "eu".to_owned())])));
        let found = section(text, "profile a b").unwrap();
        assert_eq!((&*found["aws_access_key_id"], found.get("region")), ("x=y", None));
        assert_eq!((section(text, "other"), section(text, "none")), (Some(HashMap::new()), None));
    }

    #[test]
    fn quotes_keep_blanks() {
        assert_eq!(words("  a \"b c\"d 'e \"f' '' "), ["a", "b cd", "e \"f", ""]);
        assert_eq!(words(" "), [""; 0]);
    }
}
