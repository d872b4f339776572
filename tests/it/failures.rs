//! Failures as `--json` prints them: one object on standard output, and the words on standard error as ever.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::Scratch;

fn source() -> Scratch {
    let s = Scratch::new();
    s.images(&["src/cat", "src/dog"], 10);
    s
}

/// A command fails with this object, and says the same as without `--json`.
#[track_caller]
fn fails(s: &Scratch, words: &str, expected: Value) {
    let (command, options) = words.split_once(' ').unwrap();
    let code = i32::try_from(expected["exit_code"].as_i64().unwrap()).unwrap();
    let ran = s.run(command, &format!("{options} --json")).exits(code);
    assert_eq!(ran.json(), expected, "{words}");
    assert_eq!(s.run(command, options).exits(code).stderr, ran.stderr, "{words}");
}

#[test]
fn every_command_tells_its_failure() {
    let s = source();
    let start = |kind: &str, error: &str, hint: Value, paths: Value| json!({"error": error, "kind": kind, "hint": hint, "paths": paths, "exit_code": 1});
    let create = "create it with `inlaid convert`";
    for command in ["append src --out", "compact", "rollback", "verify", "info"] {
        let expected = start("no-dataset", "`none` holds no dataset", json!(create), json!(["none"]));
        fails(&s, &format!("{command} none"), expected);
    }
    let error = "can't read source `none`: No such file or directory (os error 2)";
    fails(&s, "convert none --out out --size 4", start("not-found", error, Value::Null, json!(["none"])));
    s.file("in/a.parquet", b"no table at all");
    let hint = "have the tool that wrote the file write Parquet";
    let error = "can't repack `in/a.parquet`: it is neither a Parquet nor an Arrow file";
    let ran = s.run("repack", "in --out out --json").exits(1);
    assert_eq!(ran.json()["kind"], "repack-unknown-format", "{} {error} {hint}", ran.stdout);
    assert_eq!(ran.json()["paths"], json!(["in/a.parquet"]));
}

#[test]
fn wrong_settings_and_usage_have_an_exit_code_of_their_own() {
    let s = source();
    let expected = |error: &str, kind: &str, hint: Value| json!({"error": error, "kind": kind, "hint": hint, "paths": [], "exit_code": 2});
    let hint = "choose a smaller `--size`";
    let error = "a tensor of 12884508675 elements is too large, the limit is 536870911";
    fails(&s, "convert src --out out --size 65535", expected(error, "setting-tensor-too-large", json!(hint)));
    let error = "invalid value '0' for '--size <SIZE>': size `0` is not HEIGHTxWIDTH in pixels, 1 to 65535 each";
    fails(&s, "convert src --out out --size 0", expected(error, "usage", Value::Null));
    let error = "unexpected argument '--sizes' found";
    let hint = "a similar argument exists: '--size'";
    fails(&s, "convert src --out out --sizes 4", expected(error, "usage", json!(hint)));
    let error = "the following required arguments were not provided: --out <DIR>";
    // The words also tell the usage, which has an option more.
    assert_eq!(s.run("append", "src --json").exits(2).json(), expected(error, "usage", Value::Null));
    // Help is no failure.
    assert!(s.run("convert", "--help --json").exits(0).stdout.starts_with("Make a dataset"));
}

#[test]
fn control_characters_are_escaped_by_json() {
    let s = source();
    let ran = s.run("info", "no\x1b[31m --json").exits(1);
    assert_eq!(ran.json()["paths"], json!(["no\x1b[31m"]));
    assert!(ran.stdout.is_ascii() && !ran.stdout.contains('\x1b'), "{}", ran.stdout);
    assert_eq!(ran.stderr.lines().next(), Some("error: `no\\u{1b}[31m` holds no dataset"));
}

#[test]
fn schema_lists_every_kind() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| fs::read_to_string(root.join(file)).unwrap();
    let files =
        ["crates/inlaid-format/src/error/kind.rs", "crates/inlaid-format/src/spec/error.rs", "src/error/kind.rs"];
    let mut kinds = BTreeSet::from(["panic".to_owned(), "usage".to_owned()]);
    for line in files.map(read).iter().flat_map(|text| text.lines()) {
        let literal = line.split_once("=> \"").and_then(|(_, rest)| rest.split_once("\","));
        kinds.extend(literal.map(|(kind, _)| kind.to_owned()));
    }
    let schema: Value = serde_json::from_str(&read("schemas/error.schema.json")).unwrap();
    let listed: Vec<&str> =
        schema["properties"]["kind"]["enum"].as_array().unwrap().iter().flat_map(Value::as_str).collect();
    assert_eq!(listed, kinds.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(kinds.len() > 100 && kinds.contains("disk-full"));
}

#[test]
fn schemas_list_every_reason_of_a_reject() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| fs::read_to_string(root.join(file)).unwrap();
    let text = read("src/error/record.rs");
    let codes = text.split_once("pub fn code(").unwrap().1;
    let mut reasons: Vec<&str> = Vec::new();
    for line in codes.lines() {
        let literal = line.split_once("=> \"").and_then(|(_, rest)| rest.split_once("\","));
        reasons.extend(literal.map(|(reason, _)| reason).filter(|reason| !reasons.contains(reason)));
    }
    assert!(reasons.len() > 30 && reasons.contains(&"truncated"));
    let of_rejects: Value = serde_json::from_str(&read("schemas/reject.schema.json")).unwrap();
    let of_summaries: Value = serde_json::from_str(&read("schemas/summary.schema.json")).unwrap();
    for listed in [
        &of_rejects["properties"]["reason"]["enum"],
        &of_summaries["properties"]["rejects_by_reason"]["propertyNames"]["enum"],
    ] {
        assert_eq!(listed.as_array().unwrap().iter().flat_map(Value::as_str).collect::<Vec<_>>(), reasons);
    }
}
