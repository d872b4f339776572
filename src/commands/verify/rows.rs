//! Rows compared with the manifest and with the files that they were made of.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use twox_hash::xxhash3_128;

use super::{Findings, without_path};
use crate::dataset::manifest::{Manifest, SplitInfo};
use crate::dataset::names::MANIFEST;
use crate::error::{Error, FormatError, counted};
use crate::format::files::Files;
use crate::format::sha256::Sha256;
use crate::format::shard::{Footer, ShardInfo};
use crate::pipeline;
use crate::run::RunOptions;
use crate::source::{Listing, Record, Source};
use crate::spec::{Format, Split};

/// Maximum number of rows without a source file to list.
const NAMED: usize = 20;

/// The findings over the rows of all splits.
#[derive(Default)]
pub(super) struct Rows<'a> {
    /// Number of rows by the XXH3-128 of their key. Among a million keys, two collide with a probability of 2^-88.
    pub(super) keys: HashMap<u128, usize>,
    /// Source files, sorted by key.
    pub(super) records: &'a [Record],
    /// Stored hash of the source file of each row, by the index of its record.
    pub(super) sources: BTreeMap<usize, Option<Sha256>>,
    /// Number of rows without a source file.
    pub(super) missing: usize,
    /// Keys of the first rows without a source file.
    pub(super) first_missing: BTreeSet<String>,
}

impl Rows<'_> {
    fn miss(&mut self, key: &str) {
        self.missing += 1;
        self.first_missing.insert(key.to_owned());
        if self.first_missing.len() > NAMED {
            self.first_missing.pop_last();
        }
    }
}

/// The footer of a shard, whatever its columns are.
fn footer_of(files: &dyn Files, shard: &ShardInfo, format: Format) -> Result<Footer, FormatError> {
    Footer::of_stored(&files.path(&shard.file), files.open(&shard.file)?, shard, format)
}

impl Findings {
    /// Reads and checks the rows of a split, without their tensors.
    pub(super) fn check_split(
        &mut self,
        files: &dyn Files,
        split: Split,
        info: &SplitInfo,
        manifest: &Manifest,
        readable: &BTreeSet<&str>,
        rows: &mut Rows<'_>,
    ) {
        let mut labels = vec![0; manifest.snapshot.classes.len()];
        let mut whole = true;
        for shard in &info.shards {
            if !readable.contains(&*shard.file) {
                whole = false;
                continue;
            }
            // One at a time: there may be more shards than the limit of open files.
            let footer = match footer_of(files, shard, manifest.spec.format) {
                Ok(footer) => footer,
                Err(error) => {
                    whole = false;
                    self.add(&shard.file, without_path(error));
                    continue;
                }
            };
            // A shard has the classes of the time when it was written; later classes follow them.
            if footer.classes().is_some_and(|names| !manifest.snapshot.classes.starts_with(&names)) {
                self.add(MANIFEST, format!("its classes differ from those of `{}`", shard.file));
            }
            let (mut count, mut problems) = (0, Vec::new());
            let outcome = footer.visit_rows(&mut |row| {
                count += 1;
                let seen = rows.keys.entry(xxhash3_128::Hasher::oneshot(row.path.as_bytes())).or_default();
                *seen += 1;
                if *seen == 2 {
                    problems.push(format!("duplicate key `{}`", row.path));
                }
                match row.label.map(usize::try_from) {
                    None => {}
                    Some(Ok(label)) if label < labels.len() => labels[label] += 1,
                    Some(_) => problems.push(format!("label of `{}` is out of range", row.path)),
                }
                if row.sha256.is_none() {
                    problems.push(format!("`{}` has an invalid SHA-256", row.path));
                }
                match rows.records.binary_search_by(|record| (*record.key).cmp(row.path)) {
                    Ok(index) => drop(rows.sources.insert(index, row.sha256)),
                    Err(_) => rows.miss(row.path),
                }
            });
            problems.extend(outcome.err().map(without_path));
            if count != shard.rows {
                problems.push(format!("it has {} instead of {}", counted(count, "row"), shard.rows));
            }
            problems.into_iter().for_each(|problem| self.add(&shard.file, problem));
        }
        let counted = |count: fn(&ShardInfo) -> u64| info.shards.iter().map(count).sum::<u64>();
        if counted(|shard| shard.rows as u64) != info.rows as u64 || counted(|shard| shard.bytes) != info.bytes {
            self.add(MANIFEST, format!("rows or bytes of {split} do not match the sum over its shards"));
        }
        let expected = (0..labels.len()).map(|label| info.rows_of(Some(label as u32)));
        if whole && !labels.iter().copied().eq(expected) {
            self.add(MANIFEST, format!("rows per class of {split} do not match its shards"));
        }
    }

    /// Compares the source files with the hashes stored in their rows.
    pub(super) fn check_sources(
        &mut self,
        source: &dyn Source,
        listing: &Listing,
        made_of: BTreeMap<usize, Option<Sha256>>,
        manifest: &Manifest,
        pool: &rayon::ThreadPool,
        options: &RunOptions,
    ) -> Result<(), Error> {
        let records: Vec<Record> = made_of.keys().map(|&index| listing.records[index].clone()).collect();
        let count = |files| options.progress.add(files);
        let hashes = pipeline::hash_files(source, &records, &manifest.spec, pool, options, &count)?;
        for ((record, hash), expected) in records.iter().zip(hashes).zip(made_of.into_values()) {
            match hash {
                Ok(hash) if Some(hash) == expected => {}
                Ok(_) => self.add(&*record.key, "it has changed since its row was written"),
                Err(error) => self.add(&*record.key, error.to_string()),
            }
        }
        Ok(())
    }

    /// Reports rows without a source file.
    pub(super) fn tell_missing(&mut self, first: &BTreeSet<String>, all: usize) {
        first.iter().for_each(|key| self.add(&**key, "its source file is missing"));
        match all - first.len() {
            0 => {}
            1 => self.add(".", "the source file of 1 more row is missing"),
            n => self.add(".", format!("the source files of {n} more rows are missing")),
        }
    }
}
