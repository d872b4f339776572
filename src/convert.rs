//! Makes a dataset from folders of images: the steps, one after the other.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::card::{CARD, card};
use crate::columns::Columns;
use crate::discover::Discovery;
use crate::error::{Error, SpecError};
use crate::manifest::{FORMAT_VERSION, MANIFEST, Manifest};
use crate::output::{self, Output};
use crate::pipeline::{self, Job, Written};
use crate::plan::Plan;
use crate::reject::write_rejects;
use crate::run::{RunOptions, SplitSummary, Summary, count_reasons};
use crate::sha256::Sha256;
use crate::spec::{Folders, Spec, SplitBy};
use crate::split;
use crate::tensor::TensorShape;

/// The name of the list of rejected inputs in the dataset's folder.
pub const REJECTS: &str = "rejects.jsonl";

/// Converts the images below `sources` into a dataset in the folder `out`.
///
/// # Errors
/// If a setting, a source or the output folder is unfit, or the run is stopped; the output folder
/// is then as it was.
pub fn convert(sources: &[PathBuf], out: &Path, spec: &Spec, options: &RunOptions) -> Result<Summary, Error> {
    let begin = Instant::now();
    let shape = TensorShape::of(spec)?;
    refuse_overlap(sources, out)?;
    let output = Output::claim(out, options.overwrite)?;
    let pool = pipeline::threads(options)?;
    let prepared = Prepared::new(sources, spec, options, &pool)?;
    let Prepared { discovery, plan, spec, hashes } = &prepared;
    let columns = Columns::new(spec, &discovery.classes)?;

    let job = Job { discovery, plan, spec, columns: &columns, options, hashes };
    let Written { splits, rejects } = pipeline::write_shards(&job, &pool, output.staging())?;
    if splits.is_empty() {
        let first = rejects.first().expect("inputs without rows are rejects");
        return Err(Error::NothingUsable {
            inputs: discovery.inputs(),
            path: first.path.clone(),
            detail: first.detail.clone(),
        });
    }

    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        dataset_version: output.next_version(),
        tool: format!("inlaid {}", env!("CARGO_PKG_VERSION")),
        spec: spec.clone(),
        classes: discovery.classes.clone(),
        splits,
        inputs: discovery.inputs(),
        rejects: rejects.len(),
    };
    let mut files: Vec<String> = manifest.shards().map(|shard| shard.file.clone()).collect();
    if !rejects.is_empty() {
        write_rejects(&output.staging().join(REJECTS), &rejects)?;
        files.push(REJECTS.to_owned());
    }
    output.stage(CARD, &card(&manifest, &shape))?;
    output.stage(MANIFEST, &manifest.to_json())?;
    files.extend([CARD.to_owned(), MANIFEST.to_owned()]);
    output.commit(&files)?;

    let mut summary = prepared.summary(begin);
    summary.dry_run = false;
    summary.rows = manifest.splits.values().map(|split| split.rows).sum();
    summary.rejects = rejects.len();
    summary.rejects_by_reason = count_reasons(&rejects);
    let split_summary = |info: &crate::manifest::SplitInfo| SplitSummary {
        rows: info.rows,
        bytes: info.bytes,
        shards: info.shards.len(),
    };
    summary.splits = manifest.splits.iter().map(|(split, info)| (*split, split_summary(info))).collect();
    Ok(summary)
}

/// Says what [`convert`] would do: lists and splits the sources, decodes nothing, writes nothing.
///
/// # Errors
/// As [`convert`], as far as it can be told without decoding.
pub fn dry_run(sources: &[PathBuf], out: &Path, spec: &Spec, options: &RunOptions) -> Result<Summary, Error> {
    let begin = Instant::now();
    TensorShape::of(spec)?;
    refuse_overlap(sources, out)?;
    output::check(out, options.overwrite)?;
    let pool = pipeline::threads(options)?;
    Ok(Prepared::new(sources, spec, options, &pool)?.summary(begin))
}

/// Everything that is known before the first image is decoded.
struct Prepared {
    discovery: Discovery,
    plan: Plan,
    /// The spec with every choice made.
    spec: Spec,
    hashes: Vec<Sha256>,
}

impl Prepared {
    fn new(
        sources: &[PathBuf],
        spec: &Spec,
        options: &RunOptions,
        pool: &rayon::ThreadPool,
    ) -> Result<Prepared, Error> {
        let mut discovery = Discovery::of(sources, spec)?;
        let spec = resolve(spec, &discovery)?;
        let rule = spec.split_by.expect("it was just chosen");
        let hashes = match rule {
            SplitBy::Content => pipeline::hash_contents(&mut discovery, &spec, pool, &options.progress)?,
            _ => Vec::new(),
        };
        options.check(&discovery.rejects, discovery.inputs())?;
        split::assign(&mut discovery.records, &discovery.classes, rule, &spec.shares, spec.seed, &hashes)?;
        let plan = Plan::of(&discovery.records, &spec)?;
        Ok(Prepared { discovery, plan, spec, hashes })
    }

    fn summary(&self, begin: Instant) -> Summary {
        let row_bytes = TensorShape::of(&self.spec).map_or(0, |shape| shape.bytes()) as u64;
        let splits = self.plan.splits.iter().map(|split| {
            let rows = split.rows.len();
            let shards = rows.div_ceil(self.plan.counts.shard);
            (split.split, SplitSummary { rows, bytes: rows as u64 * row_bytes, shards })
        });
        let seconds = begin.elapsed().as_secs_f64();
        Summary {
            dry_run: true,
            inputs: self.discovery.inputs(),
            rows: self.plan.rows(),
            rejects: self.discovery.rejects.len(),
            rejects_by_reason: count_reasons(&self.discovery.rejects),
            classes: self.discovery.classes.len(),
            splits: splits.collect(),
            ignored: self.discovery.ignored.clone(),
            notices: self.discovery.notices.clone(),
            seconds,
            images_per_second: self.discovery.inputs() as f64 / seconds,
        }
    }
}

/// Makes the choices that depend on the sources.
fn resolve(spec: &Spec, discovery: &Discovery) -> Result<Spec, Error> {
    let folders = discovery.folders.unwrap_or(Folders::None);
    let rule = spec.split_by.unwrap_or(match folders {
        Folders::Splits => SplitBy::Folder,
        _ => SplitBy::Label,
    });
    if rule == SplitBy::Folder && folders != Folders::Splits {
        return Err(match spec.folders {
            Folders::Auto => Error::NoSplitFolders(discovery.roots[0].clone()),
            asked => SpecError::FolderRule(asked).into(),
        });
    }
    Ok(Spec { split_by: Some(rule), folders, ..spec.clone() })
}

/// The output must not be found as a source, nor a source be written to.
fn refuse_overlap(sources: &[PathBuf], out: &Path) -> Result<(), Error> {
    let absolute = |path: &Path| {
        // The part that exists is made canonical; the rest, to be created, is appended.
        let existing = path.ancestors().find(|part| part.exists()).unwrap_or(Path::new("."));
        let existing = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
        let rest = path.strip_prefix(existing).unwrap_or(path);
        existing.canonicalize().map(|full| full.join(rest))
    };
    let output = absolute(out).map_err(Error::io("find output folder", out))?;
    for source in sources {
        let folder = absolute(source).map_err(Error::io("read source folder", source))?;
        if output.starts_with(&folder) || folder.starts_with(&output) {
            return Err(Error::OutputInSource { output: out.to_owned(), source_folder: source.clone() });
        }
    }
    Ok(())
}
