//! Processes that write to one folder at once: one holds the lock, the others are refused.

use std::fs;
use std::thread;

use super::is_long;
use super::scenario::{self, Scenario, inlaid};
use crate::harness::Scratch;

#[test]
fn lock_of_a_killed_process_does_not_block() {
    let scenario = Scenario::append();
    scenario.restore();
    assert!(scenario.run("kill:40").killed);
    let lock = fs::read_to_string(scenario.out().join(".inlaid/lock")).unwrap();
    assert!(lock.starts_with("process "), "{lock}");
    let done = scenario.look().done;
    scenario.complete(done);
}

#[test]
fn processes_that_append_at_once_wait_their_turn() {
    let folder = tempfile::tempdir().unwrap();
    let sources: Vec<String> = (0..8).map(|number| format!("source-{number}")).collect();
    for source in sources.iter().chain([&"first".to_owned()]) {
        for class in ["cat", "dog"] {
            (0..5).for_each(|number| scenario::image(&folder.path().join(source), class, source, number));
        }
    }
    let first =
        "convert first --out out --size 4 --split train=0.5,test=0.5 --row-group-bytes 384 --shard-bytes 768 --quiet";
    assert_eq!(inlaid(folder.path(), first, None).code, Some(0));
    let (mut left, mut rounds, mut lost) = (sources, 0, 0);
    while !left.is_empty() {
        rounds += 1;
        assert!(rounds <= 8, "in every round one process holds the lock");
        let append = |source: &String| inlaid(folder.path(), &format!("append {source} --out out --quiet"), None);
        let ended: Vec<_> = thread::scope(|scope| {
            let runs: Vec<_> = left.iter().map(|source| scope.spawn(|| append(source))).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        let mut losers = Vec::new();
        for (source, ended) in left.iter().zip(ended) {
            if ended.code != Some(0) {
                assert_is_locked(&ended.stderr);
                losers.push(source.clone());
            }
        }
        lost += losers.len();
        left = losers;
    }
    let verification = inlaid::verify(folder.path().join("out"), None, &inlaid::RunOptions::default()).unwrap();
    assert_eq!((verification.problems, verification.rows), (vec![], 90));
    println!("{rounds} rounds, {lost} refused");
}

/// One of them makes the folder; nobody ever finds half of it, or removes it under another.
#[test]
fn processes_that_convert_at_once_make_one_dataset() {
    let scenario = Scenario::convert();
    let (mut lost, rounds) = (0, 10);
    for _ in 0..rounds {
        scenario.restore();
        let ended: Vec<_> = thread::scope(|scope| {
            let runs: Vec<_> = (0..8).map(|_| scope.spawn(|| scenario.run_undisturbed())).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        for ended in ended.iter().filter(|ended| !matches!(ended.code, Some(0 | 3))) {
            assert_is_locked(&ended.stderr);
            lost += 1;
        }
        scenario.is_complete();
    }
    println!("{rounds} rounds, {lost} refused");
}

/// A conversion that fails takes away the folder that it has made, lock and all, while others wait for
/// that lock or take it.
#[test]
fn failing_process_takes_no_lock_from_another() {
    let scenario = Scenario::convert();
    let useless = scenario.out().with_file_name("useless");
    fs::create_dir_all(useless.join("cat")).unwrap();
    fs::write(useless.join("cat/0.png"), b"").unwrap();
    let fail =
        || inlaid(useless.parent().unwrap(), "convert useless --out out --size 16 --split train=1 --quiet", None);
    for _ in 0..if is_long() { 2000 } else { 100 } {
        scenario.restore();
        let ended: Vec<_> = thread::scope(|scope| {
            let runs = (0..4).flat_map(|_| [scope.spawn(|| scenario.run_undisturbed()), scope.spawn(fail)]);
            let runs: Vec<_> = runs.collect();
            runs.into_iter().step_by(2).map(|run| run.join().unwrap()).collect()
        });
        for ended in ended.iter().filter(|ended| !matches!(ended.code, Some(0 | 3))) {
            assert_is_locked(&ended.stderr);
        }
        if ended.iter().any(|ended| ended.code != Some(1)) {
            scenario.is_complete();
        }
    }
}

/// One of them fills the folder; the others are refused while it does, or after it has.
#[test]
fn processes_that_repack_at_once_make_one_folder() {
    let scenario = Scenario::append();
    scenario.restore();
    let root = scenario.out().parent().unwrap().to_owned();
    for round in 0..10 {
        let repack = format!("repack out/train --out new-{round}/whole");
        let ended: Vec<_> = thread::scope(|scope| {
            let runs: Vec<_> = (0..8).map(|_| scope.spawn(|| inlaid(&root, &repack, None))).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        let refused: Vec<_> = ended.iter().filter(|ended| ended.code != Some(0)).collect();
        assert_eq!(refused.len(), 7);
        for ended in refused {
            let message = ended.stderr.lines().next().unwrap();
            let locked = format!("error: `new-{round}/whole` is being written by another process");
            let taken = format!("error: output folder `new-{round}/whole` is not empty");
            assert!(message == locked || message == taken, "{message}");
        }
        let left: Vec<_> = fs::read_dir(root.join(format!("new-{round}"))).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}

/// `error: `out` is being written by process 123 on host there`
#[track_caller]
fn assert_is_locked(stderr: &str) {
    let (message, hint) = stderr.trim_end().split_once('\n').unwrap_or_else(|| panic!("no message and hint: {stderr}"));
    assert_eq!(hint, "hint: wait for it to finish");
    let holder = message.strip_prefix("error: `out` is being written by ").expect(message);
    // Between taking the lock and writing its name a process is nameless.
    let process = holder.strip_prefix("process ").and_then(|rest| rest.split_once(" on host "));
    let is_named = process.is_some_and(|(id, host)| id.parse::<u32>().is_ok() && !host.is_empty());
    assert!(is_named || holder == "another process", "{message}");
}

#[test]
fn children_that_other_threads_start_keep_no_lock() {
    let folder = Scratch::new();
    folder.images(&["src/a"], 4);
    let (sources, out) = ([folder.path().join("src")], folder.path().join("out"));
    let spec = inlaid::Spec::new("4".parse().unwrap());
    inlaid::convert(&sources, &out, &spec, &inlaid::RunOptions::default()).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        // Between the fork and the start of its program a child has all files of this process open.
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                std::process::Command::new("true").status().unwrap();
            }
        });
        let runs = (0..300).map(|_| inlaid::append(&sources, &out, &inlaid::RunOptions::default()));
        let failed: Vec<String> = runs.filter_map(|run| run.err().map(|error| error.to_string())).collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(failed, [""; 0]);
    });
}
