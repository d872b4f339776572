//! One thread's share of the work: makes tensors of images, with buffers that it keeps.

use std::path::Path;
use std::sync::Arc;

use super::augment::{Augment, wanted};
use super::draws::RowDraws;
use crate::error::RecordError;
use crate::image::decode::{Decoder, Frame, Pixels, Raw, Samples};
use crate::image::elements::Filler;
use crate::image::recipe::Recipe;
use crate::image::resize::View;
use crate::image::room::Room;
use crate::run::Memory;
use crate::spec::Size;

/// What tensors are made by.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// The recipe of the tensors.
    pub(super) recipe: Recipe,
    /// Size that images are fitted to before they are cut; none if they keep their own.
    pub(super) fitted: Option<Size>,
    pub(super) augment: Augment,
}

/// What a thread works with. Its buffers grow with the largest image, and are dropped after one that is not small.
#[derive(Debug)]
pub(super) struct Hand {
    rule: Arc<Rule>,
    decoder: Decoder,
    filler: Filler,
    room: Room,
}

impl Hand {
    pub(super) fn new(rule: &Arc<Rule>, filler: Filler, memory: &Arc<Memory>) -> Hand {
        Hand { rule: rule.clone(), decoder: Decoder::default(), filler, room: Room::new(memory) }
    }

    /// Writes the tensor of an image file to every byte of `slot`. The name decides the format only if the content doesn't.
    pub(super) fn decode(
        &mut self,
        file: &[u8],
        name: &Path,
        draws: &mut RowDraws,
        slot: &mut [u8],
    ) -> Result<(), RecordError> {
        let made = self.make(file, name, draws, slot);
        if self.room.is_held() {
            self.empty();
        }
        made
    }

    fn make(&mut self, file: &[u8], name: &Path, draws: &mut RowDraws, slot: &mut [u8]) -> Result<(), RecordError> {
        let rule = self.rule.clone();
        let (raw, view) = self.read(&rule, file, name, draws)?;
        let pixels = self.decoder.pixels(&raw, rule.recipe.spec())?;
        self.filler.fill(&pixels, &view, slot)
    }

    /// Decodes what is wanted of a file. Waits for memory if other threads hold it.
    fn read(
        &mut self,
        rule: &Rule,
        file: &[u8],
        name: &Path,
        draws: &mut RowDraws,
    ) -> Result<(Raw, View), RecordError> {
        let spec = rule.recipe.spec();
        let mut view = None;
        let mut look = |width, height| {
            let chosen = view.get_or_insert_with(|| rule.view(draws, width, height));
            wanted(spec, chosen)
        };
        loop {
            let (decoder, room) = (&mut self.decoder, &mut self.room);
            let raw = decoder.read(file, name, spec, &mut look, &mut |claim| room.admit(claim, 0));
            match self.room.missing() {
                Some(missing) => {
                    self.empty();
                    drop(self.room.wait(missing, 0));
                }
                None => return Ok((raw?, view.unwrap_or_default())),
            }
        }
    }

    /// Writes the tensor of samples with the channels of the tensor to every byte of `slot`.
    pub(super) fn resize(
        &mut self,
        samples: Samples<'_>,
        [width, height]: [u32; 2],
        draws: &mut RowDraws,
        slot: &mut [u8],
    ) -> Result<(), RecordError> {
        let view = self.rule.view(draws, width, height);
        let frame = Frame::whole(width, height);
        let pixels = Pixels { width, height, samples, source_width: width, source_height: height, frame };
        self.filler.fill(&pixels, &view, slot)
    }

    /// Drops the buffers of images, and gives back their memory.
    fn empty(&mut self) {
        self.decoder = Decoder::default();
        self.room.leave();
    }
}

impl Rule {
    fn view(&self, draws: &mut RowDraws, width: u32, height: u32) -> View {
        self.augment.view(self.recipe.spec(), self.fitted, draws, [width, height])
    }
}
