//! The rows of all classes as one chart: the largest class first, on a logarithmic scale where there is a long tail.

use serde::Serialize;

use super::numbers::grouped;

/// The scale of the chart.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    largest: usize,
    has_tail: bool,
    median: Option<Named>,
    smallest: Option<Named>,
}

/// A class with its number of rows.
#[derive(Clone, Debug, Serialize)]
struct Named {
    name: String,
    rows: String,
}

/// The chart, less its bars.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ProfileReport {
    about: String,
    ticks: Vec<Tick>,
    median: Option<Named>,
    smallest: Option<Named>,
}

#[derive(Clone, Debug, Serialize)]
struct Tick {
    label: String,
    /// Distance from the top, in percent.
    y: f64,
}

impl Profile {
    /// The scale for classes of these names and numbers of rows, the largest first.
    pub(super) fn of(classes: Vec<(String, usize)>) -> Profile {
        let named = |(name, rows): &(String, usize)| Named { name: name.clone(), rows: grouped(*rows) };
        let largest = classes.first().map_or(0, |(_, rows)| *rows);
        let median = classes.get(classes.len() / 2);
        let has_tail = largest > 10 * median.map_or(0, |(_, rows)| *rows);
        Profile { largest, has_tail, median: median.map(named), smallest: classes.last().map(named) }
    }

    /// Height of the bar of a class of this number of rows, in percent.
    pub(super) fn height(&self, rows: usize) -> f64 {
        let (rows, largest) = (rows as f64, self.largest.max(1) as f64);
        let share = if self.has_tail { rows.ln_1p() / largest.ln_1p() } else { rows / largest };
        (share * 1e4).round() / 100.0
    }

    pub(super) fn report(self) -> ProfileReport {
        let powers = || (0..18).map(|power| 10_usize.pow(power));
        let ticks: Vec<usize> = match self.has_tail {
            true => powers().take_while(|tick| *tick <= self.largest).collect(),
            false => {
                let mut steps = powers().flat_map(|power| [power, 2 * power, 5 * power]);
                let step = steps.find(|step| self.largest <= 5 * step).unwrap_or(usize::MAX);
                (0..=self.largest).step_by(step).collect()
            }
        };
        let ticks = ticks.into_iter().map(|tick| {
            let y = 100.0 - self.height(tick);
            Tick { label: grouped(tick), y: (y * 100.0).round() / 100.0 }
        });
        let scale = if self.has_tail { ", on a logarithmic scale" } else { "" };
        let (about, ticks) = (format!("Rows of each class, largest first{scale}"), ticks.collect());
        ProfileReport { about, ticks, median: self.median, smallest: self.smallest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(rows: &[usize]) -> Profile {
        Profile::of(rows.iter().map(|rows| (String::new(), *rows)).collect())
    }

    fn ticks(rows: &[usize]) -> Vec<(String, f64)> {
        profile(rows).report().ticks.into_iter().map(|tick| (tick.label, tick.y)).collect()
    }

    #[test]
    fn scales_fit_the_classes() {
        let even = [("0", 100.0), ("20", 60.0), ("40", 20.0)].map(|(label, y)| (label.to_owned(), y));
        assert_eq!(ticks(&[50, 40, 30])[..5].iter().step_by(2).cloned().collect::<Vec<_>>(), even);
        let tail: Vec<_> = ticks(&[999, 9, 1]).into_iter().map(|(label, _)| label).collect();
        assert_eq!(tail, ["1", "10", "100"]);
        let profile = profile(&[999, 9, 1]);
        assert_eq!((profile.height(999), profile.height(9), profile.height(0)), (100.0, 33.33, 0.0));
        assert_eq!(ticks(&[]), [("0".to_owned(), 100.0)]);
    }
}
