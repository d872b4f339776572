//! Images whose source files are equal byte by byte, in particular those in several splits.

use serde::Serialize;

use super::Camera;
use super::numbers::grouped;
use super::outliers::Captioned;
use crate::error::FormatError;
use crate::look::rows::{Place, Rows};

/// Groups of copies that are shown, and pictures of each.
const GROUPS: usize = 12;
const PICTURES: usize = 6;

const ABOUT: &str = "Images whose file is equal to that of another one, byte by byte";

/// Copies among the rows.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Copies {
    about: &'static str,
    total: String,
    groups: Vec<CopyGroup>,
    more: Option<String>,
}

/// Rows that were made from equal files.
#[derive(Clone, Debug, Serialize)]
struct CopyGroup {
    is_across: bool,
    about: String,
    pictures: Vec<Captioned>,
}

impl Copies {
    /// The copies among rows; none if the checksums of their files are not known.
    pub(super) fn of(rows: &Rows, camera: Option<&Camera>) -> Result<Option<Copies>, FormatError> {
        let known = rows.places().filter_map(|place| Some((rows.checksum(place)?, place)));
        let mut known: Vec<(u128, Place)> = known.collect();
        if known.is_empty() {
            return Ok(None);
        }
        known.sort_unstable();
        let groups = known.chunk_by(|(a, _), (b, _)| a == b).filter(|group| group.len() > 1);
        let mut groups: Vec<Vec<Place>> = groups.map(|group| group.iter().map(|(_, place)| *place).collect()).collect();
        // Those across splits first, then in the order of rows.
        groups.sort_unstable_by_key(|group| (!is_across(group), group[0]));
        let total: usize = groups.iter().map(Vec::len).sum();
        let more = groups.len().checked_sub(GROUPS).filter(|more| *more > 0);
        let more = more.map(|more| format!("and {} more groups", grouped(more)));
        let shown = groups.iter().take(GROUPS).map(|group| {
            let places = &from_all_splits(group, PICTURES);
            let pictures =
                camera.map_or_else(|| Ok(vec![None; places.len()]), |camera| camera.pictures(rows, places))?;
            let pictures = places.iter().zip(pictures);
            let pictures = pictures.filter_map(|(place, picture)| Some(Captioned::new(rows, *place, &picture?, None)));
            Ok(CopyGroup { is_across: is_across(group), about: described(rows, group), pictures: pictures.collect() })
        });
        let groups = shown.collect::<Result<_, FormatError>>()?;
        Ok(Some(Copies { about: ABOUT, total: grouped(total), groups, more }))
    }
}

fn is_across(group: &[Place]) -> bool {
    group.iter().any(|place| place.split != group[0].split)
}

/// At most this many rows: the first of each split, then the second ones.
fn from_all_splits(group: &[Place], most: usize) -> Vec<Place> {
    let splits = group.chunk_by(|a, b| a.split == b.split);
    let mut ranked: Vec<(usize, Place)> = splits.flat_map(|there| there.iter().copied().enumerate()).collect();
    ranked.sort_unstable();
    ranked.truncate(most);
    ranked.sort_unstable_by_key(|(_, place)| *place);
    ranked.into_iter().map(|(_, place)| place).collect()
}

/// Number of rows in each split, such as `2 in train, 1 in test`.
fn described(rows: &Rows, group: &[Place]) -> String {
    let splits = group.chunk_by(|a, b| a.split == b.split);
    let splits = splits.map(|there| format!("{} in {}", grouped(there.len()), rows.split(there[0]).name));
    splits.collect::<Vec<_>>().join(", ")
}
