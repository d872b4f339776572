//! A written plan: what those who work on its items and those who commit it read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dataset::manifest::Manifest;
use crate::dataset::names::REJECTS;
use crate::dataset::reject::{Reject, read_rejects};
use crate::error::{Error, PlanError};
use crate::format::shard::Checksum;
use crate::items::header::{Header, features};
use crate::items::item::Item;
use crate::items::item_files;
use crate::items::outcome::Outcome;
use crate::items::run_files::{RUNS, RunFiles, run_files};
use crate::run::StorageOptions;

/// Name of the header.
const PLAN: &str = "plan.json";

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
        let damaged = |error: serde_json::Error| unfit(PlanError::Damaged(error.to_string()));
        let build: Build = serde_json::from_slice(&text).map_err(damaged)?;
        let here = Build::here();
        if build != here {
            return Err(unfit(PlanError::OtherBuild { planned: build.to_string(), here: here.to_string() }));
        }
        let header = serde_json::from_slice(&text).map_err(damaged)?;
        Ok(Some(WrittenPlan { run: path, out: out.to_owned(), files, header }))
    }

    /// What is at the path or URL of a run.
    ///
    /// # Errors
    /// If there is neither its plan nor the dataset that it has made, or the plan is one of another build.
    pub(crate) fn find(run: &Path, options: &StorageOptions) -> Result<Found, Error> {
        let unfit = |reason| Error::Plan { run: run.to_owned(), reason };
        let (out, checksum) = parts_of(run).ok_or_else(|| unfit(PlanError::Missing))?;
        if let Some(plan) = WrittenPlan::of(&out, checksum, options)? {
            return Ok(Found::Plan(Box::new(plan)));
        }
        match Manifest::read_from(&*crate::remote::files_at(&out, options)?)? {
            Some(manifest) if manifest.conversion == Some(checksum) && manifest.unfinished.is_none() => {
                Ok(Found::Dataset(out, Box::new(manifest)))
            }
            Some(_) => Err(unfit(PlanError::Superseded)),
            None => Err(unfit(PlanError::Missing)),
        }
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
        let Header { items, files, classes, spec, .. } = &self.header;
        if item >= *items {
            return Err(self.unfit(PlanError::NoItem { item, items: *items }));
        }
        let bytes = item_files::read(&**self.files.files(), self.files.name(), files, *items, item)?;
        Item::parse(&bytes, classes, spec.label)
            .map_err(|error| self.unfit(PlanError::Damaged(format!("item {item}: {error}"))))
    }

    /// Inputs that the plan leaves out.
    ///
    /// # Errors
    /// If they can't be read.
    pub(crate) fn rejects(&self) -> Result<Vec<Reject>, Error> {
        Ok(read_rejects(&**self.files.files(), &self.name(REJECTS))?)
    }

    /// Whether the plan is still there: a commit removes it.
    ///
    /// # Errors
    /// If that can't be told.
    pub(crate) fn is_there(&self) -> Result<bool, Error> {
        Ok(self.files.files().exists(&self.name(PLAN))?)
    }

    /// Items that are not done, in ascending order.
    ///
    /// # Errors
    /// If the records can't be listed.
    pub(crate) fn missing(&self) -> Result<Vec<usize>, Error> {
        let mut is_done = vec![false; self.header.items];
        for (name, _) in self.files.files().entries(&self.name("done"))? {
            let number = name.strip_suffix(".json").and_then(|number| number.parse::<usize>().ok());
            if let Some(is_done) = number.and_then(|number| is_done.get_mut(number)) {
                *is_done = true;
            }
        }
        Ok((0..).zip(is_done).filter(|(_, is_done)| !is_done).map(|(item, _)| item).collect())
    }

    /// What became of an item; none if it is not done.
    ///
    /// # Errors
    /// If its record can't be read.
    pub(crate) fn outcome(&self, item: usize) -> Result<Option<Outcome>, Error> {
        let text = self.files.files().read(&self.name(&record(item)))?;
        let damaged = |error: serde_json::Error| self.unfit(PlanError::Damaged(format!("item {item}: {error}")));
        text.map(|text| serde_json::from_slice(&text).map_err(damaged)).transpose()
    }

    /// Writes down what became of an item.
    ///
    /// # Errors
    /// If it can't be written, or the plan is gone.
    pub(crate) fn set_outcome(&self, outcome: &Outcome) -> Result<(), Error> {
        // A commit that was made in the meantime has removed the plan: nothing may come back.
        if !self.is_there()? {
            return Err(self.unfit(PlanError::Missing));
        }
        let text = serde_json::to_vec(outcome).expect("it is made of texts and numbers");
        self.files.put(&record(outcome.item), &text)
    }

    /// Forgets what became of an item, whose shard is gone.
    ///
    /// # Errors
    /// If its record can't be removed.
    pub(crate) fn forget(&self, item: usize) -> Result<(), Error> {
        self.files.remove(&record(item))
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
        if !rejects.is_empty() {
            files.put(REJECTS, crate::dataset::reject::to_lines(rejects).as_bytes())?;
        }
        files.put(PLAN, &serde_json::to_vec(&header).expect("it is made of texts and numbers"))?;
        Ok(WrittenPlan { run: path_of(out, &name_of(header.run)), out: out.to_owned(), files, header })
    }
}

/// What decides whether a build makes the bytes that were planned.
#[derive(Debug, PartialEq, Eq, serde::Deserialize)]
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

/// Name of the record of an item.
fn record(item: usize) -> String {
    format!("done/{item:06}.json")
}

/// Name of a run: the digits of its checksum.
pub(crate) fn name_of(run: Checksum) -> String {
    run.to_string().rsplit(':').next().unwrap_or_default().to_owned()
}

/// Path or URL of a run of the dataset at a path or URL.
fn path_of(out: &Path, name: &str) -> PathBuf {
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
