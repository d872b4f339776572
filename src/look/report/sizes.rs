//! Histograms of the sizes of source images.

use serde::Serialize;

use super::numbers::{grouped, length};
use crate::look::rows::Rows;

/// Most bars of a chart, about.
const BARS: usize = 16;

/// A histogram.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SizeChart {
    title: &'static str,
    bars: Vec<Bar>,
    summary: String,
}

#[derive(Clone, Debug, Serialize)]
struct Bar {
    label: String,
    value: String,
    /// In percent of the highest bar.
    height: f64,
}

/// Histograms of widths, heights and aspect ratios; none if they are not known.
pub(super) fn of(rows: &Rows) -> Vec<SizeChart> {
    let sides: Vec<[u32; 2]> = rows.places().filter_map(|place| rows.source_sides(place)).collect();
    if sides.is_empty() {
        return Vec::new();
    }
    let pixels = |title, side: usize| chart_of_pixels(title, sides.iter().map(|sides| sides[side]).collect());
    let ratios = sides.iter().map(|[height, width]| f64::from(*width) / f64::from(*height)).collect();
    vec![
        pixels("Width of the source images, pixels", 1),
        pixels("Height of the source images, pixels", 0),
        chart_of_ratios("Aspect ratio of the source images, width / height", ratios),
    ]
}

fn chart_of_pixels(title: &'static str, mut sides: Vec<u32>) -> SizeChart {
    sides.sort_unstable();
    let at = |share: f64| sides[((sides.len() - 1) as f64 * share) as usize];
    let (least, most) = (at(0.0), at(1.0));
    // Of many images, the few that are much smaller or larger are in the first and the last bar.
    let (low, high) = if sides.len() < 100 { (least, most) } else { (at(0.01), at(0.99)) };
    let step = step_of(high - low);
    let (first, last) = (low / step, high / step);
    let mut counts = vec![0; (last - first + 1) as usize];
    sides.iter().for_each(|side| counts[((side / step).clamp(first, last) - first) as usize] += 1);
    let label = |bar: u32| {
        let (from, to) = (bar * step, bar * step + step - 1);
        match (bar == first && least < from, bar == last && most > to) {
            (true, true) => format!("{least}–{most}"),
            (true, false) => format!("to {to}"),
            (false, true) => format!("from {from}"),
            _ if step == 1 => from.to_string(),
            _ => format!("{from}–{to}"),
        }
    };
    let bars = (first..=last).map(label).zip(counts);
    let [least, median, most] = [0.0, 0.5, 1.0].map(|share| grouped(at(share) as usize));
    SizeChart { title, bars: bars_of(bars.collect()), summary: format!("median {median}, from {least} to {most}") }
}

/// A step of 1, 2 or 5 times a power of ten that divides a range into a few parts.
fn step_of(range: u32) -> u32 {
    let steps = (0..9).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u32.pow(power)));
    steps.into_iter().find(|step| range / step < BARS as u32).unwrap_or(1_000_000_000)
}

fn chart_of_ratios(title: &'static str, mut ratios: Vec<f64>) -> SizeChart {
    // Bounds between the usual ratios, which are in the middle of their bars.
    const BOUNDS: [f64; 9] = [0.45, 0.6, 0.7, 0.8, 0.95, 1.05, 1.25, 1.42, 1.6];
    const LABELS: [&str; 11] =
        ["below 0.45", "9:16", "2:3", "3:4", "0.8–0.95", "1:1", "1.05–1.25", "4:3", "3:2", "16:9", "above 1.9"];
    let bounds: Vec<f64> = BOUNDS.into_iter().chain([1.9]).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    let mut counts = [0; LABELS.len()];
    ratios.iter().for_each(|ratio| counts[bounds.partition_point(|bound| bound <= ratio)] += 1);
    let bars = LABELS.iter().map(|label| (*label).to_owned()).zip(counts);
    let at = |share: f64| ratios[((ratios.len() - 1) as f64 * share) as usize];
    let summary = format!("median {:.2}, from {:.2} to {:.2}", at(0.5), at(0.0), at(1.0));
    SizeChart { title, bars: bars_of(bars.collect()), summary }
}

fn bars_of(bars: Vec<(String, usize)>) -> Vec<Bar> {
    let highest = bars.iter().map(|(_, count)| *count).max().unwrap_or_default();
    let bar = |(label, count)| Bar { label, value: grouped(count), height: length(count, highest) };
    bars.into_iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(sides: Vec<u32>) -> Vec<(String, String)> {
        let bars = chart_of_pixels("", sides).bars.into_iter().filter(|bar| bar.value != "0");
        bars.map(|bar| (bar.label, bar.value)).collect()
    }

    fn expected(bars: &[(&str, &str)]) -> Vec<(String, String)> {
        bars.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_image_is_in_a_bar_that_says_so() {
        assert_eq!(bars(vec![100, 5000]), expected(&[("0–499", "1"), ("5000–5499", "1")]));
        let mut same = vec![64; 200];
        assert_eq!(bars(same.clone()), expected(&[("64", "200")]));
        same.push(4000);
        assert_eq!(bars(same.clone()), expected(&[("from 64", "201")]));
        same.push(3);
        assert_eq!(bars(same), expected(&[("3–4000", "202")]));
    }
}
