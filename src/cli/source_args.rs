//! The arguments of the command line that say what is what in a source.

use std::path::PathBuf;

use clap::Args;

use crate::{ColumnSpec, OnMissing, SourceOptions, SpecError, StorageOptions};

/// Options that say what is what in a source
#[derive(Args)]
#[command(next_help_heading = "Source")]
pub struct Inputs {
    /// Table of the images: csv, tsv, jsonl, parquet or arrow [default: `metadata.*` beside or above them]
    #[arg(long, value_name = "FILE")]
    metadata: Option<PathBuf>,
    /// Column of file names, with or without extension [default: file_name]
    #[arg(long, value_name = "NAME")]
    file_column: Option<String>,
    /// Column or array of images, if there are several
    #[arg(long, value_name = "NAME")]
    image_column: Option<String>,
    /// Column of labels, or one of 0 and 1 for each class [default: label]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    label_column: Vec<String>,
    /// Type of a column, instead of a guess: int64, float64, bool, timestamp or string
    #[arg(long = "column", value_name = "NAME:TYPE", value_parser = column)]
    column_types: Vec<ColumnSpec>,
    /// Columns to keep, separated by commas, or none [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    keep_columns: Option<Vec<String>>,
    /// If a row of the table has no file, or a file no row: reject and list it, or stop
    #[arg(long, default_value = "reject", value_parser = ["reject", "stop"])]
    missing: String,
    /// Take the images that a list names, - for standard input: paths in lines or separated by NUL, with a label after a tab
    #[arg(long, value_name = "FILE")]
    files_from: Option<PathBuf>,
}

impl Inputs {
    /// The options of the library.
    pub fn resolve(&self) -> SourceOptions {
        let kept = |names: Vec<String>| match &*names {
            [name] if name == "none" => Vec::new(),
            _ => names,
        };
        SourceOptions {
            metadata: self.metadata.clone(),
            files_from: self.files_from.clone(),
            file_column: self.file_column.clone(),
            image_column: self.image_column.clone(),
            label_columns: self.label_column.clone(),
            column_types: self.column_types.clone(),
            keep_columns: self.keep_columns.clone().map(kept),
            storage: StorageOptions::default(),
            on_missing: if self.missing == "stop" { OnMissing::Stop } else { OnMissing::Reject },
        }
    }
}

/// A column and its type, as in `id:string`.
fn column(text: &str) -> Result<ColumnSpec, String> {
    let (name, kind) = text.rsplit_once(':').ok_or("it is a name and a type, as in `id:string`")?;
    Ok(ColumnSpec::new(name, kind.parse().map_err(|error: SpecError| error.to_string())?))
}
