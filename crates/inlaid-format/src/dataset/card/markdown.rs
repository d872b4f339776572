//! Names as Markdown, whatever they are.

/// Most characters of a name that are shown.
const MOST: usize = 80;

/// Punctuation marks that mean nothing after the first character.
const PLAIN: [char; 12] = ['-', '.', ',', '/', '(', ')', '\'', '+', '=', ';', '%', '?'];

/// A name as text, not as markup, in one line: a backslash before punctuation marks (CommonMark 0.31, 2.4), a space for
/// every control character and line break. Names longer than 80 characters are cut.
pub(super) fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut characters = name.chars();
    for character in characters.by_ref().take(MOST) {
        match character {
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => text.push(' '),
            // Marks that change the direction of what follows.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => text.push('\u{fffd}'),
            c if PLAIN.contains(&c) && !text.is_empty() => text.push(c),
            c if c.is_ascii_punctuation() => text.extend(['\\', c]),
            c => text.push(c),
        }
    }
    if characters.next().is_some() {
        text.push('\u{2026}');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text() {
        for (name, text) in [
            ("African elephant", "African elephant"),
            ("n01443537-a.b", "n01443537-a.b"),
            ("- a", "\\- a"),
            ("a|b", "a\\|b"),
            ("<script>", "\\<script\\>"),
            ("*a* _b_ [c](d) `e`", "\\*a\\* \\_b\\_ \\[c\\](d) \\`e\\`"),
            ("a\nb\t\u{202e}c", "a b \u{fffd}c"),
            ("", ""),
        ] {
            assert_eq!(escaped(name), text);
        }
        assert_eq!(escaped(&"é".repeat(81)), "é".repeat(80) + "\u{2026}");
    }
}
