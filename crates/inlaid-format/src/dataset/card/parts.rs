//! The parts of a card: the lines of its front matter, by key, and its text before, in and after inlaid's section.
//!
//! Front matter is not parsed as YAML, so that what people wrote stays as it is, comments and order included. It is
//! enough to know which lines belong to which key: those after it that are indented or begin with a dash.

use crate::format::shard::Checksum;

/// First line of inlaid's section.
pub(super) const BEGIN: &str = "<!-- inlaid:begin (inlaid rewrites this section; text outside of it is kept) -->";

/// Last line of inlaid's section.
pub(super) const END: &str = "<!-- inlaid:end -->";

/// What the first line of the section begins with, in any release.
const BEGINS: &str = "<!-- inlaid:begin ";

/// Keys of the front matter that are inlaid's.
const OWN_KEYS: [&str; 2] = ["dataset_info", "configs"];

/// Line before and after the front matter.
const FENCE: &str = "---";

/// A card, taken apart.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    front_matter: FrontMatter<'a>,
    /// Line break of the front matter.
    line_break: &'static str,
    before: &'a str,
    /// inlaid's section, with its marks.
    pub(super) section: Option<&'a str>,
    after: &'a str,
}

impl<'a> Parts<'a> {
    /// Takes a card apart.
    ///
    /// # Errors
    /// If that is not possible; the error says why.
    pub(super) fn of(card: &'a str) -> Result<Parts<'a>, String> {
        let (front_matter, body) = split_front_matter(card)?;
        let line_break = if card.contains("\r\n") { "\r\n" } else { "\n" };
        let (before, section, after) = split_section(body)?;
        Ok(Parts { front_matter, line_break, before, section, after })
    }

    /// Treats this text as the section, if there are no marks and it occurs once.
    pub(super) fn find_section(&mut self, text: &str) {
        if self.section.is_none()
            && let Some((before, after)) = self.before.split_once(text)
            && !after.contains(text)
        {
            let begin = before.len();
            self.section = Some(&self.before[begin..begin + text.len()]);
            (self.before, self.after) = (before, after);
        }
    }

    /// Checksum of what is inlaid's.
    pub(super) fn checksum(&self) -> Checksum {
        let is_own = |key: &Option<&str>| key.is_some_and(|key| OWN_KEYS.contains(&key));
        let own = self.front_matter.iter().filter(|(key, _)| is_own(key)).map(|(_, line)| *line);
        let own: String = own.chain(self.section).collect();
        Checksum::of(own.as_bytes())
    }

    /// Checks that the values of keys can be replaced.
    ///
    /// # Errors
    /// If one has what others may refer to; the error says so.
    pub(super) fn check(&self, keys: &[(&'static str, String)]) -> Result<(), String> {
        for (key, line) in &self.front_matter {
            let begins = !line.starts_with([' ', '\t', '-']) && value_of(line).starts_with(['&', '*', '!']);
            if let Some(key) = key.filter(|key| begins && keys.iter().any(|(name, _)| name == key)) {
                return Err(format!("the value of `{key}` has an anchor, an alias or a tag"));
            }
        }
        Ok(())
    }

    /// The value of a key of the front matter that is one text; none of other values.
    pub(super) fn text_of(&self, key: &str) -> Option<String> {
        let mut lines = self.front_matter.iter().filter(|(name, _)| *name == Some(key));
        let (only, more) = (lines.next(), lines.next());
        only.filter(|_| more.is_none()).and_then(|(_, line)| scalar(value_of(line).trim_end()))
    }

    /// Writes the card with other lines for some keys, and another section if it has one.
    pub(super) fn write(&self, keys: &[(&'static str, String)], section: &str, out: &mut String) {
        let with_breaks = |text: &str| text.replace('\n', self.line_break);
        let mut written = vec![false; keys.len()];
        out.push_str(&with_breaks("---\n"));
        for (key, line) in &self.front_matter {
            match keys.iter().position(|(name, _)| *key == Some(*name)) {
                None => out.push_str(line),
                // With the first of its lines.
                Some(place) if !written[place] => {
                    out.push_str(&with_breaks(&keys[place].1));
                    written[place] = true;
                }
                Some(_) => {}
            }
        }
        let left = keys.iter().zip(written).filter(|(_, written)| !written);
        left.for_each(|((_, lines), _)| out.push_str(&with_breaks(lines)));
        out.push_str(&with_breaks("---\n"));
        out.push_str(self.before);
        if self.section.is_some() {
            out.push_str(&with_breaks(section));
        }
        out.push_str(self.after);
    }
}

/// Lines of the front matter, with the key that they belong to; none of comments and empty lines.
type FrontMatter<'a> = Vec<(Option<&'a str>, &'a str)>;

/// The lines of the front matter, and what follows it. None of them if the card does not begin with front matter.
fn split_front_matter(card: &str) -> Result<(FrontMatter<'_>, &str), String> {
    let mut lines = card.split_inclusive('\n');
    if lines.next().is_none_or(|line| line.trim_end() != FENCE || line.trim_end().contains('\r')) {
        // Front matter to some readers, though not to all.
        return match card.trim_start_matches(is_nothing).starts_with(FENCE) {
            true => Err(format!("its first line begins front matter, but is not `{FENCE}` alone")),
            false => Ok((Vec::new(), card)),
        };
    }
    let mut at = card.find('\n').map_or(card.len(), |end| end + 1);
    let (mut found, mut seen) = (Vec::new(), Vec::new());
    // Of the lines before, and its value so far.
    let mut key = None;
    let mut value = String::new();
    for (line, number) in lines.zip(2..) {
        at += line.len();
        if line.trim_end() == FENCE {
            return Ok((found, &card[at..]));
        }
        if line.trim().is_empty() || line.starts_with('#') {
            found.push((None, line));
            continue;
        }
        if !line.starts_with([' ', '\t', '-']) {
            // Some readers take a line in the first column for a part of the value.
            if is_open(&value) {
                return Err(format!("line {number} is in the middle of a value"));
            }
            value.clear();
            let name = key_of(line).ok_or_else(|| format!("line {number} is not `key: value`"))?;
            let own = OWN_KEYS.into_iter().find(|own| *own == name);
            if let Some(own) = own {
                if seen.contains(&own) {
                    return Err(format!("its front matter has `{own}` twice"));
                }
                seen.push(own);
                if value_of(line).starts_with(['&', '*', '!']) {
                    return Err(format!("the value of `{own}` has an anchor, an alias or a tag"));
                }
            }
            key = Some(name);
            value.push_str(value_of(line));
        } else {
            value.push_str(line);
        }
        found.push((Some(key.ok_or_else(|| format!("line {number} belongs to no key"))?), line));
    }
    Err("its front matter does not end".to_owned())
}

/// What follows the key of a line.
fn value_of(line: &str) -> &str {
    line.split_once(':').map_or("", |(_, value)| value.trim_start_matches([' ', '\t']))
}

/// A value of one line as a text, if it is one that needs no YAML parser: plain, or in quotes without escapes.
fn scalar(value: &str) -> Option<String> {
    let is_over = |rest: &str| rest.is_empty() || rest.trim_start() != rest && rest.trim_start().starts_with('#');
    match value.chars().next()? {
        '\'' => {
            let mut quotes = value.match_indices('\'').map(|(at, _)| at).skip(1).peekable();
            let end = loop {
                let at = quotes.next()?;
                // Two quotes stand for one.
                if quotes.next_if_eq(&(at + 1)).is_none() {
                    break at;
                }
            };
            is_over(&value[end + 1..]).then(|| value[1..end].replace("''", "'"))
        }
        '"' => {
            // YAML has more escapes than JSON, but inlaid writes only those of JSON.
            let mut texts = serde_json::Deserializer::from_str(value).into_iter::<String>();
            let text = texts.next()?.ok()?;
            is_over(&value[texts.byte_offset()..]).then_some(text)
        }
        '[' | '{' | '&' | '*' | '!' | '|' | '>' | '%' | '@' | '`' | '#' | '-' | '?' | '~' => None,
        _ => {
            let plain = value.split_once(" #").map_or(value, |(plain, _)| plain).trim_end();
            (!matches!(plain, "null" | "Null" | "NULL") && !plain.contains(": ")).then(|| plain.to_owned())
        }
    }
}

/// Whether a value begins with a quote or a bracket that it does not close.
fn is_open(value: &str) -> bool {
    // Anchors and tags come first.
    let mut value = value;
    while value.starts_with(['&', '!']) {
        value = value.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim_start());
    }
    if !value.starts_with(['"', '\'', '[', '{']) {
        return false;
    }
    let (mut quote, mut depth, mut before) = (None, 0, ' ');
    let mut characters = value.chars().peekable();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some('"'), '\\') => drop(characters.next()),
            // Two single quotes stand for one.
            (Some('\''), '\'') if characters.peek() == Some(&'\'') => drop(characters.next()),
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth -= 1,
            (None, '#') if before.is_whitespace() => {
                while characters.next_if(|character| *character != '\n').is_some() {}
            }
            (None, _) => {}
        }
        if quote.is_none() && depth <= 0 {
            return false;
        }
        before = character;
    }
    true
}

/// Whether a character before the front matter can't be seen.
fn is_nothing(character: char) -> bool {
    character.is_whitespace() || character == '\u{feff}'
}

/// The key of a line such as `license: mit`.
fn key_of(line: &str) -> Option<&str> {
    let (key, value) = line.split_once(':')?;
    let key = key.trim_end();
    let bare = ['"', '\''].into_iter().find_map(|quote| key.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(key);
    let is_key = !bare.is_empty() && !bare.starts_with(['{', '[', '&', '*', '!', '|', '>', '%', '@', '`', '?']);
    (is_key && (value.is_empty() || value.starts_with(char::is_whitespace))).then_some(bare)
}

/// The text before, in and after the section, to which the marks belong. Without marks, all of it is before.
fn split_section(body: &str) -> Result<(&str, Option<&str>, &str), String> {
    let (mut begins, mut ends, mut at) = (Vec::new(), Vec::new(), 0);
    for line in body.split_inclusive('\n') {
        let is_mark = line.trim_end().ends_with("-->");
        if is_mark && line.starts_with(BEGINS) {
            begins.push(at);
        }
        at += line.len();
        if line.trim_end() == END {
            ends.push(at);
        }
    }
    match (&begins[..], &ends[..]) {
        ([], []) => Ok((body, None, "")),
        (&[begin], &[end]) if begin < end => Ok((&body[..begin], Some(&body[begin..end]), &body[end..])),
        _ => Err(format!("the marks of inlaid's section are not one `{BEGINS}...-->` and one `{END}` after it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> [(&'static str, String); 2] {
        [("dataset_info", "dataset_info:\n  features: new\n".into()), ("configs", "configs:\n- new\n".into())]
    }

    fn written(card: &str) -> Result<String, String> {
        let mut out = String::new();
        Parts::of(card)?.write(&keys(), &format!("{BEGIN}\nnew\n{END}\n"), &mut out);
        Ok(out)
    }

    #[test]
    fn what_people_wrote_stays_in_its_place() {
        let card = format!(
            "---\n# ours\nlicense: mit\ndataset_info:\n  old\n# why\n  older\n\ntags:\n- a\nconfigs:\n- old\n---\n\
             # Title\n\n{BEGINS}of another release -->\nold\n{END}\n\nText after.\n"
        );
        let expected = format!(
            "---\n# ours\nlicense: mit\ndataset_info:\n  features: new\n# why\n\ntags:\n- a\nconfigs:\n- new\n---\n\
             # Title\n\n{BEGIN}\nnew\n{END}\n\nText after.\n"
        );
        assert_eq!(written(&card).unwrap(), expected);
    }

    #[test]
    fn values_of_several_lines_stay() {
        for value in [
            "\"one\\\" [\n  two\"",
            "'it''s {\n  two'",
            "[a,\n  b]",
            "{a: ']',\n  b: 1}",
            "|\n  ---\n  configs: x",
            "it's",
            "a [b",
        ] {
            let card = format!("---\na: {value}\nlicense: mit\n---\nText.\n");
            assert!(written(&card).unwrap().starts_with(&format!("---\na: {value}\nlicense: mit\ndataset_info:\n")));
        }
    }

    #[test]
    fn missing_keys_and_front_matter_are_added() {
        let front_matter = "dataset_info:\n  features: new\nconfigs:\n- new\n---\n";
        assert_eq!(written("Text.\n").unwrap(), format!("---\n{front_matter}Text.\n"));
        assert_eq!(written("").unwrap(), format!("---\n{front_matter}"));
        assert_eq!(written("---\nlicense: mit\n---\n").unwrap(), format!("---\nlicense: mit\n{front_matter}"));
    }

    #[test]
    fn texts_of_one_line_are_read() {
        for (value, text) in [
            ("mit", Some("mit")),
            ("cc-by-4.0 # as agreed", Some("cc-by-4.0")),
            ("'it''s' # ours", Some("it's")),
            ("'a'b'", None),
            ("\"a \\\"q\\\"\\t\\u0085\" # ours", Some("a \"q\"\t\u{85}")),
            ("\"a\" b", None),
            ("'open", None),
            ("[mit]", None),
            ("null", None),
            ("a: b", None),
        ] {
            let card = format!("---\nlicense: {value}\n---\n");
            let found = Parts::of(&card).ok().and_then(|parts| parts.text_of("license"));
            assert_eq!(found.as_deref(), text, "{value}");
        }
        assert_eq!(Parts::of("---\nlicense:\n- mit\n---\n").unwrap().text_of("license"), None);
    }

    #[test]
    fn line_breaks_of_windows_stay() {
        let card = format!("---\r\nlicense: mit\r\nconfigs: []\r\n---\r\n{BEGIN}\r\n{END}\r\n");
        let written = written(&card).unwrap();
        assert!(written.starts_with("---\r\nlicense: mit\r\nconfigs:\r\n- new\r\ndataset_info:\r\n"), "{written}");
        assert!(written.ends_with(&format!("---\r\n{BEGIN}\r\nnew\r\n{END}\r\n")), "{written}");
    }

    #[test]
    fn card_that_can_not_be_taken_apart_is_an_error() {
        let first = "its first line begins front matter, but is not `---` alone";
        let marks =
            format!("the marks of inlaid's section are not one `<!-- inlaid:begin ...-->` and one `{END}` after it");
        for (card, reason) in [
            ("---\nlicense: mit\n", "its front matter does not end"),
            ("\u{feff}---\na: b\n---\n", first),
            ("\n---\na: b\n---\n", first),
            ("---\rlicense: mit\r---\r", first),
            ("---\na: \"one\nconfigs: two\n  three\"\n---\n", "line 3 is in the middle of a value"),
            ("---\na: 'it''s\nconfigs: two'\n---\n", "line 3 is in the middle of a value"),
            ("---\na: [b,\nconfigs: c]\n---\n", "line 3 is in the middle of a value"),
            ("---\na: &b {c: 1,\nconfigs: c}\n---\n", "line 3 is in the middle of a value"),
            ("---\nconfigs: &c\n- a\ncopy: *c\n---\n", "the value of `configs` has an anchor, an alias or a tag"),
            ("---\n{license: mit}\n---\n", "line 2 is not `key: value`"),
            ("---\nlicense\n---\n", "line 2 is not `key: value`"),
            ("---\n- a\n---\n", "line 2 belongs to no key"),
            ("---\nconfigs: []\nconfigs: []\n---\n", "its front matter has `configs` twice"),
            (&format!("{END}\n"), &marks),
            (&format!("{END}\n{BEGIN}\n"), &marks),
            (&format!("{BEGIN}\n{BEGIN}\n{END}\n"), &marks),
        ] {
            assert_eq!(Parts::of(card).unwrap_err(), reason, "{card}");
        }
    }
}
