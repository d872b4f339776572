//! The dataset card, `README.md`. Two keys of its front matter and one section of its text are inlaid's, and every
//! change of the dataset rewrites them. Everything else belongs to people, and stays: other keys, such as a license,
//! and text outside of the marked section.

mod about;
mod counts;
mod markdown;
mod parts;
mod text;

use std::fmt;

use self::parts::{BEGIN, END, Parts};
use crate::dataset::manifest::{FORMAT_VERSION, Manifest};
use crate::format::row_layout::RowLayout;
use crate::format::shard::Checksum;

pub use about::{About, License};

/// What inlaid writes into a card.
#[derive(Debug)]
pub struct Card {
    /// Lines of the front matter, by their key.
    keys: Vec<(&'static str, String)>,
    /// Text between the marks.
    prose: String,
}

/// A card as it is to be written.
#[derive(Debug)]
pub struct MergedCard {
    /// Its text.
    pub text: String,
    /// What people should know about it.
    pub note: Option<CardNote>,
}

/// Remark on a card, or a `croissant.json`, that people have edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CardNote {
    /// The card was left as it is, for this reason.
    Left(String),
    /// The card has no section of inlaid's, so only its front matter was updated.
    NoSection,
    /// The keys or the section of inlaid's were edited, and have been rewritten.
    Rewritten,
    /// `croissant.json` was left as it is, for this reason.
    CroissantLeft(String),
    /// Keys of inlaid's in `croissant.json` were edited, and have been rewritten.
    CroissantRewritten,
}

impl CardNote {
    /// Whether something was edited that has been rewritten.
    #[doc(hidden)]
    pub fn is_of_rewriting(&self) -> bool {
        matches!(self, CardNote::Rewritten | CardNote::CroissantRewritten)
    }
}

impl fmt::Display for CardNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CardNote::Left(reason) => write!(f, "`README.md` was left as it is, and may be out of date: {reason}"),
            CardNote::CroissantLeft(reason) => {
                write!(f, "`croissant.json` was left as it is, and may be out of date: {reason}")
            }
            CardNote::CroissantRewritten => write!(
                f,
                "`croissant.json` was edited in the keys that inlaid writes (`recordSet` and others); they were rewritten"
            ),
            CardNote::NoSection => {
                write!(
                    f,
                    "`README.md` has no inlaid section, so only its front matter was updated; without `README.md` the next \
                     change writes a whole one"
                )
            }
            CardNote::Rewritten => write!(
                f,
                "`README.md` was edited in the parts that inlaid writes (`dataset_info`, `configs`, the marked section); \
                 they were rewritten"
            ),
        }
    }
}

impl Card {
    /// The card of a dataset, with what people say about it. What they said before, `known`, stays in the front matter.
    pub fn new(manifest: &Manifest, layout: &RowLayout, about: &About, known: About) -> Card {
        let mut card = Card::in_version(FORMAT_VERSION, manifest, layout, &about.clone().or(known).said());
        card.keys.extend(about.keys());
        card
    }

    /// The card that a release wrote whose datasets were of format version 1.
    pub fn of_version_1(manifest: &Manifest, layout: &RowLayout) -> Card {
        Card::in_version(1, manifest, layout, &About::default())
    }

    fn in_version(version: u32, manifest: &Manifest, layout: &RowLayout, about: &About) -> Card {
        const ALWAYS: &str = "a string takes all that is written to it";
        let (mut info, mut configs, mut prose) = (String::new(), String::new(), String::new());
        text::dataset_info(&mut info, manifest, layout).expect(ALWAYS);
        text::configs(&mut configs, manifest).expect(ALWAYS);
        text::prose(&mut prose, manifest, layout, version, about).expect(ALWAYS);
        Card { keys: vec![("dataset_info", info), ("configs", configs)], prose }
    }

    /// The text of a card that nobody has edited.
    pub fn text(&self) -> String {
        let lines = self.keys.iter().map(|(_, lines)| &**lines).collect::<String>();
        format!("---\n{lines}---\n\n{}", self.section())
    }

    /// The card that is `there`, with what is inlaid's in it replaced. `earlier` is what inlaid wrote last: in a card
    /// of format version 1, which has no marks, its text is the section. `own` is the checksum of what inlaid wrote
    /// last, if it is known.
    ///
    /// # Errors
    /// If the card can't be taken apart; the error says why.
    pub fn merged_into(
        &self,
        there: &str,
        earlier: Option<&Card>,
        own: Option<Checksum>,
    ) -> Result<MergedCard, String> {
        let mut parts = Parts::of(there)?;
        parts.check(&self.keys)?;
        if let Some(earlier) = earlier {
            parts.find_section(&earlier.prose);
        }
        let note = match parts.section {
            None => Some(CardNote::NoSection),
            Some(_) if own.is_some_and(|own| own != parts.checksum()) => Some(CardNote::Rewritten),
            Some(_) => None,
        };
        let mut text = String::with_capacity(there.len() + self.prose.len());
        parts.write(&self.keys, &self.section(), &mut text);
        Ok(MergedCard { text, note })
    }

    fn section(&self) -> String {
        format!("{BEGIN}\n{}{END}\n", self.prose)
    }
}

/// Checksum of what is inlaid's in a card; none if the card can't be taken apart.
pub fn own_checksum(card: &str) -> Option<Checksum> {
    Parts::of(card).ok().map(|parts| parts.checksum())
}
