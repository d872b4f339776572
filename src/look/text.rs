//! Lines of text in pictures. The home of `noto-sans-mono-bitmap`.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

use super::picture::Picture;

/// Height of a line, in pixels.
pub(super) const LINE: usize = 18;

const HEIGHT: RasterHeight = RasterHeight::Size16;
const WEIGHT: FontWeight = FontWeight::Regular;

/// Writes a text to a picture, in one line of at most `width` pixels whose corner is at (`left`, `top`). Of a longer one,
/// the middle is left out. Characters that the font lacks are boxes.
pub(super) fn write(picture: &mut Picture, text: &str, [left, top]: [usize; 2], width: usize, [paper, ink]: [u8; 2]) {
    let letter = get_raster_width(WEIGHT, HEIGHT);
    for (at, character) in shortened(text, width / letter).into_iter().enumerate() {
        let raster = get_raster(character, WEIGHT, HEIGHT).or_else(|| get_raster('\u{25a1}', WEIGHT, HEIGHT));
        let Some(raster) = raster.or_else(|| get_raster('?', WEIGHT, HEIGHT)) else { continue };
        for (line, levels) in raster.rows().enumerate() {
            for (column, level) in levels.iter().enumerate() {
                let share = f32::from(*level) / 255.0;
                let color = f32::from(paper) + share * (f32::from(ink) - f32::from(paper));
                picture.dot(left + at * letter + column, top + line, color.round() as u8);
            }
        }
    }
}

/// Writes a text to a picture, in as many lines as fit; the last one is shortened.
pub(super) fn write_lines(picture: &mut Picture, text: &str, colors: [u8; 2]) {
    let (width, lines) = (picture.width, picture.height / LINE);
    let most = width / get_raster_width(WEIGHT, HEIGHT);
    let mut rest = text;
    for line in 0..lines {
        let (here, after) = if line + 1 < lines { broken(rest, most) } else { (rest, "") };
        write(picture, here, [0, line * LINE], width, colors);
        rest = after;
    }
}

/// The beginning of a text that fits into a line, and what is left: broken between words if there are any.
fn broken(text: &str, most: usize) -> (&str, &str) {
    let Some((end, _)) = text.char_indices().nth(most) else { return (text, "") };
    match text[..end].rfind(' ') {
        Some(blank) => (&text[..blank], &text[blank + 1..]),
        None => text.split_at(end),
    }
}

/// At most this many characters of a text: its beginning and its end, with two dots for its middle.
fn shortened(text: &str, most: usize) -> Vec<char> {
    let characters: Vec<char> = text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect();
    if characters.len() <= most {
        return characters;
    }
    let kept = most.saturating_sub(2);
    let (begin, end) = (&characters[..kept.div_ceil(2)], &characters[characters.len() - kept / 2..]);
    [begin, &['.'; 2][..most.min(2)], end].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(broken("the end", 7), ("the end", ""));
        assert_eq!(broken("the end of it", 9), ("the end", "of it"));
        assert_eq!(broken("a-path/without-blanks", 6), ("a-path", "/without-blanks"));
        assert_eq!(broken("éé éé", 4), ("éé", "éé"));
    }

    #[test]
    fn long_texts_lose_their_middle() {
        let short = |text: &str, most| shortened(text, most).into_iter().collect::<String>();
        assert_eq!(short("daisy", 5), "daisy");
        assert_eq!((short("dandelion", 6), short("dandelion", 7)), ("da..on".to_owned(), "dan..on".to_owned()));
        assert_eq!(
            (short("abc", 2), short("abc", 1), short("abc", 0)),
            ("..".to_owned(), ".".to_owned(), String::new())
        );
        assert_eq!(short("a\tb\n", 9), "a b ");
    }
}
