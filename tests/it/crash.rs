//! Runs that are killed or fail, at every disk operation or at a random moment: every reader finds
//! complete files of a committed snapshot, and repeating the command completes the run, with the same
//! bytes as an undisturbed run.
//!
//! Random choices are seeded. By default they are a sample that takes about a minute on two slow
//! cores; `INLAID_LONG_TESTS=1` tries every pair of steps that a run and its repetition can be killed
//! at, and kills 20 times as often at random moments.

mod full_disk;
mod lock;
mod reader;
mod scenario;
mod tree;

use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use scenario::{Found, Scenario};

/// Far more than any run here takes.
const MOST_STEPS: usize = 5000;

/// Pairs of steps that a run and its repetition are killed at.
const PAIRS: usize = 100;

/// Kills at random moments, of all scenarios together.
const RANDOM_KILLS: usize = 210;

fn is_long() -> bool {
    std::env::var_os("INLAID_LONG_TESTS").is_some()
}

/// Kills the command at its first step, its second, ..., until it ends by itself. Calls `judge` with
/// what each run has left; returns how many steps it takes.
#[track_caller]
fn kill_at_every_step(scenario: &Scenario, mut judge: impl FnMut(usize, Found)) -> usize {
    let mut rows = 0;
    for step in 1..MOST_STEPS {
        scenario.restore();
        if !scenario.run(&format!("kill:{step}")).killed {
            return step - 1;
        }
        let found = scenario.look();
        assert!(!scenario.adds_rows() || found.rows >= rows, "step {step}: rows that were there are gone");
        rows = found.rows;
        judge(step, found);
    }
    panic!("it never ends");
}

fn is_completed_when_killed_at_every_step(scenario: &Scenario) {
    let (begin, mut in_commit) = (Instant::now(), 0);
    let steps = kill_at_every_step(scenario, |_, found| {
        in_commit += usize::from(found.in_commit);
        scenario.complete(found.done);
    });
    assert!(steps > 20 && in_commit > 5, "{steps} steps, {in_commit} of them in a commit");
    println!("killed at {steps} steps, {in_commit} of them in a commit, in {:?}", begin.elapsed());
}

/// The repetition is killed too: whatever it completes or drops, it can be repeated.
fn is_completed_when_its_repetition_is_killed_too(scenario: &Scenario) {
    let mut left = Vec::new();
    let steps = kill_at_every_step(scenario, |step, found| left.push((step, found, scenario.tree())));
    let pairs: Vec<(usize, usize)> = match is_long() {
        true => (0..left.len()).flat_map(|first| (1..=steps + 20).map(move |second| (first, second))).collect(),
        false => {
            let mut random = ChaCha8Rng::seed_from_u64(1);
            let in_commit: Vec<usize> = (0..left.len()).filter(|&first| left[first].1.in_commit).collect();
            let mut pair = |number| match number % 2 {
                // What a repetition does first is to complete the commit.
                0 => (in_commit[random.random_range(0..in_commit.len())], random.random_range(1..25)),
                _ => (random.random_range(0..left.len()), random.random_range(1..=steps)),
            };
            (0..PAIRS).map(&mut pair).collect()
        }
    };
    let (begin, mut kills) = (Instant::now(), 0);
    for (first, second) in pairs {
        let (step, earlier, tree) = &left[first];
        scenario.put(tree);
        if scenario.run(&format!("kill:{second}")).killed {
            kills += 1;
            let found = scenario.look();
            let fewer = scenario.adds_rows() && found.rows < earlier.rows;
            assert!(!fewer && found.done >= earlier.done, "steps {step} and {second}: something is gone");
            scenario.complete(found.done);
        }
    }
    println!("killed {kills} times at pairs of steps, in {:?}", begin.elapsed());
}

fn says_that_the_disk_fails(message: &str) -> bool {
    message.starts_with("error: can't ")
        && message.contains("`: ")
        && message.ends_with("Input/output error (os error 5)")
}

/// Also how many bytes are needed, at every step that writes some.
fn says_that_the_disk_is_full(message: &str) -> bool {
    let needed = message.strip_prefix("error: the disk is full: can't write `").and_then(|rest| rest.split_once("`, "));
    let writes_nothing = ["create", "create folder", "sync folder", "remove"];
    let action = message.strip_prefix("error: can't ").and_then(|rest| rest.split_once(" `"));
    match (needed, action) {
        (Some((_, needed)), None) => needed.ends_with("B more needed") && needed != "0 B more needed",
        (None, Some((action, rest))) => {
            writes_nothing.contains(&action) && rest.ends_with("`: No space left on device (os error 28)")
        }
        _ => false,
    }
}

/// From its first step on, then from its second, ..., the disk fails for good.
fn says_why_and_keeps_what_was_there(scenario: &Scenario, kind: &str, is_right: impl Fn(&str) -> bool) {
    let (begin, mut undone) = (Instant::now(), 0);
    for step in 1..MOST_STEPS {
        scenario.restore();
        let ended = scenario.run(&format!("{kind}:{step}"));
        if ended.code != Some(1) {
            assert!(matches!(ended.code, Some(0 | 3)), "{:?}: {}", ended.code, ended.stderr);
            println!("failed at {} steps, {undone} of them without effect, in {:?}", step - 1, begin.elapsed());
            return;
        }
        let message = ended.stderr.lines().next().unwrap_or_default();
        let names_path = message.contains("`out") || message.contains("/out/");
        assert!(names_path && message.starts_with("error: ") && is_right(message), "step {step}: {message}");
        let found = scenario.look_clean();
        undone += usize::from(!found.done);
        scenario.complete(found.done);
    }
    panic!("it never ends");
}

fn ends_with_the_same_bytes_if_the_disk_takes_little_at_a_time(scenario: &Scenario) {
    let steps = kill_at_every_step(scenario, |_, _| {});
    let every = if is_long() { 1 } else { 7 };
    for step in (1..=steps).step_by(every) {
        scenario.restore();
        let ended = scenario.run(&format!("short:{step}"));
        assert!(matches!(ended.code, Some(0 | 3)), "step {step}: {}", ended.stderr);
        scenario.is_complete();
    }
}

macro_rules! scenarios {
    ($($name:ident)*) => {
        $(mod $name {
            use super::Scenario;

            #[test]
            fn is_completed_when_killed_at_every_step() {
                super::is_completed_when_killed_at_every_step(&Scenario::$name());
            }

            #[test]
            fn is_completed_when_its_repetition_is_killed_too() {
                super::is_completed_when_its_repetition_is_killed_too(&Scenario::$name());
            }

            #[test]
            fn says_that_the_disk_fails_and_keeps_what_was_there() {
                super::says_why_and_keeps_what_was_there(&Scenario::$name(), "eio", super::says_that_the_disk_fails);
            }

            #[test]
            fn says_that_the_disk_is_full_and_keeps_what_was_there() {
                super::says_why_and_keeps_what_was_there(&Scenario::$name(), "enospc", super::says_that_the_disk_is_full);
            }

            #[test]
            fn ends_with_the_same_bytes_if_the_disk_takes_little_at_a_time() {
                super::ends_with_the_same_bytes_if_the_disk_takes_little_at_a_time(&Scenario::$name());
            }
        })*
    };
}

scenarios!(convert append append_arrow append_encoded append_to_unfinished compact rollback overwrite card);

#[test]
fn rollback_that_is_repeated_goes_back_once() {
    let scenario = Scenario::rollback();
    kill_at_every_step(&scenario, |step, found| {
        let ended = scenario.run_undisturbed();
        // Once the journal is gone, nothing tells that the rollback was killed and not done.
        if found.in_commit || !found.done {
            assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "step {step}, in a commit: {}", found.in_commit);
        }
        scenario.is_complete();
        let ended = scenario.run_undisturbed();
        let none = "error: `out` has no earlier snapshot to roll back to\n";
        assert!(ended.code == Some(1) && ended.stderr.starts_with(none), "step {step}: {}", ended.stderr);
    });
}

#[test]
fn commands_that_only_read_complete_a_commit() {
    for scenario in [Scenario::compact(), Scenario::rollback(), Scenario::overwrite()] {
        let mut number = 0;
        kill_at_every_step(&scenario, |step, found| {
            number += usize::from(found.in_commit);
            if found.in_commit {
                let command = ["info out", "verify out", "verify out --json"][number % 3];
                let ended = scenario.other(command);
                assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "step {step}: {command}");
                scenario.is_complete();
            }
        });
    }
}

#[test]
fn readers_of_an_interrupted_commit_get_rows_of_one_snapshot() {
    for scenario in [Scenario::compact(), Scenario::rollback()] {
        kill_at_every_step(&scenario, |step, found| {
            if found.in_commit {
                inlaid::complete_commit(scenario.out()).unwrap();
                let dataset = inlaid::Dataset::open(scenario.out()).unwrap();
                let rows = dataset.into_splits().values().map(|table| table.len()).sum::<usize>();
                assert_eq!(rows, scenario.look().rows, "step {step}");
                scenario.is_complete();
            }
        });
    }
}

#[test]
fn runs_killed_at_random_moments_are_completed() {
    let all = [
        Scenario::convert().on_disk(),
        Scenario::append().on_disk(),
        Scenario::convert(),
        Scenario::append(),
        Scenario::append_to_unfinished(),
        Scenario::compact(),
        Scenario::rollback(),
        Scenario::overwrite(),
    ];
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let wanted = if is_long() { 20 * RANDOM_KILLS } else { RANDOM_KILLS };
    let (begin, mut kills, mut in_commit, mut completed) = (Instant::now(), 0, 0, 0);
    let lengths = all.each_ref().map(|scenario| {
        scenario.restore();
        let begin = Instant::now();
        scenario.spawn().wait().unwrap();
        begin.elapsed()
    });
    while kills < wanted {
        let number = random.random_range(0..all.len());
        let (scenario, length) = (&all[number], lengths[number]);
        scenario.restore();
        let mut found = Found::default();
        // Killed up to four times, the same run is then left to end.
        for _ in 0..random.random_range(1..5) {
            let mut run = scenario.spawn();
            thread::sleep(Duration::from_secs_f64(length.as_secs_f64() * random.random_range(0.0..1.1)));
            run.kill().unwrap();
            let killed = run.wait().unwrap().code().is_none();
            let now = scenario.look();
            assert!(now.done >= found.done && (now.rows >= found.rows || !scenario.adds_rows()));
            found = now;
            kills += usize::from(killed);
            in_commit += usize::from(found.in_commit);
            if found.done {
                break;
            }
        }
        scenario.complete(found.done);
        completed += 1;
    }
    println!("{kills} kills, {in_commit} of them in a commit, {completed} runs, in {:?}", begin.elapsed());
}
