//! A chart of classes: the rows of each, by split.

use super::picture::Picture;
use super::text::{LINE, write};
use crate::counted;
use crate::dataset::manifest::Snapshot;

/// Most classes in the chart; the largest ones.
const MOST: usize = 40;

/// Width of names, of the longest bar and of numbers, and the space around them, in pixels.
const NAME: usize = 240;
const BAR: usize = 480;
const NUMBER: usize = 96;
const SPACE: usize = 8;

/// Height of the bar in a line, in pixels.
const THICK: usize = 12;

/// Levels of gray of the paper and of texts.
const PAPER: u8 = 255;
const INK: u8 = 32;

/// Colors of splits, which people who are color-blind tell apart (Okabe and Ito, "Color Universal Design", 2008).
const COLORS: [[u8; 3]; 3] = [[0, 114, 178], [230, 159, 0], [0, 158, 115]];

/// The chart as a PNG file; none of a snapshot without classes.
pub(crate) fn class_chart(snapshot: &Snapshot) -> Option<Vec<u8>> {
    let splits: Vec<_> = snapshot.splits.iter().collect();
    let mut classes: Vec<(&str, Vec<usize>)> = (0..)
        .zip(&snapshot.classes)
        .map(|(label, name)| (&**name, splits.iter().map(|(_, info)| info.rows_of(Some(label))).collect()))
        .collect();
    classes.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.iter().sum::<usize>()));
    let largest = classes.first()?.1.iter().sum::<usize>().max(1);
    let (shown, left_out) = classes.split_at(classes.len().min(MOST));
    let lines = 1 + shown.len() + usize::from(!left_out.is_empty());
    let width = SPACE + NAME + SPACE + BAR + SPACE + NUMBER + SPACE;
    let mut chart = Picture::plain(width, lines * LINE + 3 * SPACE, PAPER);
    let bars = SPACE + NAME + SPACE;
    for (place, (split, _)) in splits.iter().enumerate() {
        let left = bars + place * BAR / 3;
        chart.fill([left, SPACE + (LINE - THICK) / 2], [THICK, THICK], COLORS[place % COLORS.len()]);
        write(&mut chart, split.as_str(), [left + THICK + SPACE / 2, SPACE], BAR / 3 - THICK - SPACE, [PAPER, INK]);
    }
    for (line, (name, rows)) in shown.iter().enumerate() {
        let top = 2 * SPACE + (line + 1) * LINE;
        write(&mut chart, name, [SPACE, top], NAME, [PAPER, INK]);
        let (mut before, end) = (0, |rows: usize| bars + (rows * BAR).div_ceil(largest));
        for (place, rows) in rows.iter().enumerate() {
            let left = end(before);
            before += rows;
            let color = COLORS[place % COLORS.len()];
            chart.fill([left, top + (LINE - THICK) / 2], [end(before) - left, THICK], color);
        }
        write(&mut chart, &before.to_string(), [end(before) + SPACE, top], NUMBER, [PAPER, INK]);
    }
    if !left_out.is_empty() {
        let rows = left_out.iter().flat_map(|(_, rows)| rows).sum();
        let text = format!("and {} smaller, together {}", left_out.len(), counted(rows, "row"));
        write(&mut chart, &text, [SPACE, 2 * SPACE + (lines - 1) * LINE], width - 2 * SPACE, [PAPER, INK]);
    }
    Some(chart.png())
}
