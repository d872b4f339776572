//! A command on a small dataset, with the files before it and after an undisturbed run, against which the
//! files of a run that was killed or failed can be compared before and after it is completed.

use std::collections::HashSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use inlaid::{Manifest, RunOptions};
use tempfile::TempDir;

use super::tree::{Tree, without_number};

/// 16 rows a shard, 8 a row group.
const SMALL_SHARDS: &str = "--size 16 --row-group-bytes 6KiB --shard-bytes 12KiB --quiet";

/// 64 rows a shard, 8 a row group.
const LARGE_SHARDS: &str = "--size 16 --row-group-bytes 6KiB --shard-bytes 48KiB --quiet";

const JOURNAL: &str = ".inlaid/journal.json";
pub const MANIFEST: &str = "inlaid.json";

/// Sources: folder, classes, images of each class. Each also has an image that is broken.
const SOURCES: [(&str, &[&str], usize); 6] = [
    ("few", &["cat", "dog"], 10),
    ("more", &["ant", "cat", "dog"], 14),
    ("a", &["cat", "dog"], 24),
    ("b", &["cat", "dog"], 8),
    ("c", &["cat", "dog"], 12),
    ("d", &["cat", "dog"], 8),
];

/// What a command does to the rows that are there.
#[derive(Clone, Copy, PartialEq)]
enum Effect {
    /// It adds rows, and commits them shard by shard.
    Adds,
    /// It replaces files, all together.
    Replaces,
}

/// A command on a small dataset.
pub struct Scenario {
    folder: TempDir,
    command: String,
    effect: Effect,
    before: Tree,
    after: Tree,
    /// After the same command once more: what a run leaves that a failed one had in fact completed.
    again: Tree,
}

/// How a run ended.
pub struct Ended {
    pub killed: bool,
    pub code: Option<i32>,
    pub stderr: String,
}

/// What a reader finds after a run.
#[derive(Clone, Copy, Default)]
pub struct Found {
    /// Rows in the split folders.
    pub rows: usize,
    /// Whether the run was inside a commit when it ended.
    pub in_commit: bool,
    /// Whether the command has had its whole effect, or the next writer completes it.
    pub done: bool,
}

impl Scenario {
    pub fn convert() -> Scenario {
        Scenario::new(&[], &convert("few"), Effect::Adds)
    }

    /// Extends the tail of each split, begins new shards, and adds a class.
    pub fn append() -> Scenario {
        Scenario::new(&[&convert("few")], "append more --out out --quiet", Effect::Adds)
    }

    pub fn append_arrow() -> Scenario {
        let arrow = format!("{} --format arrow", convert("few"));
        Scenario::new(&[&arrow], "append more --out out --quiet", Effect::Adds)
    }

    pub fn append_encoded() -> Scenario {
        let encoded = format!("{} --storage encoded --encoding png", convert("few"));
        Scenario::new(&[&encoded], "append more --out out --quiet", Effect::Adds)
    }

    /// To a dataset whose conversion was killed, with other sources than it had.
    pub fn append_to_unfinished() -> Scenario {
        let scenario = Scenario::new(&[], &convert("more"), Effect::Adds);
        for step in 1.. {
            scenario.restore();
            assert!(scenario.run(&format!("kill:{step}")).killed, "no step leaves it unfinished");
            let manifest = Manifest::read(scenario.out()).unwrap();
            if manifest.is_some_and(|manifest| manifest.snapshot.shards().count() == 2) && !scenario.has(JOURNAL) {
                return Scenario::of(scenario.folder, "append few --out out --quiet", Effect::Adds);
            }
        }
        unreachable!()
    }

    pub fn compact() -> Scenario {
        let first = format!("convert a --out out --split train=0.5,test=0.5 --croissant {LARGE_SHARDS}");
        let append = |source| format!("append {source} --out out --quiet");
        Scenario::new(&[&first, &append("b"), &append("c"), &append("d")], "compact out", Effect::Replaces)
    }

    /// Cuts shards that were extended, removes others and a class.
    pub fn rollback() -> Scenario {
        Scenario::new(&[&convert("few"), "append more --out out --quiet"], "rollback out", Effect::Replaces)
    }

    /// Replaces files of the same names, and removes those of a split that is no more.
    pub fn overwrite() -> Scenario {
        let other = format!("convert few --out out --split train=1 --seed 7 --overwrite {SMALL_SHARDS}");
        Scenario::new(&[&convert("more")], &other, Effect::Replaces)
    }

    /// Rewrites the card and adds what describes the dataset besides.
    pub fn card() -> Scenario {
        Scenario::new(&[&convert("few")], "card out --title Birds --license mit", Effect::Replaces)
    }

    /// The same on a disk, where most of a run is spent in commits, waiting for it.
    pub fn on_disk(self) -> Scenario {
        let folder = tempfile::tempdir().unwrap();
        Tree::read(self.folder.path()).write(folder.path());
        Scenario { folder, ..self }
    }

    fn new(earlier: &[&str], command: &str, effect: Effect) -> Scenario {
        // Memory is a hundred times faster than a disk, and a process that is killed leaves the same in both.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        for (source, classes, count) in SOURCES {
            for class in classes {
                (0..count).for_each(|number| image(&folder.path().join(source), class, source, number));
            }
            fs::write(folder.path().join(format!("{source}/cat/{source}-broken.png")), b"\x89PNG\r\n\x1a\nbroken")
                .unwrap();
        }
        for words in earlier {
            let ended = inlaid(folder.path(), words, None);
            assert!(matches!(ended.code, Some(0 | 3)), "{words}: {}", ended.stderr);
        }
        Scenario::of(folder, command, effect)
    }

    /// The command on the dataset that is in the folder.
    fn of(folder: TempDir, command: &str, effect: Effect) -> Scenario {
        let out = folder.path().join("out");
        let before = Tree::read(&out);
        let ended = inlaid(folder.path(), command, None);
        assert!(matches!(ended.code, Some(0 | 3)), "{command}: {}", ended.stderr);
        let after = Tree::read(&out);
        inlaid(folder.path(), command, None);
        let again = Tree::read(&out);
        if effect == Effect::Adds {
            assert_eq!(again.differences(&after), [""; 0], "the same command once more changed the dataset");
        }
        let scenario = Scenario { folder, command: command.to_owned(), effect, before, after, again };
        let whole = scenario.look();
        assert!(whole.done && !whole.in_commit);
        scenario
    }

    pub fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    pub fn adds_rows(&self) -> bool {
        self.effect == Effect::Adds
    }

    fn has(&self, file: &str) -> bool {
        self.out().join(file).exists()
    }

    /// Makes the dataset what it was before the command.
    pub fn restore(&self) {
        self.before.write(&self.out());
    }

    /// Runs the command with a failpoint.
    pub fn run(&self, failpoint: &str) -> Ended {
        inlaid(self.folder.path(), &self.command, Some(failpoint))
    }

    /// Runs another command.
    pub fn other(&self, words: &str) -> Ended {
        inlaid(self.folder.path(), words, None)
    }

    /// Runs the command.
    pub fn run_undisturbed(&self) -> Ended {
        inlaid(self.folder.path(), &self.command, None)
    }

    /// Begins the command.
    pub fn spawn(&self) -> std::process::Child {
        command(self.folder.path(), &self.command).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// What is there; it must be a state that every reader can read: whole files, of one version but
    /// in the middle of a commit, and no row twice or gone.
    #[track_caller]
    pub fn look(&self) -> Found {
        let tree = Tree::read(&self.out());
        let versions = [&self.before, &self.after, &self.again];
        for (name, bytes) in tree.files().filter(|(name, _)| !name.starts_with(".inlaid")) {
            let is_small = [MANIFEST, "README.md", "croissant.json", "rejects.jsonl"].contains(&name);
            let known = versions.iter().any(|version| version.get(name) == Some(bytes));
            assert!(is_small || known, "`{name}` is of no version");
        }
        let journal = tree.get(JOURNAL).map(|text| serde_json::from_slice::<serde_json::Value>(text).unwrap());
        let manifest = tree.get(MANIFEST).map(|text| serde_json::from_slice::<Manifest>(text).unwrap());
        let now = manifest.as_ref().map_or(0, |manifest| manifest.snapshot.rows());
        let mut found = Found { rows: 0, in_commit: journal.is_some(), done: false };
        let mut last = tree.get(MANIFEST);
        let mut next = now;
        if let Some(journal) = &journal {
            for rename in journal["renames"].as_array().unwrap() {
                let (from, to) = (rename[0].as_str().unwrap(), rename[1].as_str().unwrap());
                let bytes = tree.get(from).or(tree.get(to));
                let bytes = bytes.unwrap_or_else(|| panic!("the journal names `{from}`, which is not there"));
                if to == MANIFEST {
                    last = Some(bytes);
                    next = serde_json::from_slice::<Manifest>(bytes).unwrap().snapshot.rows();
                }
            }
        } else if manifest.is_some() {
            let verification = inlaid::verify(self.out(), None, &RunOptions::default()).unwrap();
            assert_eq!(verification.problems, []);
        } else {
            let stray: Vec<&str> =
                tree.files().map(|(name, _)| name).filter(|name| !name.starts_with(".inlaid")).collect();
            assert_eq!(stray, [""; 0], "there is no manifest, but there are files");
        }
        let last = last.map(without_number);
        found.done = versions[1..].iter().any(|version| last == version.get(MANIFEST).map(without_number));
        let rows = tree.rows();
        found.rows = rows.values().map(Vec::len).sum();
        if manifest.is_some() && (self.effect == Effect::Adds || journal.is_none()) {
            let dataset = inlaid::Dataset::open(self.out()).unwrap();
            assert_eq!(dataset.into_splits().values().map(|table| table.len()).sum::<usize>(), now);
        }
        match self.effect {
            Effect::Adds => {
                assert!((now..=next).contains(&found.rows), "{} rows, the manifest has {now}", found.rows);
                let (before, after) = (self.before.rows(), self.after.rows());
                for (split, rows) in &rows {
                    assert!(
                        after[split].starts_with(rows),
                        "the rows of {split} are not the first of the complete ones"
                    );
                }
                for (split, earlier) in &before {
                    assert!(rows.get(split).is_some_and(|rows| rows.starts_with(earlier)), "rows of {split} are gone");
                }
            }
            Effect::Replaces if journal.is_none() => {
                let differences = versions
                    .map(|version| tree.public().without_number().differences(&version.public().without_number()));
                assert!(differences.iter().any(Vec::is_empty), "it is of no version: {differences:?}");
            }
            Effect::Replaces => {}
        }
        // Another dataset in its place may have the same rows, in other files.
        if !self.command.contains("--overwrite") {
            let keys: HashSet<&String> = rows.values().flatten().collect();
            assert_eq!(keys.len(), found.rows, "a row is there twice");
        }
        found
    }

    /// After a run that failed: as [`Scenario::look`], and nothing is left of what it had staged.
    #[track_caller]
    pub fn look_clean(&self) -> Found {
        let found = self.look();
        if !found.in_commit {
            let tree = Tree::read(&self.out());
            let private: Vec<&str> = tree.names().filter(|name| name.starts_with(".inlaid")).collect();
            let is_known = |name: &&str| self.before.contains(name) || self.after.contains(name);
            assert!(private.iter().all(is_known), "left behind: {private:?}");
            if tree.get(MANIFEST).is_none() {
                assert_eq!(tree, self.before, "the folder was not there before");
            }
        }
        found
    }

    /// The same command once more, undisturbed, leaves what it would have left at once. `done` says
    /// that the command had had its effect already.
    #[track_caller]
    pub fn complete(&self, done: bool) {
        let ended = self.run_undisturbed();
        let tree = Tree::read(&self.out());
        match done {
            false => {
                assert!(matches!(ended.code, Some(0 | 3)), "{:?}: {}", ended.code, ended.stderr);
                assert_eq!(tree.differences(&self.after), [""; 0]);
            }
            true => {
                let (tree, again) = (tree.without_number(), self.again.without_number());
                assert_eq!(tree.differences(&again), [""; 0], "{}", ended.stderr);
            }
        }
    }

    /// What is there is what the command leaves.
    #[track_caller]
    pub fn is_complete(&self) {
        assert_eq!(Tree::read(&self.out()).differences(&self.after), [""; 0]);
    }

    /// What is there now, to be brought back.
    pub fn tree(&self) -> Tree {
        Tree::read(&self.out())
    }

    /// Brings back what was there.
    pub fn put(&self, tree: &Tree) {
        tree.write(&self.out());
    }
}

fn convert(source: &str) -> String {
    format!("convert {source} --out out --split train=0.6,test=0.4 --croissant {SMALL_SHARDS}")
}

/// Writes a small image whose pixels depend on its name.
pub fn image(folder: &Path, class: &str, source: &str, number: usize) {
    let path = folder.join(format!("{class}/{source}-{number:02}.png"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let color = |x, y| {
        image::Rgb([(number * 9) as u8, source.as_bytes()[0], class.as_bytes()[0].wrapping_add(x as u8 * 40 + y as u8)])
    };
    image::RgbImage::from_fn(5, 4, color).save_with_format(path, image::ImageFormat::Png).unwrap();
}

/// The binary with these words, separated by blanks, in this folder.
pub fn command(folder: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_inlaid"));
    command.args(words.split_whitespace()).current_dir(folder).env_remove("INLAID_FAILPOINT");
    command
}

/// Runs the binary.
pub fn inlaid(folder: &Path, words: &str, failpoint: Option<&str>) -> Ended {
    let output =
        command(folder, words).envs(failpoint.map(|failpoint| ("INLAID_FAILPOINT", failpoint))).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!stderr.contains("panicked"), "{stderr}");
    Ended { killed: output.status.signal() == Some(9), code: output.status.code(), stderr }
}
