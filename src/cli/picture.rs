//! Pictures in a terminal, in the protocol that it supports: kitty, iTerm2, sixel, or else blocks of two colors.
//!
//! Written here because the crates that do this bring code under the LGPL along, or a whole user interface.

use std::fmt::Write;

use base64::prelude::{BASE64_STANDARD, Engine};
use color_quant::NeuQuant;

/// How a terminal shows pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// <https://sw.kovidgoyal.net/kitty/graphics-protocol>
    Kitty,
    /// <https://iterm2.com/documentation-images.html>
    Iterm,
    /// Bands of six lines (DEC STD 070, chapter 9).
    Sixel,
    /// Two pixels in each character, of 16 million colors or of 256.
    Blocks { is_true_color: bool },
}

/// Pixels of red, green and blue, line by line.
#[derive(Clone, Copy, Debug)]
pub struct Pixels<'p> {
    pub width: usize,
    pub rgb: &'p [u8],
}

impl Protocol {
    /// What a terminal has, by the variables of the environment that it sets.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Protocol {
        let is = |name: &str, values: &[&str]| variable(name).is_some_and(|value| values.contains(&&*value));
        let is_true_color = is("COLORTERM", &["truecolor", "24bit"]);
        // Which pass nothing on.
        if variable("TMUX").is_some() || variable("STY").is_some() {
            return Protocol::Blocks { is_true_color };
        }
        if variable("KITTY_WINDOW_ID").is_some()
            || is("TERM", &["xterm-kitty", "xterm-ghostty"])
            || is("TERM_PROGRAM", &["ghostty"])
        {
            return Protocol::Kitty;
        }
        if is("TERM_PROGRAM", &["iTerm.app", "WezTerm", "mintty"]) || is("LC_TERMINAL", &["iTerm2"]) {
            return Protocol::Iterm;
        }
        if is("TERM", &["foot", "foot-extra", "mlterm", "yaft-256color", "contour"]) {
            return Protocol::Sixel;
        }
        Protocol::Blocks { is_true_color }
    }

    /// A picture that is `columns` characters wide, as text that leaves the cursor at the start of the line below. `png` is
    /// the same picture.
    pub fn text(self, pixels: Pixels<'_>, png: &[u8], columns: usize) -> String {
        match self {
            Protocol::Kitty => kitty(png, columns),
            Protocol::Iterm => iterm(png, columns),
            Protocol::Sixel => sixel(pixels),
            Protocol::Blocks { is_true_color } => blocks(pixels, is_true_color),
        }
    }
}

fn kitty(png: &[u8], columns: usize) -> String {
    const CHUNK: usize = 4096;
    let encoded = BASE64_STANDARD.encode(png);
    let mut text = String::with_capacity(encoded.len() + 100);
    let mut rest = &*encoded;
    // It answers nothing (q=2), which would be read as typed.
    let mut keys = format!("a=T,f=100,c={columns},q=2,");
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(rest.len().min(CHUNK));
        let _ = write!(text, "\x1b_G{keys}m={};{chunk}\x1b\\", u8::from(!after.is_empty()));
        (rest, keys) = (after, String::new());
    }
    text + "\n"
}

fn iterm(png: &[u8], columns: usize) -> String {
    let (size, encoded) = (png.len(), BASE64_STANDARD.encode(png));
    format!("\x1b]1337;File=inline=1;size={size};width={columns};preserveAspectRatio=1:{encoded}\x07\n")
}

fn sixel(Pixels { width, rgb }: Pixels<'_>) -> String {
    const COLORS: usize = 255;
    const FAST: i32 = 10;
    let rgba: Vec<u8> = rgb.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect();
    let palette = NeuQuant::new(FAST, COLORS, &rgba);
    let colors: Vec<usize> = rgba.chunks_exact(4).map(|pixel| palette.index_of(pixel)).collect();
    let lines: Vec<&[usize]> = colors.chunks_exact(width.max(1)).collect();
    let mut text = format!("\x1bP0;1q\"1;1;{width};{}", lines.len());
    for (color, rgb) in palette.color_map_rgb().as_chunks::<3>().0.iter().enumerate() {
        let [r, g, b] = rgb.map(|level| u32::from(level) * 100 / 255);
        let _ = write!(text, "#{color};2;{r};{g};{b}");
    }
    for band in lines.chunks(6) {
        let mut used: Vec<usize> = band.iter().flat_map(|line| line.iter().copied()).collect();
        used.sort_unstable();
        used.dedup();
        for color in used {
            let _ = write!(text, "#{color}");
            let bits = |column: usize| {
                let bit = |(line, pixels): (usize, &&[usize])| u8::from(pixels[column] == color) << line;
                b'?' + band.iter().enumerate().map(bit).sum::<u8>()
            };
            let columns: Vec<u8> = (0..width).map(bits).collect();
            for run in columns.chunk_by(|a, b| a == b) {
                let character = char::from(run[0]);
                let _ = match run.len() {
                    length @ 4.. => write!(text, "!{length}{character}"),
                    length => write!(text, "{}", character.to_string().repeat(length)),
                };
            }
            text.push('$');
        }
        text.push('-');
    }
    text + "\x1b\\\n"
}

fn blocks(Pixels { width, rgb }: Pixels<'_>, is_true_color: bool) -> String {
    let mut text = String::new();
    let lines: Vec<&[[u8; 3]]> = rgb.as_chunks::<3>().0.chunks_exact(width.max(1)).collect();
    let color = |[r, g, b]: [u8; 3]| match is_true_color {
        true => format!("2;{r};{g};{b}"),
        // The cube of 6 x 6 x 6 colors.
        false => {
            let [r, g, b] = [r, g, b].map(|level| (usize::from(level) * 5 + 127) / 255);
            format!("5;{}", 16 + 36 * r + 6 * g + b)
        }
    };
    for pair in lines.chunks(2) {
        for (column, upper) in pair[0].iter().enumerate() {
            let _ = match pair.get(1) {
                Some(lower) => write!(text, "\x1b[38;{};48;{}m▀", color(*upper), color(lower[column])),
                None => write!(text, "\x1b[49;38;{}m▀", color(*upper)),
            };
        }
        text += "\x1b[0m\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Protocol {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Protocol::of(find)
    }

    #[test]
    fn terminals_are_known_by_what_they_set() {
        let blocks = |is_true_color| Protocol::Blocks { is_true_color };
        assert_eq!(of(&[("TERM", "xterm-kitty")]), Protocol::Kitty);
        assert_eq!(of(&[("TERM_PROGRAM", "iTerm.app"), ("COLORTERM", "truecolor")]), Protocol::Iterm);
        assert_eq!(of(&[("TERM", "foot")]), Protocol::Sixel);
        assert_eq!(of(&[("TERM", "xterm-256color")]), blocks(false));
        assert_eq!(of(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]), blocks(true));
        assert_eq!(of(&[("TERM", "xterm-kitty"), ("TMUX", "1"), ("COLORTERM", "24bit")]), blocks(true));
    }

    #[test]
    fn protocols_as_literals() {
        let png = b"picture";
        let rgb = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9], [1, 2, 3], [4, 5, 6]].concat();
        let pixels = Pixels { width: 2, rgb: &rgb };
        let text = |protocol: Protocol| protocol.text(pixels, png, 5);
        assert_eq!(text(Protocol::Kitty), "\x1b_Ga=T,f=100,c=5,q=2,m=0;cGljdHVyZQ==\x1b\\\n");
        let iterm = "\x1b]1337;File=inline=1;size=7;width=5;preserveAspectRatio=1:cGljdHVyZQ==\x07\n";
        assert_eq!(text(Protocol::Iterm), iterm);
        let blocks = "\x1b[38;2;255;0;0;48;2;0;0;255m▀\x1b[38;2;0;255;0;48;2;9;9;9m▀\x1b[0m\n\
                      \x1b[49;38;2;1;2;3m▀\x1b[49;38;2;4;5;6m▀\x1b[0m\n";
        assert_eq!(text(Protocol::Blocks { is_true_color: true }), blocks);
        let few = "\x1b[38;5;196;48;5;21m▀\x1b[38;5;46;48;5;16m▀\x1b[0m\n\x1b[49;38;5;16m▀\x1b[49;38;5;16m▀\x1b[0m\n";
        assert_eq!(text(Protocol::Blocks { is_true_color: false }), few);
    }

    #[test]
    fn pictures_of_kitty_come_in_chunks() {
        let text = kitty(&[7; 4000], 3);
        let chunks: Vec<&str> = text.trim_end().split_terminator("\x1b\\").collect();
        assert_eq!(chunks.len(), 2);
        assert!(chunks[0].starts_with("\x1b_Ga=T,f=100,c=3,q=2,m=1;") && chunks[1].starts_with("\x1b_Gm=0;"));
    }

    /// The pixels of sixels, and what color each register has.
    fn decoded(text: &str, width: usize) -> Vec<[u32; 3]> {
        let body = text.strip_prefix("\x1bP0;1q\"1;1;").and_then(|text| text.strip_suffix("\x1b\\\n")).unwrap();
        let (_, body) = body.split_once('#').unwrap();
        let (mut colors, mut pixels) = (vec![[0; 3]; 256], vec![[0; 3]; width * 12]);
        let (mut band, mut column, mut color) = (0, 0, 0);
        let mut rest = format!("#{body}");
        let number = |text: &mut String| {
            let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
            text.drain(..digits.len());
            digits.parse::<usize>().unwrap()
        };
        while !rest.is_empty() {
            let mut count = 1;
            match rest.remove(0) {
                '#' => {
                    color = number(&mut rest);
                    if rest.starts_with(";2;") {
                        rest.drain(..3);
                        let mut level = |end: bool| {
                            let level = number(&mut rest) as u32;
                            if !end {
                                rest.remove(0);
                            }
                            level
                        };
                        colors[color] = [level(false), level(false), level(true)];
                    }
                    continue;
                }
                '$' => (column, count) = (0, 0),
                '-' => (band, column, count) = (band + 1, 0, 0),
                '!' => {
                    count = number(&mut rest);
                    let bits = rest.remove(0) as u8 - b'?';
                    for _ in 0..count {
                        (0..6)
                            .filter(|line| bits >> line & 1 == 1)
                            .for_each(|line| pixels[(band * 6 + line) * width + column] = colors[color]);
                        column += 1;
                    }
                    continue;
                }
                character => {
                    let bits = character as u8 - b'?';
                    (0..6)
                        .filter(|line| bits >> line & 1 == 1)
                        .for_each(|line| pixels[(band * 6 + line) * width + column] = colors[color]);
                }
            }
            column += count;
        }
        pixels
    }

    #[test]
    fn sixels_are_the_pixels() {
        let width = 9;
        let rgb: Vec<u8> =
            (0..width * 8).flat_map(|at| if at % width < 5 { [255, 0, 0] } else { [0, 0, 255] }).collect();
        let pixels = decoded(&sixel(Pixels { width, rgb: &rgb }), width);
        for (at, pixel) in pixels[..width * 8].iter().enumerate() {
            let expected = if at % width < 5 { [100, 0, 0] } else { [0, 0, 100] };
            let far = pixel.iter().zip(expected).map(|(a, b)| a.abs_diff(b)).max().unwrap();
            assert!(far <= 3, "{at}: {pixel:?}");
        }
    }
}
