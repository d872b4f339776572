//! What the name of an array says: `x_train` holds the images of the split train, `y_train` their labels.

use crate::spec::Split;

/// Words for images, the clearest first.
const IMAGES: [&str; 8] = ["x", "images", "image", "imgs", "img", "pixels", "samples", "data"];

/// Words for labels, the clearest first.
const LABELS: [&str; 7] = ["y", "labels", "label", "targets", "target", "classes", "class"];

/// The name of an array, word by word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) role: Role,
    /// The split whose rows these are; none if the name says nothing of splits.
    pub(super) split: Option<Split>,
    /// The words that are left, in lower case, joined by `_`.
    pub(super) rest: String,
    /// The name without the word of its split.
    pub(super) column: String,
}

/// What an array is, with the place of the word that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Images(usize),
    Labels(usize),
    Other,
}

impl Name {
    /// What a name says.
    pub(super) fn of(name: &str) -> Name {
        let words = name.split(['_', '-', '.', ' ']).filter(|word| !word.is_empty());
        let (mut role, mut split, mut rest, mut column) = (Role::Other, None, Vec::new(), Vec::new());
        for original in words {
            let word = original.to_ascii_lowercase();
            if let Some(found) = split_of(&word) {
                split = Some(found);
                continue;
            }
            column.push(original);
            let place = |words: &[&str]| words.iter().position(|known| *known == word);
            match (place(&IMAGES), place(&LABELS)) {
                // In `image_labels`, the last word is what they are.
                (Some(place), _) => role = Role::Images(place),
                (_, Some(place)) => role = Role::Labels(place),
                _ if is_of_idx(&word) => {}
                _ => rest.push(word),
            }
        }
        let column = if split.is_some() { column.join("_") } else { name.to_owned() };
        Name { role, split, rest: rest.join("_"), column }
    }
}

/// The split that a word names. MNIST calls its test images those of 10,000.
fn split_of(word: &str) -> Option<Split> {
    if word == "t10k" { Some(Split::Test) } else { Split::from_folder_name(word) }
}

/// Whether a word only says what IDX files hold, as in `train-images-idx3-ubyte`.
fn is_of_idx(word: &str) -> bool {
    word == "ubyte" || word.strip_prefix("idx").is_some_and(|rest| rest.parse::<u8>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_known_datasets_are_understood() {
        let read = |name: &str| {
            let Name { role, split, rest, .. } = Name::of(name);
            let role = match role {
                Role::Images(_) => "images",
                Role::Labels(_) => "labels",
                Role::Other => "other",
            };
            format!("{role} {} {rest}", split.map_or("-", Split::as_str)).trim_end().to_owned()
        };
        assert_eq!(read("train-images-idx3-ubyte"), "images train");
        assert_eq!(read("t10k-labels.idx1-ubyte"), "labels test");
        assert_eq!(read("emnist-letters-test-labels-idx1-ubyte"), "labels test emnist_letters");
        assert_eq!(read("x_train"), "images train");
        assert_eq!(read("Y_val"), "labels validation");
        assert_eq!(read("test_images"), "images test");
        assert_eq!(read("arr_0"), "other - arr_0");
        assert_eq!(read("photos_labels"), "labels - photos");
        assert_eq!(read("image_labels"), "labels -");
    }

    #[test]
    fn columns_are_called_as_their_arrays_without_the_split() {
        assert_eq!(
            ["train_Age", "Age-Years", "ids_test"].map(|name| Name::of(name).column),
            ["Age", "Age-Years", "ids"]
        );
    }
}
