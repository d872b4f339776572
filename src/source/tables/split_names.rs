//! The split that the names of a file and of its folders say, by the rule of Hugging Face `datasets`: a word such as
//! `train`, between the ends of the name, signs, blanks and digits.

use std::path::Path;

use crate::spec::Split;

/// The split of the rows of a file, from its path below its source; none if its names say none, or two. The name of the
/// file comes before those of its folders, and the nearest folder first.
pub(in crate::source) fn split_of(below: &Path) -> Option<Split> {
    let names = [below.file_stem()].into_iter().flatten();
    let folders = below.parent().into_iter().flat_map(|folder| folder.iter().rev());
    let mut names = names.chain(folders).filter_map(|name| name.to_str());
    names.find_map(|name| match splits_in(name).as_slice() {
        [] => None,
        [split] => Some(Some(*split)),
        _ => Some(None),
    })?
}

/// The different splits that a name says.
fn splits_in(name: &str) -> Vec<Split> {
    let words = name.split(|sign: char| matches!(sign, '-' | '.' | '_' | ' ') || sign.is_ascii_digit());
    let mut splits: Vec<Split> = words.filter_map(Split::from_folder_name).collect();
    splits.sort_unstable();
    splits.dedup();
    splits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(below: &str) -> Option<&'static str> {
        split_of(Path::new(below)).map(|split| split.as_str())
    }

    #[test]
    fn words_between_signs_and_digits_are_splits() {
        assert_eq!(split("train-00000-of-00003.parquet"), Some("train"));
        assert_eq!(split("data/test-0000.parquet"), Some("test"));
        assert_eq!(split("cifar_train.parquet"), Some("train"));
        assert_eq!(split("my.val.parquet"), Some("validation"));
        assert_eq!(split("0test1.parquet"), Some("test"));
        assert_eq!(split("validation/data-00000-of-00001.arrow"), Some("validation"));
        assert_eq!(split("a/dev/b/data.arrow"), Some("validation"));
    }

    #[test]
    fn words_within_words_are_none() {
        for below in ["latest.parquet", "latest/0000.parquet", "trains/a.arrow", "data.train/latest/a.arrow.test"] {
            let expected = below.starts_with("data.train").then_some("train");
            assert_eq!(split(below), expected, "{below}");
        }
    }

    #[test]
    fn the_file_decides_before_its_folders_and_two_splits_decide_nothing() {
        assert_eq!(split("test_data/train-0.parquet"), Some("train"));
        assert_eq!(split("train/test/a.parquet"), Some("test"));
        assert_eq!(split("train_test.parquet"), None);
    }
}
