//! What only people know about a dataset: keys of the card's front matter that are theirs.

use std::str::FromStr;

use super::parts::Parts;
use super::text::yaml_string;

/// What only people know about a dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its name, for people: `pretty_name` in the front matter.
    pub title: Option<String>,
    /// Its license: `license` in the front matter, and `license_link` of one that is a URL.
    pub license: Option<License>,
    /// Where the images are from, a URL or a text: `source` in the front matter.
    pub source: Option<String>,
}

/// A license: an identifier such as `cc-by-4.0`, or a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct License(String);

impl License {
    /// The identifier or URL; empty if there is to be none.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a URL.
    pub fn is_url(&self) -> bool {
        self.0.contains("://")
    }
}

impl FromStr for License {
    type Err = String;

    /// Parses an identifier of SPDX or of the Hub of Hugging Face, which has them in lower case, or a URL.
    fn from_str(text: &str) -> Result<License, String> {
        let is_url = text.split_once("://").is_some_and(|(scheme, rest)| {
            !scheme.is_empty() && !rest.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
        });
        let is_identifier = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '+' | '_'));
        match (is_url, is_identifier) {
            (true, _) => Ok(License(text.to_owned())),
            (_, true) => Ok(License(text.to_ascii_lowercase())),
            _ => Err(format!("`{text}` is neither an identifier such as cc-by-4.0 nor a URL")),
        }
    }
}

impl About {
    /// What a card says; nothing if it can't be taken apart.
    pub fn of(card: &str) -> About {
        let Ok(parts) = Parts::of(card) else { return About::default() };
        let text_of = |key: &str| parts.text_of(key).filter(|text| !text.is_empty());
        let license = text_of("license_link").or_else(|| text_of("license"));
        About { title: text_of("pretty_name"), license: license.map(License), source: text_of("source") }
    }

    /// This, with what is not said taken from `other`.
    pub fn or(self, other: About) -> About {
        About {
            title: self.title.or(other.title),
            license: self.license.or(other.license),
            source: self.source.or(other.source),
        }
    }

    /// The lines of the front matter for what is said, by their keys. Those of an empty text are removed.
    pub(super) fn keys(&self) -> Vec<(&'static str, String)> {
        let line = |key: &'static str, text: &str| match text {
            "" => (key, String::new()),
            text => (key, format!("{key}: {}\n", yaml_string(text))),
        };
        let mut keys = Vec::new();
        keys.extend(self.title.as_deref().map(|title| line("pretty_name", title)));
        if let Some(license) = &self.license {
            let (identifier, link) = if license.is_url() { ("other", &*license.0) } else { (&*license.0, "") };
            // An identifier is the same text without quotes.
            let of_identifier = if identifier.is_empty() { String::new() } else { format!("license: {identifier}\n") };
            keys.extend([("license", of_identifier), line("license_link", link)]);
            keys.push(("license_name", String::new()));
        }
        keys.extend(self.source.as_deref().map(|source| line("source", source)));
        keys
    }

    /// Without what is to be removed.
    pub(super) fn said(self) -> About {
        About {
            title: self.title.filter(|title| !title.is_empty()),
            license: self.license.filter(|license| !license.0.is_empty()),
            source: self.source.filter(|source| !source.is_empty()),
        }
    }
}
