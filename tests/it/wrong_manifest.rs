//! Manifests that describe other rows than their shards hold: nothing takes such rows for rows of the dataset.

use serde_json::{Value, json};

use crate::append::SMALL;
use crate::harness::Scratch;

/// A dataset with a short last shard, which an append lengthens and a compaction merges, and images to append.
fn dataset(options: &str) -> Scratch {
    let s = Scratch::new();
    s.images(&["src/cat", "src/dog"], 10);
    s.convert(&format!("src --out out {SMALL} --split train=1 {options}")).exits(0);
    s.more_images(&["first/cat"], 10..12);
    s.run("append", "first --out out").exits(0);
    s.more_images(&["second/cat"], 12..14);
    s
}

/// Nothing writes to the dataset once its spec is edited, and `verify` finds every shard that it reads.
#[track_caller]
fn is_refused(options: &str, edit: impl FnOnce(&mut Value)) {
    are_refused(&["append second --out out", "compact out"], options, edit);
}

#[track_caller]
fn are_refused(commands: &[&str], options: &str, edit: impl FnOnce(&mut Value)) {
    let s = dataset(options);
    s.edit_manifest("out", |manifest| edit(&mut manifest["spec"]));
    let before = s.dataset("out");
    let extension = if options.contains("arrow") { "arrow" } else { "parquet" };
    let shard = format!("train/train-00000.{extension}");
    let problem = "its columns are not those that `inlaid.json` describes";
    let ran = s.run("verify", "out").exits(1);
    assert!(ran.stdout.contains(&format!("`{shard}`: {problem}")), "{}", ran.stdout);
    let error = format!(
        "error: `out/{shard}` is damaged: {problem}\n\
         hint: restore the file, or convert to a new folder"
    );
    for command in commands {
        let (command, arguments) = command.split_once(' ').unwrap();
        s.run(command, arguments).fails(1, &error);
        assert_eq!(s.dataset("out"), before, "{command}");
    }
}

#[test]
fn shards_of_another_size() {
    is_refused("", |spec| spec["size"] = json!([8, 8]));
}

#[test]
fn shards_of_another_shape_with_as_many_elements() {
    is_refused("", |spec| spec["size"] = json!([8, 2]));
}

#[test]
fn shards_of_another_layout() {
    for options in ["", "--storage binary", "--format arrow"] {
        is_refused(options, |spec| spec["layout"] = "chw".into());
    }
}

#[test]
fn shards_of_other_channels() {
    is_refused("", |spec| spec["channels"] = "rgb".into());
}

#[test]
fn shards_of_another_element_type() {
    is_refused("", |spec| spec["dtype"] = "u16".into());
}

#[test]
fn shards_of_another_storage() {
    is_refused("", |spec| spec["storage"] = "binary".into());
}

#[test]
fn shards_without_a_column() {
    // Folders have no such column anyway.
    are_refused(&["compact out"], "", |spec| spec["columns"] = json!([{ "name": "age", "type": "int64" }]));
}

#[test]
fn manifest_whose_columns_contradict_each_other_is_damaged() {
    let s = dataset("");
    s.edit_manifest("out", |manifest| manifest["spec"]["columns"] = json!([{ "name": "path", "type": "int64" }]));
    for command in ["verify", "compact", "info"] {
        s.run(command, "out").fails(
            1,
            "error: `out/inlaid.json` is damaged: `path` can't be the name of an additional column\n\
             hint: restore the file, or convert to a new folder",
        );
    }
}
