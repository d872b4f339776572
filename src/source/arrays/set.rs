//! Arrays that belong together: images with their labels and columns, found by the names of the arrays.

use std::collections::BTreeMap;

use super::array::Array;
use super::images::Images;
use super::name::{Name, Role};
use crate::error::{Error, SourceError};
use crate::spec::Split;

/// Names that columns can't have, since rows have columns of these names already.
const TAKEN: [&str; 6] = ["image", "label", "path", "source_height", "source_width", "sha256"];

/// Images with what is known of them.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) images: Images,
    /// Beginning of the keys of the rows.
    pub(super) key: String,
    pub(super) split: Option<Split>,
    pub(super) labels: Option<Array>,
    /// Names of the classes, if the labels are their numbers.
    pub(super) names: Option<Vec<String>>,
    pub(super) columns: Vec<(String, Array)>,
}

/// Arrays among which those that belong together are looked for.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// Arrays with the beginning of the keys that they would have.
    pub(super) arrays: Vec<(Array, String)>,
    /// Whether these are the arrays of one file.
    pub(super) is_file: bool,
    /// Name of the array of images, if it is known.
    pub(super) images: Option<String>,
}

/// An array with what its name says.
struct Named {
    array: Array,
    key: String,
    name: Name,
}

impl Shelf {
    /// The images with what belongs to them, and the names of the arrays that do not belong to any.
    ///
    /// # Errors
    /// If there are not as many labels as images, or nothing says which of several arrays are the images.
    pub(super) fn sets(self) -> Result<(Vec<Set>, Vec<String>), Error> {
        let Shelf { arrays, is_file, images: wanted } = self;
        let mut named: Vec<Named> = arrays.into_iter().map(|(array, key)| Named::new(array, key)).collect();
        let mut images = take_images(&mut named, is_file, wanted.as_deref())?;
        let mut sets = Vec::new();
        for number in 0..images.len() {
            let labels = labels_of(&images, number, &mut named, is_file);
            let Named { array, name, key } = &images[number];
            if let Some(Named { array: labels, .. }) = &labels
                && labels.rows() != array.rows()
            {
                let (of, images) = (labels.name.clone(), array.name.clone());
                return Err(labels.error(SourceError::ArrayLabels {
                    labels: of,
                    count: labels.rows(),
                    images,
                    wanted: array.rows(),
                }));
            }
            let labels = labels.map(|labels| labels.array);
            sets.push((name.split, key.clone(), labels, BTreeMap::new()));
        }
        let mut left_out = Vec::new();
        for Named { array, name, .. } in named {
            let mut of_split = images.iter().enumerate().filter(|(_, images)| images.name.split == name.split);
            let place = match (of_split.next(), of_split.next()) {
                (Some((place, images)), None) if images.array.rows() == array.rows() => Some(place),
                _ => None,
            };
            match place {
                Some(place) if array.is_column() && !TAKEN.contains(&&*name.column) => {
                    sets[place].3.insert(name.column, array);
                }
                _ => left_out.push(array.name),
            }
        }
        let sets = sets.into_iter().zip(images.drain(..)).map(|((split, key, labels, columns), images)| {
            let (images, columns) = (Images::new(images.array)?, columns.into_iter().collect());
            Ok(Set { images, key, split, labels, names: None, columns })
        });
        Ok((sets.collect::<Result<_, Error>>()?, left_out))
    }
}

impl Named {
    fn new(array: Array, key: String) -> Named {
        let mut name = Name::of(&array.name);
        // Labels have one dimension, or two.
        if matches!(name.role, Role::Labels(_)) && array.shape.len() > 2 {
            name.role = Role::Other;
        }
        // An IDX file of one dimension holds nothing else.
        if name.role == Role::Other && array.shape.len() == 1 && array.name.contains("idx1") {
            name.role = Role::Labels(usize::MAX);
        }
        Named { array, key, name }
    }

    fn is_images(&self) -> bool {
        Images::are(&self.array)
    }
}

/// Takes the arrays that are images, sorted by key.
fn take_images(named: &mut Vec<Named>, is_file: bool, wanted: Option<&str>) -> Result<Vec<Named>, Error> {
    let is_called_images = |each: &Named| matches!(each.name.role, Role::Images(_));
    let are_called = named.iter().any(|each| is_called_images(each) && each.is_images());
    let is_candidate = |each: &Named| match wanted {
        Some(wanted) => each.array.name == wanted && each.is_images(),
        None => each.is_images() && (is_called_images(each) || !are_called && each.name.role == Role::Other),
    };
    let (mut images, others): (Vec<Named>, Vec<Named>) = named.drain(..).partition(is_candidate);
    *named = others;
    // Of `images` and `data`, the first.
    images.sort_by(|a, b| {
        (a.name.split, &a.name.rest, a.name.role, &a.key).cmp(&(b.name.split, &b.name.rest, b.name.role, &b.key))
    });
    let mut kept: Vec<Named> = Vec::new();
    for each in images {
        let is_same = |earlier: &Named| {
            is_file && are_called && (earlier.name.split, &earlier.name.rest) == (each.name.split, &each.name.rest)
        };
        // What `numpy.savez` calls arrays without names: the first one is the images.
        let follows = |earlier: &Named| is_file && is_numbered(earlier) && is_numbered(&each);
        match kept.last().is_some_and(|earlier| is_same(earlier) || follows(earlier)) {
            true => named.push(each),
            false => kept.push(each),
        }
    }
    if is_file && !are_called && kept.len() > 1 {
        let arrays = kept.iter().map(|each| each.array.name.clone()).collect();
        return Err(kept[0].array.error(SourceError::SeveralArrays { arrays }));
    }
    kept.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(kept)
}

fn is_numbered(each: &Named) -> bool {
    each.array.name.strip_prefix("arr_").is_some_and(|number| number.parse::<u32>().is_ok())
}

/// Takes the labels of the images with this number.
fn labels_of(images: &[Named], number: usize, others: &mut Vec<Named>, is_file: bool) -> Option<Named> {
    let of = &images[number].name;
    let is_only = images.iter().filter(|images| images.name.split == of.split).count() == 1;
    let rank = |each: &Named| match each.name.role {
        Role::Labels(rank) if each.name.split == of.split && each.array.shape.len() <= 2 => {
            let is_same = each.name.rest == of.rest;
            (is_same || is_only && each.name.rest.is_empty()).then_some((!is_same, rank))
        }
        Role::Other if is_file && is_only && is_numbered(&images[number]) && is_numbered(each) => {
            let fits = each.array.shape.len() <= 2 && each.array.rows() == images[number].array.rows();
            fits.then_some((true, usize::MAX))
        }
        _ => None,
    };
    let ranked = others.iter().enumerate().filter_map(|(place, each)| Some((rank(each)?, place)));
    let (_, place) = ranked.min()?;
    Some(others.remove(place))
}

impl Set {
    /// Whether the labels have a row of numbers for each image.
    pub(super) fn has_rows_of_labels(&self) -> bool {
        self.labels.as_ref().is_some_and(|labels| labels.shape.len() == 2 && labels.shape[1] != 1)
    }
}
