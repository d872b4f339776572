//! Runs that are killed, or fail, at every step they take on the disk or at a random moment: every
//! reader finds whole files of a committed version, and the same command completes what was begun,
//! to the bytes of a run that nothing has disturbed.
//!
//! Random choices are seeded. By default they are a sample that takes about a minute on two slow
//! cores; `INLAID_LONG_TESTS=1` tries every pair of steps that a run and its repetition can be killed
//! at, and kills 20 times as often at random moments.

mod scenario;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use scenario::{Found, Scenario, inlaid};

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
    let needed =
        message.strip_prefix("error: the disk is full: `").and_then(|rest| rest.split_once("` could not be written, "));
    let writes_nothing = ["create", "create folder", "sync folder", "remove"];
    let action = message.strip_prefix("error: can't ").and_then(|rest| rest.split_once(" `"));
    match (needed, action) {
        (Some((_, needed)), None) => needed.ends_with("B more are needed") && needed != "0 B more are needed",
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

scenarios!(convert append append_arrow append_encoded append_to_unfinished compact rollback overwrite);

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
    let verification = inlaid::verify(&folder.path().join("out"), &[], &inlaid::RunOptions::default()).unwrap();
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

/// `error: `out` is being written by process 123 on host there`
#[track_caller]
fn assert_is_locked(stderr: &str) {
    let (message, hint) = stderr.trim_end().split_once('\n').expect("a message and a hint");
    assert_eq!(hint, "hint: wait for it to end");
    let holder = message.strip_prefix("error: `out` is being written by ").expect(message);
    // Between taking the lock and writing its name a process is nameless.
    let process = holder.strip_prefix("process ").and_then(|rest| rest.split_once(" on host "));
    let is_named = process.is_some_and(|(id, host)| id.parse::<u32>().is_ok() && !host.is_empty());
    assert!(is_named || holder == "another process", "{message}");
}

#[test]
fn full_file_system_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (source, count) in [("few", 10), ("more", 150)] {
        (0..count).for_each(|number| scenario::image(&folder.path().join(source), "cat", source, number));
    }
    let convert =
        "convert more --out mount/out --size 16 --split train=1 --row-group-bytes 6KiB --shard-bytes 24KiB --quiet";
    let small = convert.replace("more", "few");
    let append = "append more --out mount/out --quiet";
    for (earlier, command) in [("", convert), (&*small, append)] {
        let Some(seen) = fill_file_system(folder.path(), earlier, command) else {
            eprintln!("skipped: a file system of its own can't be mounted here");
            return;
        };
        assert_eq!(seen.code, "1");
        let (message, hint) = seen.stderr.trim_end().split_once('\n').unwrap();
        let needed =
            message.strip_suffix(" more are needed").and_then(|rest| rest.split_once("` could not be written, "));
        let begin = message.split_once("/mount/out/").map_or("", |(begin, _)| begin);
        assert!(begin.starts_with("error: the disk is full: `"), "{message}");
        assert!(needed.is_some_and(|(_, bytes)| bytes.ends_with("KiB")), "{message}");
        assert_eq!(hint, "hint: free some room and run the same command again");
        assert_eq!(inlaid::verify(&seen.full, &[], &inlaid::RunOptions::default()).unwrap().problems, []);
        assert_eq!(
            scenario::Tree::read(&seen.completed).differences(&scenario::Tree::read(&seen.undisturbed)),
            [""; 0]
        );
    }
}

/// What a command left on a file system that was too small for it, and after it was made larger.
struct Filled {
    code: String,
    stderr: String,
    full: PathBuf,
    completed: PathBuf,
    undisturbed: PathBuf,
}

/// Runs a command on a file system of 64 KiB. None if such a one can't be mounted.
fn fill_file_system(folder: &Path, earlier: &str, command: &str) -> Option<Filled> {
    let script = r#"
        mkdir -p mount && mount -t tmpfs -o size=1m none mount || exit 77
        rm -rf before full completed undisturbed
        if [ -n "$2" ]; then "$1" $2; fi
        mkdir -p mount/out && cp -r mount/out before
        if [ -z "$2" ]; then rmdir mount/out; fi
        "$1" $3 && mv mount/out undisturbed
        if [ -n "$2" ]; then cp -r before mount/out; fi
        mount -o remount,size=64k mount || exit 77
        "$1" $3 2> stderr; echo $? > code
        cp -r mount/out full
        mount -o remount,size=1m mount
        "$1" $3 && cp -r mount/out completed
    "#;
    for namespace in [&["--user", "--map-root-user", "--mount"][..], &["--mount"]] {
        let mut shell = Command::new("unshare");
        shell.args(namespace).args(["sh", "-c", script, "sh", env!("CARGO_BIN_EXE_inlaid"), earlier, command]);
        // Without the command there is no namespace either.
        let Ok(output) = shell.current_dir(folder).output() else { return None };
        if output.status.success() {
            let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
            let path = |name| folder.join(name);
            return Some(Filled {
                code: read("code").trim().to_owned(),
                stderr: read("stderr"),
                full: path("full"),
                completed: path("completed"),
                undisturbed: path("undisturbed"),
            });
        }
        let refused = output.status.code() == Some(77) || output.stderr.starts_with(b"unshare: ");
        assert!(refused, "{}", String::from_utf8_lossy(&output.stderr));
    }
    None
}
