//! The files that describe a dataset: the card, for people, and `croissant.json`, for search engines and loaders. Both keep
//! what people wrote into them.

use crate::commit::output::Output;
use crate::dataset::card::{self, About, Card, CardNote, MergedCard};
use crate::dataset::croissant::{self, Described};
use crate::dataset::file_info::FileInfo;
use crate::dataset::manifest::Manifest;
use crate::dataset::names::{CARD, CARD_PICTURES, CROISSANT};
use crate::error::Error;
use crate::format::row_layout::RowLayout;

impl Output {
    /// Stages the descriptions of `next`: those that are there, with what is inlaid's rewritten and what is said in
    /// `about`. Returns what people should know about them.
    ///
    /// # Errors
    /// If one can't be written.
    pub(crate) fn describe(
        &mut self,
        next: &mut Manifest,
        layout: &RowLayout,
        about: &About,
    ) -> Result<Vec<CardNote>, Error> {
        self.keep_pictures(next)?;
        let there = self.text_there(CARD)?;
        let known = there.iter().flatten().map(|text| About::of(text)).next().unwrap_or_default();
        let mut notes = Vec::new();
        notes.extend(self.stage_card(there, &Card::new(next, layout, about, known.clone()), layout)?);
        notes.extend(self.stage_croissant(next, layout, about, known)?);
        Ok(notes)
    }

    /// Commits `croissant.json` if it is asked for and not there yet: for runs that change nothing else.
    ///
    /// # Errors
    /// As [`Output::commit`].
    pub(crate) fn add_croissant(&mut self, layout: &RowLayout) -> Result<Vec<CardNote>, Error> {
        match self.current().filter(|there| self.croissant && !there.files.contains_key(CROISSANT)).cloned() {
            None => Ok(Vec::new()),
            Some(mut next) => {
                let notes = self.describe(&mut next, layout, &About::default())?;
                self.commit(next)?;
                Ok(notes)
            }
        }
    }

    /// Stages a picture of the card, which shows a snapshot of this number.
    ///
    /// # Errors
    /// If it can't be written.
    #[cfg(feature = "report")]
    pub(crate) fn stage_picture(&mut self, name: &str, png: &[u8], snapshot: u64) -> Result<(), Error> {
        self.stage_file(name, png, FileInfo { snapshot: Some(snapshot), ..FileInfo::of(png) })
    }

    /// Keeps the pictures of the card that are staged or in their place. Forgets those that people removed, and those of a
    /// later snapshot, which is rolled back: the next one of its number has other rows.
    fn keep_pictures(&self, next: &mut Manifest) -> Result<(), Error> {
        for name in CARD_PICTURES {
            match self.staged_info(name) {
                Some(info) => drop(next.files.insert(name.to_owned(), info.clone())),
                None if next.files.get(name).is_some_and(|info| is_gone(info, next)) => drop(next.files.remove(name)),
                None if self.files().exists(name)? => {}
                None => drop(next.files.remove(name)),
            }
        }
        Ok(())
    }

    fn stage_card(
        &mut self,
        there: Option<Result<String, String>>,
        card: &Card,
        layout: &RowLayout,
    ) -> Result<Option<CardNote>, Error> {
        let merged = match there {
            None => Ok(MergedCard { text: card.text(), note: None }),
            Some(Err(reason)) => Err(reason),
            Some(Ok(there)) => {
                let current = self.current();
                let earlier = current.filter(|current| current.format_version == 1);
                let earlier = earlier.map(|current| Card::of_version_1(current, layout));
                let own = current.and_then(|current| current.files.get(CARD)?.own);
                card.merged_into(&there, earlier.as_ref(), own)
            }
        };
        match merged {
            Ok(MergedCard { text, note }) => {
                let info = FileInfo { own: card::own_checksum(&text), ..FileInfo::of(text.as_bytes()) };
                self.stage_file(CARD, text.as_bytes(), info)?;
                Ok(note)
            }
            Err(reason) => {
                self.unstage(CARD);
                Ok(Some(CardNote::Left(reason)))
            }
        }
    }

    /// Stages `croissant.json` if it is asked for, or there and inlaid's. A new one has what is `known`, too.
    fn stage_croissant(
        &mut self,
        next: &mut Manifest,
        layout: &RowLayout,
        about: &About,
        known: About,
    ) -> Result<Option<CardNote>, Error> {
        let own = self.current().and_then(|current| current.files.get(CROISSANT)).map(|info| info.own);
        if !self.croissant && own.is_none() {
            return Ok(None);
        }
        let there = match self.text_there(CROISSANT)? {
            // Removed by people.
            None if !self.croissant => {
                next.files.remove(CROISSANT);
                return Ok(None);
            }
            Some(Err(reason)) => return Ok(Some(CardNote::CroissantLeft(reason))),
            there => there.and_then(Result::ok),
        };
        let folder = self.files().path(CROISSANT);
        let folder = folder.parent().map(|folder| folder.canonicalize().unwrap_or_else(|_| folder.to_owned()));
        let name = folder.as_deref().and_then(|folder| folder.file_name()).unwrap_or("dataset".as_ref());
        let about = if there.is_none() { about.clone().or(known) } else { about.clone() };
        let before = self.current();
        let dataset = Described { manifest: next, layout, before, folder: &name.to_string_lossy() };
        match croissant::text(&dataset, &about, there.as_deref()) {
            Ok(text) => {
                let info = FileInfo { own: croissant::own_checksum(&text), ..FileInfo::of(text.as_bytes()) };
                next.files.insert(CROISSANT.to_owned(), info.clone());
                self.stage_file(CROISSANT, text.as_bytes(), info)?;
                let edited = there.is_some_and(|there| own.is_some_and(|own| own != croissant::own_checksum(&there)));
                Ok(edited.then_some(CardNote::CroissantRewritten))
            }
            Err(reason) => Ok(Some(CardNote::CroissantLeft(reason))),
        }
    }

    /// The text of a file that is there, or why it has none; none if there is no such file.
    fn text_there(&self, name: &str) -> Result<Option<Result<String, String>>, Error> {
        if let Some(folder) = self.files().folder() {
            match folder.join(name).symlink_metadata() {
                Ok(found) if found.is_symlink() => return Ok(Some(Err("it is a link".to_owned()))),
                Ok(found) if !found.is_file() => return Ok(Some(Err("it is not a regular file".to_owned()))),
                _ => {}
            }
        }
        let text = self.files().read(name)?.map(String::from_utf8);
        Ok(text.map(|text| text.map_err(|_| "it is not UTF-8".to_owned())))
    }
}

/// Whether a picture is of a later snapshot.
fn is_gone(picture: &FileInfo, next: &Manifest) -> bool {
    picture.snapshot.is_some_and(|snapshot| snapshot > next.snapshot.dataset_version)
}
