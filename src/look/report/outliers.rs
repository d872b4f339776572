//! The images that stand out: the darkest, the flattest, and so on.

use std::collections::HashSet;

use serde::Serialize;

use super::Camera;
use super::classes::{MOST_OF_PATH, Shown};
use super::numbers::{cut, visible};
use crate::error::FormatError;
use crate::look::measures::Measures;
use crate::look::picture::Picture;
use crate::look::pictures::sides;
use crate::look::rows::{Place, Rows};

/// Images that are shown of each kind.
const SHOWN: usize = 8;

/// Factor from which on images count as enlarged.
const LEAST_ENLARGED: f64 = 1.05;

/// Side of their pictures, in pixels, and the bytes that one may take.
const SIDE: usize = 96;
const MOST_BYTES: usize = 6_000;

/// Images that stand out in one way.
#[derive(Clone, Debug, Serialize)]
pub(super) struct OutlierGroup {
    title: &'static str,
    about: &'static str,
    pictures: Vec<Captioned>,
}

/// A picture with what is known of its row.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Captioned {
    #[serde(flatten)]
    shown: Shown,
    path: String,
    place: String,
    class: Option<String>,
    value: Option<String>,
}

/// Rows that stand out among those that were measured.
#[derive(Debug, Default)]
pub(super) struct Standouts {
    /// Those of several classes are seen several times.
    measured: HashSet<Place>,
    unusable: HashSet<Place>,
    kinds: [Least; 4],
}

/// The rows of the least numbers.
#[derive(Clone, Debug, Default)]
struct Least(Vec<(f64, Place)>);

impl Least {
    fn add(&mut self, number: f64, place: Place) {
        let at = self.0.partition_point(|(there, before)| (*there, *before) < (number, place));
        if at < SHOWN && self.0.get(at) != Some(&(number, place)) {
            self.0.insert(at, (number, place));
            self.0.truncate(SHOWN);
        }
    }
}

impl Standouts {
    pub(super) fn add(&mut self, place: Place, picture: &Picture) {
        self.measured.insert(place);
        let Measures { brightness, contrast, sharpness } = picture.measures();
        for (kind, number) in self.kinds.iter_mut().zip([brightness, -brightness, contrast, sharpness]) {
            kind.add(number, place);
        }
    }

    pub(super) fn add_unusable(&mut self, place: Place) {
        self.unusable.insert(place);
    }

    /// Number of rows that were measured.
    pub(super) fn measured(&self) -> usize {
        self.measured.len()
    }

    /// Number of rows whose images can't be used.
    pub(super) fn unusable(&self) -> usize {
        self.unusable.len()
    }

    /// What stands out, with pictures.
    pub(super) fn shown(self, rows: &Rows, camera: Option<&Camera>) -> Result<Vec<OutlierGroup>, FormatError> {
        let Some(camera) = camera else { return Ok(Vec::new()) };
        const SCALE: &str = "Mean luma, 0 to 255.";
        let [darkest, brightest, flattest, softest] = self.kinds;
        let level: fn(f64) -> String = |number| format!("{:.1}", number.abs());
        let kinds = [
            ("Darkest", SCALE, darkest, level),
            ("Brightest", SCALE, brightest, level),
            ("Least contrast", "Standard deviation of luma, 0 for a plain color.", flattest, level),
            ("Least sharp", "Standard deviation of the Laplacian of luma.", softest, level),
            (
                "Most enlarged",
                "How many times as long as in the source a side of the tensor is, the larger of both.",
                most_enlarged(rows),
                |number| format!("{:.1}×", -number),
            ),
        ];
        let groups = kinds.into_iter().filter(|(_, _, found, _)| !found.0.is_empty());
        let groups = groups.map(|(title, about, Least(found), value)| {
            let places: Vec<Place> = found.iter().map(|(_, place)| *place).collect();
            let pictures = camera.pictures(rows, &places)?;
            let pictures = found.iter().zip(pictures).filter_map(|((number, place), picture)| {
                Some(Captioned::new(rows, *place, &picture?, Some(value(*number))))
            });
            Ok(OutlierGroup { title, about, pictures: pictures.collect() })
        });
        groups.collect()
    }
}

impl Captioned {
    pub(super) fn new(rows: &Rows, place: Place, picture: &Picture, value: Option<String>) -> Captioned {
        let short = |text: &str| cut(&visible(text), MOST_OF_PATH);
        let shown = Shown::within(MOST_BYTES, &picture.fitted(SIDE), short(&rows.called(place)));
        let path = rows.path(place).map(short).unwrap_or_default();
        let class = Some(rows.class_names(place)).filter(|names| !names.is_empty()).map(|names| short(&names));
        Captioned { shown, path, place: rows.described(place), class, value }
    }
}

/// The rows whose sources were enlarged most, and the negative of the factor.
fn most_enlarged(rows: &Rows) -> Least {
    let mut most = Least::default();
    let sides: Vec<_> = rows.splits.iter().map(|split| sides(&split.table)).collect();
    for place in rows.places() {
        let (Some([height, width]), Some(source)) = (sides[place.split as usize], rows.source_sides(place)) else {
            continue;
        };
        let times = |side: usize, source: u32| side as f64 / f64::from(source);
        let factor = times(height, source[0]).max(times(width, source[1]));
        if factor >= LEAST_ENLARGED {
            most.add(-factor, place);
        }
    }
    most
}
