//! Numbers and names for people.

/// A number with commas between thousands, such as `12,345`.
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share of a whole in percent, such as `12.5 %`.
pub(super) fn share(part: usize, whole: usize) -> String {
    format!("{:.1} %", percent(part, whole))
}

/// A share of a whole in percent; 0 of nothing.
pub(super) fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

/// A length in percent with a hundredth of precision, which keeps pages short.
pub(super) fn length(part: usize, whole: usize) -> f64 {
    (percent(part, whole) * 100.0).round() / 100.0
}

/// A name for people: control characters as their pictures, and blanks too if there is nothing else.
pub(super) fn visible(name: &str) -> String {
    const BLANK: char = '\u{2420}';
    let picture = |character: char| match character {
        '\0'..'\u{20}' => char::from_u32(0x2400 + u32::from(character)).unwrap_or(BLANK),
        '\u{7f}' => '\u{2421}',
        character => character,
    };
    match name.trim().is_empty() {
        true => BLANK.to_string().repeat(name.chars().count().max(1)),
        false => name.chars().map(picture).collect(),
    }
}

/// A text of at most this many bytes on a page, and an ellipsis if it is longer.
pub(super) fn cut(text: &str, most: usize) -> String {
    let mut left = most;
    let fits = |character: &char| {
        let rest = left.checked_sub(bytes_of(*character));
        left = rest.unwrap_or(left);
        rest.is_some()
    };
    let begin: String = text.chars().take_while(fits).collect();
    if begin.len() < text.len() { begin + "\u{2026}" } else { begin }
}

/// Bytes of a text on a page.
pub(super) fn bytes_on_page(text: &str) -> usize {
    text.chars().map(bytes_of).sum()
}

/// Bytes of a character on a page, where it may be escaped.
fn bytes_of(character: char) -> usize {
    match character {
        '&' | '<' | '>' | '"' | '\'' | '/' => 6,
        character => character.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_write_them() {
        let numbers = [0, 12, 999, 1_000, 123_456, 1_234_567];
        assert_eq!(numbers.map(grouped), ["0", "12", "999", "1,000", "123,456", "1,234,567"]);
        assert_eq!((share(1, 3), share(0, 0)), ("33.3 %".to_owned(), "0.0 %".to_owned()));
        assert_eq!(length(1, 3), 33.33);
        assert_eq!((cut("aé", 2), cut("aé", 3), cut("", 0)), ("a\u{2026}".into(), "aé".into(), "".into()));
        assert_eq!((cut("a<b", 7), cut("a<b", 6), bytes_on_page("a<é")), ("a<\u{2026}".into(), "a\u{2026}".into(), 9));
        assert_eq!((visible("a\tb\u{7f}"), visible("  "), visible("")), ("a␉b␡".into(), "␠␠".into(), "␠".into()));
    }
}
