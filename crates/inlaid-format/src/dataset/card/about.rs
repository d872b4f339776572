//! What only people know about a dataset: keys of the card's front matter that are theirs.

use std::str::FromStr;

use super::parts::Parts;
use super::text::yaml_string;

/// What only people know about a dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its name, for people: `pretty_name` in the front matter.
    pub title: Option<String>,
    /// Its license: `license` in the front matter; where that is `other`, a URL in `license_link`, or else `license_name`.
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
        is_url(&self.0)
    }
}

impl FromStr for License {
    type Err = String;

    /// Parses an identifier of SPDX or of the Hub of Hugging Face, which has them in lower case, or a URL.
    fn from_str(text: &str) -> Result<License, String> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '+' | '_');
        let is_identifier =
            text.is_empty() || text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(is_part);
        match (is_url(text), is_identifier) {
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
        let of_other = || text_of("license_link").filter(|link| is_url(link)).or_else(|| text_of("license_name"));
        let license = text_of("license");
        let license = license.map(|license| if license == "other" { of_other().unwrap_or(license) } else { license });
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
            let identifier = if license.is_url() { "other" } else { &*license.0 };
            // Most are the same text without quotes.
            keys.push(match identifier {
                "" | "n" | "no" | "null" | "off" | "on" | "true" | "false" | "y" | "yes" => line("license", identifier),
                _ => ("license", format!("license: {identifier}\n")),
            });
            match (license.is_url(), identifier) {
                (true, _) => keys.push(line("license_link", &license.0)),
                // What name and link there are belong to it.
                (_, "other") => {}
                _ => keys.extend([("license_link", String::new()), ("license_name", String::new())]),
            }
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

/// Whether a text is a URL of the web.
pub(super) fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>'))
    })
}
