//! A spec whose settings are compatible, with everything derived from them.

use super::elements::{Elements, Filler};
use super::encode::Encoder;
use super::resize::Method;
use crate::format::row_layout::RowLayout;
use crate::spec::{Encoding, Folders, JpegDecoder, Spec, SpecError, SplitBy};

/// Instructions for making rows, built once from a [`Spec`] at the edge: functions that take a recipe have no settings
/// left to check.
#[derive(Clone, Debug)]
pub struct Recipe {
    spec: Spec,
    layout: RowLayout,
    pub(crate) product: Product,
    /// What is made of the further images of a row, one for each of [`Spec::tensors`].
    pub(crate) further: Vec<Further>,
}

/// What is made of a further image of a row: a tensor.
#[derive(Clone, Debug)]
pub(crate) struct Further {
    /// As if these were the only images.
    pub(crate) spec: Spec,
    elements: Elements,
    method: Method,
}

impl Further {
    fn new(spec: Spec) -> Result<Further, SpecError> {
        Ok(Further { elements: Elements::new(&spec)?, method: Method::new(&spec)?, spec })
    }

    /// What makes the tensors.
    pub(crate) fn filler(&self) -> Filler {
        Filler::new(&self.spec, self.elements, self.method)
    }
}

/// Result of converting one image.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Product {
    /// A tensor.
    Tensor(Elements, Method),
    /// An encoded file of resized pixels.
    File(Elements, Method, Encoder),
    /// The source file, unchanged.
    Original,
}

impl Recipe {
    /// The recipe of a spec.
    ///
    /// # Errors
    /// If settings are incompatible, or this build lacks a feature that one of them needs.
    pub fn new(spec: &Spec) -> Result<Recipe, SpecError> {
        let spec = &with_decoder(spec);
        let encoder = Encoder::new(spec)?;
        if spec.jpeg_shrink.is_some() && spec.jpeg_decoder == JpegDecoder::Zune {
            return Err(SpecError::ShrinkingDecoder(spec.jpeg_decoder));
        }
        if !cfg!(feature = "turbojpeg") && spec.jpeg_decoder == JpegDecoder::LibjpegTurbo {
            return Err(SpecError::MissingDecoder(spec.jpeg_decoder));
        }
        let layout = RowLayout::new(spec)?;
        let product = match (layout.shape(), encoder) {
            (None, _) => Product::Original,
            (Some(_), None) => Product::Tensor(Elements::new(spec)?, Method::new(spec)?),
            (Some(_), Some(encoder)) => Product::File(Elements::new(spec)?, Method::new(spec)?, encoder),
        };
        let further = spec.tensors.iter().map(|column| Further::new(spec.of_tensors(column)));
        let further = further.collect::<Result<_, _>>()?;
        Ok(Recipe { spec: spec.clone(), layout, product, further })
    }

    /// This recipe with the rules found in the sources, and with the defaults that a manifest has to state.
    pub(crate) fn resolved(mut self, split_by: SplitBy, folders: Folders) -> Recipe {
        let spec = &mut self.spec;
        (spec.split_by, spec.folders) = (Some(split_by), folders);
        spec.scale = spec.dtype.is_float().then(|| spec.scale.unwrap_or_default());
        if let Product::File(..) = self.product {
            let encoding = spec.encoding.unwrap_or_default();
            spec.encoding = Some(encoding);
            spec.quality = (encoding == Encoding::Jpeg).then(|| spec.quality.unwrap_or_default());
        }
        self.layout.set_encoding(spec.encoding);
        self
    }

    /// The spec that this recipe was built from, with the decoder that was chosen.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Layout of the rows in files.
    pub fn layout(&self) -> &RowLayout {
        &self.layout
    }

    /// Size of a row in bytes, estimated for encoded images; none if files are stored unchanged.
    pub(crate) fn row_bytes(&self) -> Option<usize> {
        let shape = self.layout.shape()?;
        Some(match self.product {
            Product::File(.., encoder) => encoder.typical_bytes(shape.bytes()),
            Product::Tensor(..) | Product::Original => self.layout.tensor_bytes(),
        })
    }

    /// A filler of tensors; none if files are stored unchanged.
    pub(crate) fn filler(&self) -> Option<Filler> {
        match self.product {
            Product::Tensor(elements, method) | Product::File(elements, method, _) => {
                Some(Filler::new(&self.spec, elements, method))
            }
            Product::Original => None,
        }
    }
}

/// A spec with the decoder of JPEGs that this build chooses. Files that stay as they are need none in particular.
fn with_decoder(spec: &Spec) -> Spec {
    let has_libjpeg_turbo = cfg!(feature = "turbojpeg");
    let mut chosen = spec.clone();
    chosen.jpeg_decoder = match spec.jpeg_decoder {
        JpegDecoder::Auto if has_libjpeg_turbo && spec.size.is_some() => JpegDecoder::LibjpegTurbo,
        JpegDecoder::Auto => JpegDecoder::Zune,
        decoder => decoder,
    };
    chosen
}
