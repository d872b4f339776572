//! Conversions in three steps: a plan, work on its items in any order and any number of times, and a commit, with the
//! bytes that one process makes.

use std::fs;

use inlaid::Checksum;

use crate::harness::{Ran, Scratch, same_files};

/// Row groups of 8 rows, shards of 16.
const SMALL: &str = "--size 4 --channels gray --row-group-bytes 128 --shard-bytes 256";

/// 90 images of two classes, of which two are broken.
fn source() -> Scratch {
    let s = Scratch::new();
    s.images(&["src/cat", "src/dog"], 44);
    s.file("src/cat/broken.png", b"no image");
    s.file("src/dog/empty.png", b"");
    s
}

/// Plans, and returns the run and the number of items.
#[track_caller]
fn plan(s: &Scratch, words: &str) -> (String, usize) {
    let planned = s.run("plan", &format!("{words} --json --quiet")).exits(0).json();
    (planned["run"].as_str().unwrap().to_owned(), planned["items"].as_u64().unwrap() as usize)
}

fn work(s: &Scratch, run: &str, item: usize) -> Ran {
    s.run("work", &format!("{run} --item {item} --json"))
}

/// Plans, works on all items from the last to the first, and commits.
#[track_caller]
fn in_steps(s: &Scratch, words: &str, code: i32) {
    let (run, items) = plan(s, words);
    assert!(items > 1, "{items} items");
    (0..items).rev().for_each(|item| assert_eq!(work(s, &run, item).exits(0).json()["made"], true));
    s.run("commit", &run).exits(code);
}

#[test]
fn steps_make_the_bytes_of_one_process() {
    for options in [
        "",
        "--order path --split train=1",
        "--split-by random --seed 3",
        "--format arrow",
        "--storage binary --compression zstd",
        "--dtype f32 --scale -1..1",
    ] {
        let s = source();
        s.convert(&format!("src --out at-once {SMALL} {options}")).exits(3);
        in_steps(&s, &format!("src --out out {SMALL} {options}"), 3);
        same_files(&s, "out", "at-once");
        s.is_whole("out");
    }
}

#[test]
fn files_are_stored_as_one_process_stores_them() {
    let s = source();
    for options in ["--storage encoded --shard-bytes 1KB", "--storage encoded --size 4 --shard-bytes 1KB"] {
        ["at-once", "out"].iter().for_each(|out| drop(fs::remove_dir_all(s.path().join(out))));
        s.convert(&format!("src --out at-once {options}")).exits(3);
        in_steps(&s, &format!("src --out out {options}"), 3);
        same_files(&s, "out", "at-once");
    }
}

#[test]
fn several_sources_a_list_and_a_table_are_read_where_they_are() {
    let s = source();
    s.images(&["more/cat", "more/eel"], 30);
    s.file("list.txt", b"src/cat/001.png\tcat\nsrc/dog/002.png\tdog\nsrc/dog/003.png\tdog\n");
    let mut table = "file_name,label,score,when\n".to_owned();
    (0..40).for_each(|n| table += &format!("dog/{n:03}.png,c{},{}.5,2024-01-{:02}T00:00:00Z\n", n % 3, n, n % 28 + 1));
    s.file("table/metadata.csv", table.as_bytes());
    s.images(&["table/dog"], 40);
    for (number, (words, code)) in [
        ("src more", 3),
        ("table --folders none", 0),
        ("--files-from list.txt --split train=0.4,validation=0.3,test=0.3", 0),
    ]
    .into_iter()
    .enumerate()
    {
        s.convert(&format!("{words} --out at-once-{number} {SMALL}")).exits(code);
        in_steps(&s, &format!("{words} --out out-{number} {SMALL}"), code);
        same_files(&s, &format!("out-{number}"), &format!("at-once-{number}"));
    }
}

#[test]
fn contents_are_read_by_items_before_they_decide_the_splits() {
    let s = source();
    s.convert(&format!("src --out at-once {SMALL} --split-by content")).exits(3);
    let words = format!("src --out out {SMALL} --split-by content");
    let scan = s.run("plan", &format!("{words} --json")).exits(0).json();
    assert_eq!((&scan["scans"], &scan["items"], &scan["inputs"]), (&true.into(), &2.into(), &90.into()));
    let run = scan["run"].as_str().unwrap();
    s.run("commit", run).fails(
        1,
        &format!(
            "error: can't use the plan `{run}`: its items only read files, to decide the splits\n\
             hint: run the same `inlaid plan` again when all items are done"
        ),
    );
    let last = work(&s, run, 1).exits(0).json();
    assert_eq!((&last["rows"], &last["rejects"]), (&25.into(), &1.into()));
    // As long as one is missing, the plan stays what it is.
    assert_eq!(plan(&s, &words), (run.to_owned(), 2));
    assert_eq!(work(&s, run, 0).exits(0).json()["rows"], 64);
    in_steps(&s, &words, 3);
    same_files(&s, "out", "at-once");
}

#[test]
fn steps_say_what_they_did() {
    let s = source();
    let words = format!("src --out out {SMALL}");
    let ran = s.run("plan", &words).exits(0);
    let run = ran.stdout.trim_end().rsplit('`').nth(1).unwrap();
    assert_eq!(ran.stdout, format!("7 items, 0 to 6, of 90 images: `{run}`\n"));
    assert!(run.starts_with(s.path().join("out/.inlaid/runs").to_str().unwrap()), "{run}");
    assert_eq!(s.run("plan", &words).exits(0).stdout, ran.stdout);
    let ran = s.run("work", &format!("{run} --item 0 --step 3")).exits(0);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(
        lines[0].starts_with("item 0: 15 rows, ")
            && lines[0].contains(" KiB, 1 rejected, in ")
            && lines[2].starts_with("item 6: "),
        "{}",
        ran.stdout
    );
    assert_eq!((lines.len(), &*ran.stderr), (3, ""));
    assert_eq!(s.run("work", &format!("{run} --item 3")).exits(0).stdout, "item 3: already done\n");
    for item in [1, 2, 4, 5] {
        assert_eq!(work(&s, run, item).exits(0).json()["made"], true);
    }
    let ran = s.run("commit", run).exits(3);
    assert!(ran.stdout.contains("\n88 rows from 90 images, 2 classes, in "), "{}", ran.stdout);
    let out = s.path().join("out").display().to_string();
    let end = format!("2 rejected: 1 empty, 1 unknown-format\nsee `{out}/rejects.jsonl` for the reason of each\n");
    assert!(ran.stdout.ends_with(&end), "{}", ran.stdout);
}

#[test]
fn steps_that_are_repeated_or_late_change_nothing() {
    let s = source();
    let words = format!("src --out out {SMALL}");
    let (run, items) = plan(&s, &words);
    for item in 0..items {
        assert_eq!(work(&s, &run, item).exits(0).json()["made"], true);
        let again = work(&s, &run, item).exits(0).json();
        assert_eq!((&again["made"], &again["item"]), (&false.into(), &item.into()));
    }
    s.run("commit", &run).exits(3);
    let files = s.files("out");
    let late = work(&s, &run, 0).exits(0).json();
    assert_eq!((&late["made"], &late["rows"]), (&false.into(), &0.into()));
    let summary = s.run("commit", &format!("{run} --json")).exits(3).json();
    assert_eq!((&summary["committed"], &summary["unchanged"]), (&false.into(), &88.into()));
    assert_eq!(plan(&s, &words), (run, 7));
    assert_eq!(s.run("plan", &words).exits(0).stdout.lines().count(), 1);
    assert_eq!(s.files("out"), files);
}

#[test]
fn commits_wait_for_all_items() {
    let s = source();
    let (run, _) = plan(&s, &format!("src --out out {SMALL}"));
    let not_done = |missing: usize, first: usize| {
        format!(
            "error: can't use the plan `{run}`: {missing} of 7 items are not done, the first is item {first}\n\
             hint: work on them with `inlaid work`, and commit again"
        )
    };
    s.run("commit", &run).fails(1, &not_done(7, 0));
    (0..6).for_each(|item| drop(work(&s, &run, item).exits(0)));
    s.run("commit", &run).fails(1, &not_done(1, 6));
    // A shard that somebody has removed is made again.
    work(&s, &run, 6).exits(0);
    let attempts = fs::read_dir(format!("{run}/attempts")).unwrap().map(|entry| entry.unwrap().path());
    fs::remove_file(attempts.min().unwrap()).unwrap();
    s.run("commit", &run).fails(
        1,
        &format!(
            "error: can't use the plan `{run}`: the shard of item 0 is gone, so the item is not done any more\n\
             hint: work on them with `inlaid work`, and commit again"
        ),
    );
    s.run("commit", &run).fails(1, &not_done(1, 0));
    work(&s, &run, 0).exits(0);
    s.run("commit", &run).exits(3);
    s.convert(&format!("src --out at-once {SMALL}")).exits(3);
    same_files(&s, "out", "at-once");
}

#[test]
fn shards_whose_rows_are_all_rejected_leave_a_gap() {
    let s = Scratch::new();
    s.images(&["src/a", "src/c"], 16);
    (0..16).for_each(|n| drop(s.file(&format!("src/b/{n:03}.png"), b"no image")));
    let words = format!("src {SMALL} --split train=1 --order path");
    s.convert(&format!("{words} --out at-once")).exits(3);
    in_steps(&s, &format!("{words} --out out"), 3);
    same_files(&s, "out", "at-once");
    assert_eq!(s.shards("out", "train"), ["train/train-00000.parquet", "train/train-00002.parquet"]);
}

#[test]
fn rejects_of_all_items_count_together() {
    let s = source();
    let (run, items) = plan(&s, &format!("src --out out {SMALL} --max-errors 1"));
    (0..items).for_each(|item| drop(work(&s, &run, item).exits(0)));
    let ran = s.run("commit", &run).exits(1);
    let told = "error: 2 of 90 inputs can't be used, more than the 1 allowed; the last is `";
    assert!(ran.stderr.starts_with(told), "{}", ran.stderr);
    assert!(!s.path().join("out/inlaid.json").exists());
    let (run, items) = plan(&s, &format!("src --out stops {SMALL} --on-error stop"));
    let codes: Vec<i32> = (0..items).map(|item| work(&s, &run, item).code).collect();
    assert_eq!(codes.iter().filter(|code| **code == 1).count(), 2, "{codes:?}");
}

#[test]
fn plans_that_cant_be_used_are_refused() {
    let s = source();
    let words = format!("src --out out {SMALL}");
    let (run, _) = plan(&s, &words);
    let of_run = |reason: &str, hint: &str| format!("error: can't use the plan `{run}`: {reason}\n{hint}");
    s.run("work", &format!("{run} --item 7"))
        .fails(1, of_run("it has no item 7: its 7 items are numbered from 0", "").trim_end());
    let header = format!("{run}/plan.jsonl");
    let text = fs::read_to_string(&header).unwrap();
    let tool = format!("inlaid {}", env!("CARGO_PKG_VERSION"));
    let line = text.split_inclusive('\n').next().unwrap().replace(&tool, "inlaid 0.0.9");
    let sealed = |line: &str| format!("{line}{{\"checksum\":\"{}\"}}\n", Checksum::of(line.as_bytes()));
    fs::write(&header, sealed(&line)).unwrap();
    let ran = s.run("work", &format!("{run} --item 0")).exits(1);
    let features = ran.stderr.split(" with ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    assert!(features.starts_with("formats"), "{}", ran.stderr);
    let hint = "hint: use the same release, with the same features, on all machines\n";
    let here = ran.stderr.split("and this is ").nth(1).unwrap().split('\n').next().unwrap();
    assert_eq!(
        ran.stderr,
        of_run(&format!("it was made by {}, and this is {here}", here.replace(&tool, "inlaid 0.0.9")), hint)
    );
    let damaged: [(&str, &[u8]); 2] = [
        ("it has no checksum", &text.as_bytes()[..100]),
        ("its checksum does not match", &text.replace("\"items\":7", "\"items\":6").into_bytes()),
    ];
    for (reason, bytes) in damaged {
        fs::write(&header, bytes).unwrap();
        s.run("commit", &run)
            .fails(1, &of_run(&format!("it is damaged: {reason}"), "hint: remove the run, and plan again"));
    }
    fs::write(&header, text).unwrap();
    let nowhere = "hint: give the run that `inlaid plan` printed, as in DIR/.inlaid/runs/...";
    for place in ["out", "src", "out/.inlaid/runs/2241e4c561baca272742ffac3b29bfb3"] {
        let full = s.path().join(place).display().to_string();
        s.run("work", &format!("{place} --item 0"))
            .fails(1, &format!("error: can't use the plan `{full}`: there is no plan\n{nowhere}"));
    }
    // Another conversion was faster.
    s.convert(&format!("src --out out {SMALL} --seed 1")).exits(3);
    let superseded = of_run("another run has made the dataset", "hint: plan for another folder");
    s.run("work", &format!("{run} --item 0")).fails(1, &superseded);
    s.run("commit", &run).fails(1, &superseded);
}

#[test]
fn settings_that_a_plan_cant_have_are_refused() {
    let s = source();
    let out = s.path().join("out").display().to_string();
    for (option, reason) in [("--overwrite", "replace a dataset"), ("--dry-run", "be a dry run")] {
        let ran = s.run("plan", &format!("src --out out {SMALL} {option}")).exits(1);
        assert_eq!(ran.stderr, format!("error: can't use the plan `{out}`: a plan can't {reason}\n"));
    }
    assert!(!s.path().join("out").exists());
    // Three files of five: a conversion that stopped.
    s.convert(&format!("src --out out {SMALL} --order path --on-error stop")).exits(1);
    assert!(s.path().join("out/inlaid.json").exists());
    let ran = s.run("plan", &format!("src --out out {SMALL} --order path")).exits(1);
    let told = "the dataset is an interrupted conversion on one machine";
    let hint = "hint: finish it with `inlaid convert`, or plan for another folder";
    assert_eq!(ran.stderr, format!("error: can't use the plan `{out}`: {told}\n{hint}\n"));
}

/// What a step leaves when it is killed before each of its changes to the disk, and the steps are repeated.
#[cfg(feature = "failpoints")]
#[test]
fn steps_go_on_after_being_killed_anywhere() {
    let s = Scratch::new();
    s.images(&["src/cat", "src/dog"], 20);
    s.file("src/cat/broken.png", b"no image");
    let words = |out: &str| format!("src --out {out} {SMALL} --split train=1");
    s.convert(&words("at-once")).exits(3);
    let killed = |command: &str, words: &str, step: usize| {
        let output = s.command(command, words).env("INLAID_FAILPOINT", format!("kill:{step}")).output().unwrap();
        output.status.code().is_none()
    };
    for step_of in ["plan", "work", "commit"] {
        let mut step = 1;
        loop {
            let out = format!("{step_of}-{step}");
            let plan_words = format!("{} --json", words(&out));
            let mut was_killed = step_of == "plan" && killed("plan", &plan_words, step);
            let (run, items) = plan(&s, &words(&out));
            for item in 0..items {
                let item_words = format!("{run} --item {item}");
                was_killed |= item == 1 && step_of == "work" && killed("work", &item_words, step);
                work(&s, &run, item).exits(0);
            }
            was_killed |= step_of == "commit" && killed("commit", &run, step);
            // As a driver does that starts again.
            assert_eq!(plan(&s, &words(&out)), (run.clone(), items));
            (0..items).for_each(|item| drop(work(&s, &run, item).exits(0)));
            s.run("commit", &run).exits(3);
            same_files(&s, &out, "at-once");
            s.is_whole(&out);
            if !was_killed {
                break;
            }
            step += 1;
        }
        assert!(step > 5, "{step_of} has {step} steps");
    }
}

/// One byte of any file of a plan that is another makes a clear error, or the files of one process: never others.
#[test]
fn damage_is_noticed() {
    let s = source();
    s.convert(&format!("src --out at-once {SMALL}")).exits(3);
    let (run, items) = plan(&s, &format!("src --out kept {SMALL}"));
    (0..items).for_each(|item| drop(work(&s, &run, item).exits(0)));
    let run_below = run.split("/kept/").nth(1).unwrap();
    let files: Vec<String> = s.files("kept").into_iter().map(|(name, _)| name).collect();
    let files = files.into_iter().filter(|name| !name.contains("/attempts/") && name != ".inlaid/lock");
    let mut refused = 0;
    for (number, name) in files.enumerate() {
        for place in [0.0, 0.3, 0.7, 0.999] {
            let _ = fs::remove_dir_all(s.path().join("out"));
            for (file, bytes) in s.files("kept") {
                s.file(&format!("out/{file}"), &bytes);
            }
            let path = s.path().join("out").join(&name);
            let mut bytes = fs::read(&path).unwrap();
            let at = ((bytes.len() as f64 * place) as usize + number).min(bytes.len() - 1);
            bytes[at] ^= 1;
            fs::write(&path, bytes).unwrap();
            let moved = format!("{}/{run_below}", s.path().join("out").display());
            let codes: Vec<i32> = (0..items).map(|item| work(&s, &moved, item).code).collect();
            let code = s.run("commit", &moved).code;
            match code {
                3 => same_files(&s, "out", "at-once"),
                code => assert_eq!(code, 1, "{name} {codes:?}"),
            }
            refused += usize::from(code == 1);
        }
    }
    // What was planned; items that are done, and records, are made again or not read.
    assert_eq!(refused, 8);
}

#[test]
fn records_of_other_items_are_refused() {
    let s = source();
    let (run, items) = plan(&s, &format!("src --out out {SMALL}"));
    (0..items).for_each(|item| drop(work(&s, &run, item).exits(0)));
    let mut records: Vec<_> = fs::read_dir(format!("{run}/done")).unwrap().map(|entry| entry.unwrap().path()).collect();
    records.sort();
    fs::copy(&records[1], &records[0]).unwrap();
    let ran = s.run("commit", &run).exits(1);
    let told = "the shard of item 0 is gone, so the item is not done any more";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    // A damaged record does not keep its item from being done again, before a commit or after.
    assert_eq!(work(&s, &run, 0).exits(0).json()["made"], true);
    records = fs::read_dir(format!("{run}/done")).unwrap().map(|entry| entry.unwrap().path()).collect();
    records.sort();
    fs::write(&records[3], b"{}").unwrap();
    assert_eq!(work(&s, &run, 3).exits(0).json()["made"], true);
    s.run("commit", &run).exits(3);
    s.convert(&format!("src --out at-once {SMALL}")).exits(3);
    same_files(&s, "out", "at-once");
}

#[test]
fn plans_of_other_sources_are_made_anew() {
    let s = Scratch::new();
    s.images(&["a/src/cat", "a/src/dog"], 20);
    let (run, items) = plan(&s, &format!("a/src --out out {SMALL}"));
    assert_eq!(work(&s, &run, 0).exits(0).json()["made"], true);
    fs::rename(s.path().join("a"), s.path().join("b")).unwrap();
    // The same names in another place: what was made of the first counts for nothing.
    let again = plan(&s, &format!("b/src --out out {SMALL}"));
    assert_eq!(again, (run.clone(), items));
    (0..items).for_each(|item| assert_eq!(work(&s, &run, item).exits(0).json()["made"], true));
    s.run("commit", &run).exits(0);
    s.convert(&format!("b/src --out at-once {SMALL}")).exits(0);
    same_files(&s, "out", "at-once");
}

#[test]
fn conversions_leave_no_plans_behind() {
    let s = source();
    plan(&s, &format!("src --out out {SMALL}"));
    s.convert(&format!("src --out out {SMALL} --seed 4")).exits(3);
    s.is_whole("out");
    // What a commit left that died while it removed its plan.
    let (run, items) = plan(&s, &format!("src --out other {SMALL}"));
    (0..items).for_each(|item| drop(work(&s, &run, item).exits(0)));
    let before = s.files("other");
    s.run("commit", &run).exits(3);
    for (file, bytes) in before.iter().filter(|(file, _)| file.contains("/attempts/") || file.ends_with("plan.jsonl")) {
        s.file(&format!("other/{file}"), bytes);
    }
    assert_eq!(work(&s, &run, 0).exits(0).json()["made"], false);
    assert_eq!(s.run("commit", &format!("{run} --json")).exits(3).json()["committed"], false);
    s.is_whole("other");
}

#[test]
fn contents_of_a_complete_dataset_are_read_at_once() {
    let s = source();
    let words = format!("src --out out {SMALL} --split-by content");
    for _ in 0..2 {
        let (run, items) = plan(&s, &words);
        (0..items).for_each(|item| drop(work(&s, &run, item).exits(0)));
    }
    let (run, _) = plan(&s, &words);
    s.run("commit", &run).exits(3);
    let planned = s.run("plan", &format!("{words} --json")).exits(0).json();
    assert_eq!((&planned["committed"], &planned["scans"]), (&true.into(), &false.into()));
    s.is_whole("out");
    let out = s.path().join("out").display().to_string();
    let ran = s.run("plan", &format!("{words} --seed 9")).exits(1);
    assert!(ran.stderr.starts_with(&format!("error: output folder `{out}` already holds a dataset")), "{}", ran.stderr);
    s.is_whole("out");
}

#[test]
fn machines_without_the_source_do_nothing() {
    let s = source();
    let (run, items) = plan(&s, &format!("src --out out {SMALL}"));
    let source = s.path().join("src");
    fs::rename(&source, s.path().join("elsewhere")).unwrap();
    let hint = "hint: mount it at the same path on all machines, or plan again if it is gone";
    let told = |reason: String| format!("error: can't use the plan `{run}`: {reason}\n{hint}");
    s.run("work", &format!("{run} --item 0"))
        .fails(1, &told(format!("its source `{}` is not on this machine", source.display())));
    // The folder that nothing was mounted on.
    fs::create_dir(&source).unwrap();
    let ran = s.run("work", &format!("{run} --item 0")).exits(1);
    assert!(ran.stderr.contains(": no file of item 0 can be read; the first is `"), "{}", ran.stderr);
    fs::remove_dir(&source).unwrap();
    fs::rename(s.path().join("elsewhere"), &source).unwrap();
    (0..items).for_each(|item| assert_eq!(work(&s, &run, item).exits(0).json()["made"], true));
    s.run("commit", &run).exits(3);
}

/// Archives of the images of `source`, plain and compressed.
fn archives(s: &Scratch, name: &str) {
    for (options, archive) in [("cf", format!("{name}.tar")), ("czf", format!("{name}.tar.gz"))] {
        let mut tar = std::process::Command::new("tar");
        tar.args([options, &archive, "-C", "src", "."]).current_dir(s.path());
        assert!(tar.status().unwrap().success());
    }
}

#[test]
fn archives_are_read_by_all_and_must_stay_what_they_were() {
    let s = source();
    archives(&s, "photos");
    for archive in ["photos.tar", "photos.tar.gz"] {
        s.convert(&format!("{archive} --out at-once-{archive} {SMALL}")).exits(3);
        in_steps(&s, &format!("{archive} --out out-{archive} {SMALL}"), 3);
        same_files(&s, &format!("out-{archive}"), &format!("at-once-{archive}"));
        let (run, _) = plan(&s, &format!("{archive} --out changed-{archive} {SMALL}"));
        work(&s, &run, 0).exits(0);
        s.image("src/cat/001.png");
        s.image("src/cat/new.png");
        archives(&s, "photos");
        let ran = work(&s, &run, 1).exits(1);
        let full = s.path().join(archive).display().to_string();
        let told = match archive {
            "photos.tar" => format!("error: `{full}` changed while it was being read\n"),
            _ => format!("error: can't use the plan `{run}`: its source has changed since it was planned\n"),
        };
        assert!(ran.stderr.starts_with(&told), "{}", ran.stderr);
        // A new plan of what is there now: what was made before counts for nothing.
        fs::remove_file(s.path().join("src/cat/new.png")).unwrap();
        archives(&s, "photos");
        in_steps(&s, &format!("{archive} --out changed-{archive} {SMALL}"), 3);
        same_files(&s, &format!("changed-{archive}"), &format!("at-once-{archive}"));
    }
}

#[test]
fn more_tasks_than_items_are_no_failure() {
    let s = source();
    let (run, items) = plan(&s, &format!("src --out out {SMALL}"));
    for task in 0..items + 3 {
        s.run("work", &format!("{run} --item {task} --step {}", items + 3)).exits(0);
    }
    s.run("commit", &run).exits(3);
}
