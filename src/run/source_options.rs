//! How sources are read.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use crate::spec::ColumnSpec;

/// How sources are read: which of their columns are what. A dataset has what follows from them, not these options.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SourceOptions {
    /// Table of the images: CSV, TSV, JSON lines, Parquet or Arrow. Default: a `metadata` table beside the images or in
    /// a folder above them, the nearest one.
    pub metadata: Option<PathBuf>,
    /// List of image files, one in each line or separated by NUL, `-` for standard input. A tab separates a path from
    /// its label. Default: none, all files of the sources are inputs.
    pub files_from: Option<PathBuf>,
    /// Column with the names of image files. Default: `file_name`.
    pub file_column: Option<String>,
    /// Column or array with the images, where there is a choice. Default: the only one, or the first with an image by
    /// its type.
    pub image_column: Option<String>,
    /// Columns with labels: one of class names, numbers, or lists of them; or several, one for each class, of 0 and 1.
    /// Default: the column `label`, if there is one.
    pub label_columns: Vec<String>,
    /// Types of columns that are not guessed.
    pub column_types: Vec<ColumnSpec>,
    /// Columns that become columns of the dataset. Default: all.
    pub keep_columns: Option<Vec<String>>,
    /// Settings and credentials of object stores, beside those of the environment, which they go before.
    pub storage: StorageOptions,
    /// Reaction to a row without a file, and to a file without a row. Default: [`OnMissing::Reject`].
    pub on_missing: OnMissing,
}

/// Settings and credentials of object stores by the names that `object_store` gives them: `access_key_id`, `region`,
/// `endpoint`, `account_name`, …. Their debug text has no values.
#[derive(Clone, Default)]
pub struct StorageOptions {
    settings: BTreeMap<String, String>,
    keys: Option<Arc<dyn KeySource>>,
}

/// Keys of a store such as S3.
#[derive(Clone)]
pub struct StoreKeys {
    /// What names the keys.
    pub key_id: String,
    /// What signs requests.
    pub secret_key: String,
    /// What goes with keys that expire.
    pub token: Option<String>,
    /// When they expire; none for never.
    pub expires: Option<SystemTime>,
}

/// What gives the keys of a store, and new ones before they expire.
pub trait KeySource: Send + Sync {
    /// The keys, as of now.
    ///
    /// # Errors
    /// The reason that there are none, without anything secret.
    fn keys(&self) -> Result<StoreKeys, String>;
}

impl StorageOptions {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty() && self.keys.is_none()
    }

    /// The same, with keys that come from `keys`, before all others. S3 alone takes them.
    pub fn with_keys(self, keys: Arc<dyn KeySource>) -> StorageOptions {
        StorageOptions { keys: Some(keys), ..self }
    }

    /// Names and values.
    #[cfg(feature = "remote")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().map(|(name, value)| (&**name, &**value))
    }

    /// What gives the keys, if they are no settings.
    #[cfg(feature = "remote")]
    pub(crate) fn keys(&self) -> Option<&Arc<dyn KeySource>> {
        self.keys.as_ref()
    }
}

impl FromIterator<(String, String)> for StorageOptions {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(options: I) -> StorageOptions {
        StorageOptions { settings: options.into_iter().collect(), keys: None }
    }
}

impl fmt::Debug for StoreKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreKeys").finish_non_exhaustive()
    }
}

impl fmt::Debug for StorageOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.settings.keys()).finish()
    }
}

/// Reaction to a row of a table without a file, and to a file without a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnMissing {
    /// List it among the rejects.
    #[default]
    Reject,
    /// Stop.
    Stop,
}
