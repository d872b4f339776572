//! A written plan: what those who work on its items and those who commit it read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::dataset::manifest::Manifest;
use crate::dataset::reject::Reject;
use crate::error::{Error, PlanError};
use crate::format::shard::Checksum;
use crate::items::header::{Header, RejectLimits, features};
use crate::items::item::Item;
use crate::items::item_files;
use crate::items::outcome::Outcome;
use crate::items::run_files::{RUNS, RunFiles, run_files};
use crate::items::sealed::{seal, unseal};
use crate::remote::files_at;
use crate::run::{RunOptions, StorageOptions};

/// Name of the header.
const PLAN: &str = "plan.jsonl";

/// A written plan.
#[derive(Clone, Debug)]
pub(crate) struct WrittenPlan {
    /// Path or URL of the run.
    pub(crate) run: PathBuf,
    /// Path or URL of the dataset.
    pub(crate) out: PathBuf,
    pub(crate) files: Arc<dyn RunFiles>,
    pub(crate) header: Header,
}

/// What is found at the path of a run.
#[derive(Debug)]
pub(crate) enum Found {
    /// Its plan.
    Plan(Box<WrittenPlan>),
    /// The dataset that it has made.
    Dataset(PathBuf, Box<Manifest>),
}

impl WrittenPlan {
    /// The run with this checksum, of the dataset at a path or URL; none if it has no plan.
    ///
    /// # Errors
    /// If the plan can't be read, or is one of another build.
    pub(crate) fn of(out: &Path, run: Checksum, options: &StorageOptions) -> Result<Option<WrittenPlan>, Error> {
        let name = name_of(run);
        let files = run_files(out, &name, options)?;
        let path = path_of(out, &name);
        let unfit = |reason| Error::Plan { run: path.clone(), reason };
        let Some(text) = files.files().read(&format!("{}/{PLAN}", files.name()))? else { return Ok(None) };
        let damaged = |reason: String| unfit(PlanError::Damaged(reason));
        let one = || damaged("it has not one line".to_owned());
        let [told] = <[Value; 1]>::try_from(unseal(&text).map_err(damaged)?).map_err(|_| one())?;
        let wrong = |error: serde_json::Error| damaged(error.to_string());
        let (build, here): (Build, _) = (Build::deserialize(&told).map_err(wrong)?, Build::here());
        if build != here {
            return Err(unfit(PlanError::OtherBuild { planned: build.to_string(), here: here.to_string() }));
        }
        let header = serde_json::from_value(told).map_err(wrong)?;
        Ok(Some(WrittenPlan { run: path, out: out.to_owned(), files, header }))
    }

    /// What is at the path or URL of a run.
    ///
    /// # Errors
    /// If there is neither its plan nor the dataset that it has made, or the plan is one of another build.
    pub(crate) fn find(run: &Path, options: &StorageOptions) -> Result<Found, Error> {
        let unfit = |reason| Error::Plan { run: run.to_owned(), reason };
        let (out, checksum) = parts_of(run).ok_or_else(|| unfit(PlanError::Missing))?;
        let there = || Manifest::read_from(&*files_at(&out, options)?).map_err(Error::from);
        let is_made = |manifest: &Manifest| manifest.conversion == Some(checksum) && manifest.unfinished.is_none();
        let manifest = there()?;
        // Whatever is left of its plan.
        if let Some(manifest) = manifest.filter(is_made) {
            return Ok(Found::Dataset(out, Box::new(manifest)));
        }
        if let Some(plan) = WrittenPlan::of(&out, checksum, options)? {
            return Ok(Found::Plan(Box::new(plan)));
        }
        // It may have been committed, and its plan removed, in between.
        match there()? {
            Some(manifest) if is_made(&manifest) => Ok(Found::Dataset(out, Box::new(manifest))),
            Some(_) => Err(unfit(PlanError::Superseded)),
            None => Err(unfit(PlanError::Missing)),
        }
    }

    /// The plan, with the limits of rejects that `options` has: those alone may differ where a plan is made again.
    ///
    /// # Errors
    /// If it can't be written.
    pub(crate) fn with_limits(mut self, options: &RunOptions) -> Result<WrittenPlan, Error> {
        let limits = RejectLimits::of(options, self.header.inputs);
        if limits != self.header.limits {
            self.header.limits = limits;
            self.files.put(PLAN, &seal(&[&self.header]))?;
        }
        Ok(self)
    }

    pub(crate) fn unfit(&self, reason: PlanError) -> Error {
        Error::Plan { run: self.run.clone(), reason }
    }

    fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.files.name())
    }

    /// An item.
    ///
    /// # Errors
    /// If there is none of this number, or it can't be read.
    pub(crate) fn item(&self, item: usize) -> Result<Item, Error> {
        let Header { items, classes, spec, .. } = &self.header;
        if item >= *items {
            return Err(self.unfit(PlanError::NoItem { item, items: *items }));
        }
        let bytes = item_files::read(&**self.files.files(), self.files.name(), &self.header, item)?;
        Item::parse(&bytes, classes, spec.label)
            .map_err(|error| self.unfit(PlanError::Damaged(format!("item {item}: {error}"))))
    }

    /// Inputs that the plan leaves out.
    ///
    /// # Errors
    /// If they can't be read.
    pub(crate) fn rejects(&self) -> Result<Vec<Reject>, Error> {
        let text = self.files.files().read(&self.name(&rejects_of(&self.header)))?;
        let damaged = |reason| self.unfit(PlanError::Damaged(reason));
        unseal(&text.unwrap_or_default()).map_err(damaged)
    }

    /// Whether the plan is still there: a commit removes it.
    ///
    /// # Errors
    /// If that can't be told.
    pub(crate) fn is_there(&self) -> Result<bool, Error> {
        Ok(self.files.files().exists(&self.name(PLAN))?)
    }

    /// Checks that the plan is still there, so that little may come back after a commit has removed it.
    ///
    /// # Errors
    /// If it is not.
    pub(crate) fn check_there(&self) -> Result<(), Error> {
        if self.is_there()? { Ok(()) } else { Err(self.unfit(PlanError::Missing)) }
    }

    /// Items that are not done, in ascending order.
    ///
    /// # Errors
    /// If the records can't be listed.
    pub(crate) fn missing(&self) -> Result<Vec<usize>, Error> {
        let (mut is_done, end) = (vec![false; self.header.items], format!("-{}.jsonl", self.header.fingerprint));
        for (name, _) in self.files.files().entries(&self.name("done"))? {
            let number = name.strip_suffix(&*end).and_then(|number| number.parse::<usize>().ok());
            if let Some(is_done) = number.and_then(|number| is_done.get_mut(number)) {
                *is_done = true;
            }
        }
        Ok((0..).zip(is_done).filter(|(_, is_done)| !is_done).map(|(item, _)| item).collect())
    }

    /// Checks that all items are done.
    ///
    /// # Errors
    /// If one is not.
    pub(crate) fn check_done(&self) -> Result<(), Error> {
        let (items, missing) = (self.header.items, self.missing()?);
        match missing.first() {
            None => Ok(()),
            Some(&first) => Err(self.unfit(PlanError::NotDone { missing: missing.len(), items, first })),
        }
    }

    /// What became of an item; none if it is not done.
    ///
    /// # Errors
    /// If its record can't be read.
    pub(crate) fn outcome(&self, item: usize) -> Result<Option<Outcome>, Error> {
        let Some(text) = self.files.files().read(&self.name(&self.record(item)))? else { return Ok(None) };
        let damaged = |reason| self.unfit(PlanError::Damaged(format!("item {item}: {reason}")));
        let told = unseal::<Outcome>(&text).map_err(damaged)?;
        let [outcome] = <[Outcome; 1]>::try_from(told).map_err(|_| damaged("it has not one line".to_owned()))?;
        match outcome.item == item {
            true => Ok(Some(outcome)),
            false => Err(damaged(format!("its record is that of item {}", outcome.item))),
        }
    }

    /// As [`WrittenPlan::outcome`]; none also if its record is damaged, so that the item is done again.
    ///
    /// # Errors
    /// If its record can't be read.
    pub(crate) fn sound_outcome(&self, item: usize) -> Result<Option<Outcome>, Error> {
        match self.outcome(item) {
            Err(Error::Plan { reason: PlanError::Damaged(_), .. }) => Ok(None),
            outcome => outcome,
        }
    }

    /// Writes down what became of an item.
    ///
    /// # Errors
    /// If it can't be written, or the plan is gone.
    pub(crate) fn set_outcome(&self, outcome: &Outcome) -> Result<(), Error> {
        self.files.put(&self.record(outcome.item), &seal(&[outcome]))
    }

    /// Forgets what became of an item, whose shard is gone.
    ///
    /// # Errors
    /// If its record can't be removed.
    pub(crate) fn forget(&self, item: usize) -> Result<(), Error> {
        self.files.remove(&self.record(item))
    }

    /// Name of the record of an item.
    fn record(&self, item: usize) -> String {
        format!("done/{item:06}-{}.jsonl", self.header.fingerprint)
    }
}

impl WrittenPlan {
    /// Writes the last files of a plan: from then on it is one.
    ///
    /// # Errors
    /// If they can't be written.
    pub(crate) fn write(
        out: &Path,
        files: Arc<dyn RunFiles>,
        header: Header,
        rejects: &[Reject],
    ) -> Result<WrittenPlan, Error> {
        files.put(&rejects_of(&header), &seal(rejects))?;
        files.put(PLAN, &seal(&[&header]))?;
        Ok(WrittenPlan { run: path_of(out, &name_of(header.run)), out: out.to_owned(), files, header })
    }
}

/// What decides whether a build makes the bytes that were planned.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Build {
    tool: String,
    features: Vec<String>,
}

impl Build {
    fn here() -> Build {
        Build { tool: format!("inlaid {}", env!("CARGO_PKG_VERSION")), features: features() }
    }
}

impl std::fmt::Display for Build {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.features {
            [] => write!(f, "{} without features", self.tool),
            features => write!(f, "{} with {}", self.tool, features.join(", ")),
        }
    }
}

/// Name of the list of inputs that the plan leaves out.
fn rejects_of(header: &Header) -> String {
    format!("rejects-{}.jsonl", header.fingerprint)
}

/// Name of a run: the digits of its checksum.
pub(crate) fn name_of(run: Checksum) -> String {
    run.to_string().rsplit(':').next().unwrap_or_default().to_owned()
}

/// Path or URL of a run of the dataset at a path or URL.
pub(crate) fn path_of(out: &Path, name: &str) -> PathBuf {
    out.join(RUNS).join(name)
}

/// The dataset of a run, and its checksum.
fn parts_of(run: &Path) -> Option<(PathBuf, Checksum)> {
    let text = run.to_str()?.trim_end_matches('/');
    let (out, name) = text.rsplit_once('/')?;
    let out = out.strip_suffix(RUNS)?;
    let out = if out.len() > 1 { out.strip_suffix('/')? } else { out };
    let checksum = Checksum::try_from(format!("xxh3-128:{name}")).ok()?;
    Some((PathBuf::from(if out.is_empty() { "." } else { out }), checksum))
}
