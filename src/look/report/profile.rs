//! The rows of all classes as one chart: the largest class first, on a logarithmic scale where there is a long tail.

use serde::Serialize;

use super::numbers::grouped;

/// The scale of the chart.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    largest: usize,
    has_tail: bool,
}

/// The chart, less its bars.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ProfileReport {
    about: String,
    ticks: Vec<Tick>,
}

#[derive(Clone, Debug, Serialize)]
struct Tick {
    label: String,
    /// Distance from the top, in percent.
    y: f64,
}

impl Profile {
    /// The scale for classes of these numbers of rows, the largest first.
    pub(super) fn of(rows: Vec<usize>) -> Profile {
        let largest = rows.first().copied().unwrap_or_default();
        let median = rows.get(rows.len() / 2).copied().unwrap_or_default();
        Profile { largest, has_tail: largest > 10 * median }
    }

    /// Height of the bar of a class of this number of rows, in percent.
    pub(super) fn height(&self, rows: usize) -> f64 {
        let (rows, largest) = (rows as f64, self.largest.max(1) as f64);
        let share = if self.has_tail { rows.ln_1p() / largest.ln_1p() } else { rows / largest };
        (share * 1e4).round() / 100.0
    }

    pub(super) fn report(&self) -> ProfileReport {
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
        ProfileReport { about: format!("Rows of each class, largest first{scale}"), ticks: ticks.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(rows: &[usize]) -> Vec<(String, f64)> {
        Profile::of(rows.to_vec()).report().ticks.into_iter().map(|tick| (tick.label, tick.y)).collect()
    }

    #[test]
    fn scales_fit_the_classes() {
        let even = [("0", 100.0), ("20", 60.0), ("40", 20.0)].map(|(label, y)| (label.to_owned(), y));
        assert_eq!(ticks(&[50, 40, 30])[..5].iter().step_by(2).cloned().collect::<Vec<_>>(), even);
        let tail: Vec<_> = ticks(&[999, 9, 1]).into_iter().map(|(label, _)| label).collect();
        assert_eq!(tail, ["1", "10", "100"]);
        let profile = Profile::of(vec![999, 9, 1]);
        assert_eq!((profile.height(999), profile.height(9), profile.height(0)), (100.0, 33.33, 0.0));
        assert_eq!(ticks(&[]), [("0".to_owned(), 100.0)]);
    }
}
