//! What an error of a store says. Its text is not shown: it holds URLs, which may be signed.

use std::error::Error as _;

use object_store::client::HttpError;
use object_store::{Error, path};

use super::web::NO_LISTING;
use crate::error::StoreError;

/// Where machines ask for the keys of their roles.
const ROLES: [&str; 2] = ["http://169.254.169.254/", "http://metadata.google.internal/"];

/// What an error of a store says.
pub(super) fn told(error: &Error) -> StoreError {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        // What the Hub says is known already.
        if let Some(known) = error.downcast_ref::<StoreError>() {
            return known.clone();
        }
        texts.push(error.to_string());
        cause = error.source();
    }
    let text = texts.join("\n");
    // What was found before any request, in words of whoever gives keys.
    if let Some(own) = texts.iter().rev().find(|text| text.starts_with("the credential_pro")) {
        return StoreError::Settings(own.clone());
    }
    let code = between(&text, "<Code>", "</Code>").or_else(|| between(&text, "\"reason\": \"", "\""));
    let status = between(&text, "status code: ", ":").and_then(|status| status.split(' ').next()?.parse().ok());
    match (error, code.as_deref(), status) {
        (_, Some("NoSuchBucket" | "ContainerNotFound"), _) => StoreError::NoBucket,
        (_, Some("ExpiredToken" | "TokenRefreshRequired" | "RequestExpired"), _) => StoreError::Expired,
        (_, Some("RequestTimeTooSkewed"), _) => StoreError::Clock,
        (_, Some("AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException"), _) => {
            StoreError::Region
        }
        (Error::Precondition { .. }, ..) | (_, _, Some(412)) => StoreError::Changed,
        (Error::PermissionDenied { .. } | Error::Unauthenticated { .. }, code, _) | (_, code, Some(401 | 403)) => {
            StoreError::Denied(code.unwrap_or("no permission").to_owned())
        }
        (Error::NotFound { .. }, ..) | (_, _, Some(404)) => StoreError::NotFound,
        (Error::NotSupported { .. }, ..) => StoreError::NoParts,
        (Error::NotImplemented { operation, .. }, ..) if operation == NO_LISTING => StoreError::NoListing,
        _ if text.contains("Content-Length Header missing") => StoreError::NoLength,
        (_, code, Some(status)) => StoreError::Status { status, code: code.unwrap_or_default().to_owned() },
        (_, _, None) if text.contains("redirect without LOCATION") => StoreError::Region,
        (_, _, None) if ROLES.iter().any(|url| text.contains(url)) => StoreError::NoCredentials,
        (Error::InvalidPath { source }, ..) => StoreError::Key(key_of(source)),
        _ if is_of_connection(error) => StoreError::Unreachable,
        _ => StoreError::Answer,
    }
}

/// Whether an error is of a connection, or of an answer that broke off.
fn is_of_connection(error: &Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<HttpError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What an error says in the end, of a setting before any request.
pub(super) fn cause_of(error: &Error) -> String {
    let mut last = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        last = error.to_string();
        cause = error.source();
    }
    last
}

/// The key of an error.
fn key_of(error: &path::Error) -> String {
    match error {
        path::Error::EmptySegment { path } | path::Error::BadSegment { path, .. } => path.clone(),
        error => error.to_string(),
    }
}

fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let (_, rest) = text.split_once(before)?;
    let (found, _) = rest.split_once(after)?;
    Some(found.chars().filter(|sign| !sign.is_control()).take(100).collect())
}
