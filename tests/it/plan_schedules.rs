//! A thousand schedules of work, loss and repetition over a small plan, drawn at random: whatever happens, the commit
//! makes the bytes of one process, or says what is missing.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use inlaid::{Error, PlanError, PlannedRun, RunOptions, Spec, StorageOptions};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::harness::Scratch;

/// What happens between the plan and the end.
#[derive(Clone, Debug)]
enum Event {
    /// A process works on an item.
    Work(usize),
    /// Two processes work on an item at once.
    Twice(usize),
    /// A process has died while it worked: it leaves a part of a file.
    Dies(usize, u8),
    /// The record of an item is lost.
    Forget(usize),
    /// A shard that was made is lost.
    Lose(usize),
    /// A driver plans again.
    Plan,
    /// A driver commits.
    Commit,
}

const ITEMS: usize = 4;

fn events() -> impl Strategy<Value = Vec<Event>> {
    let item = 0..ITEMS;
    let event = prop_oneof![
        8 => item.clone().prop_map(Event::Work),
        2 => item.clone().prop_map(Event::Twice),
        2 => (item.clone(), any::<u8>()).prop_map(|(item, bytes)| Event::Dies(item, bytes)),
        1 => item.clone().prop_map(Event::Forget),
        1 => item.prop_map(Event::Lose),
        1 => Just(Event::Plan),
        2 => Just(Event::Commit),
    ];
    proptest::collection::vec(event, 0..20)
}

fn spec() -> Spec {
    let mut spec = Spec::new("4".parse().unwrap());
    spec.channels = "gray".parse().unwrap();
    spec.shares = "train=0.5,test=0.5".parse().unwrap();
    spec.with_bytes(Some("64".parse().unwrap()), Some("128".parse().unwrap()))
}

fn options() -> RunOptions {
    let mut options = RunOptions::default();
    options.threads = NonZeroUsize::new(1);
    options
}

fn happen(event: &Event, run: &Path, plan: impl Fn() -> PlannedRun) {
    let work = |item| inlaid::work(run, item, &options()).unwrap();
    let is_committed = || plan().committed;
    match *event {
        Event::Work(item) => {
            work(item);
        }
        Event::Twice(item) => std::thread::scope(|scope| {
            let other = scope.spawn(move || inlaid::work(run, item, &options()).unwrap());
            work(item);
            other.join().unwrap();
        }),
        Event::Dies(item, bytes) if !is_committed() => {
            fs::write(run.join(format!("attempts/{item:06}-dead.parquet")), vec![bytes; bytes.into()]).unwrap();
        }
        Event::Forget(item) if !is_committed() => remove(&run.join("done"), item),
        Event::Lose(item) if !is_committed() => remove(&run.join("attempts"), item),
        Event::Plan => {
            plan();
        }
        Event::Commit => {
            // Where items are missing, it says so and changes nothing.
            let outcome = inlaid::commit(run, &options());
            let is_early = |reason: &PlanError| matches!(reason, PlanError::NotDone { .. } | PlanError::ShardsGone(_));
            match outcome {
                Ok(_) => assert!(is_committed()),
                Err(Error::Plan { reason, .. }) => assert!(is_early(&reason) && !is_committed(), "{reason}"),
                Err(error) => panic!("{error}"),
            }
        }
        _ => {}
    }
}

/// Removes the files of an item.
fn remove(folder: &Path, item: usize) {
    let of_item = format!("{item:06}-");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_of_item = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(&of_item);
    files.filter(is_of_item).for_each(|path| fs::remove_file(path).unwrap());
}

#[test]
fn any_schedule_ends_with_the_bytes_of_one_process() {
    let s = Scratch::new();
    s.images(&["src/cat", "src/dog"], 15);
    s.file("src/cat/broken.png", b"no image");
    let (source, at_once) = (s.path().join("src"), s.path().join("at-once"));
    inlaid::convert(&[&source], &at_once, &spec(), &options()).unwrap();
    let expected = s.dataset("at-once");
    let config = Config { cases: 1000, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&events(), |events| {
        let out = s.path().join("out");
        let plan = || inlaid::plan(&[&source], &out, &spec(), &options()).unwrap();
        let planned = plan();
        assert_eq!(planned.items, ITEMS);
        events.iter().for_each(|event| happen(event, &planned.run, plan));
        // A driver that starts again, until it ends.
        for _ in 0..=ITEMS {
            let missing = plan().missing(&StorageOptions::default()).unwrap();
            for item in missing {
                inlaid::work(&planned.run, item, &options()).unwrap();
            }
            if inlaid::commit(&planned.run, &options()).is_ok() {
                break;
            }
        }
        prop_assert!(s.dataset("out") == expected, "the files differ");
        fs::remove_dir_all(&out).unwrap();
        Ok(())
    });
    outcome.unwrap();
}
