//! Keyword arguments of Python as types of the library. One that can't be its type is a `SettingError` that names it.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use inlaid::{
    ByteSize, Color, ColumnSpec, CropRatio, Dtype, JpegShrink, License, MaxErrors, Mean, Quality, Shape, Size,
    SpecError, SplitFractions, Std, StorageOptions,
};
use pyo3::conversion::FromPyObjectOwned;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyMapping, PyString};

use crate::errors::{exception, misuse, setting};
use crate::keys::PythonKeys;

/// The keyword arguments of a call, all of them: those that the caller leaves out have their defaults.
pub struct Keywords<'py>(Bound<'py, PyDict>);

impl<'py> Keywords<'py> {
    pub fn new(arguments: Bound<'py, PyDict>) -> Keywords<'py> {
        Keywords(arguments)
    }

    /// Takes one out and reads it.
    pub fn take<T>(&self, name: &'static str, read: impl FnOnce(&Keyword<'py>) -> PyResult<T>) -> PyResult<T> {
        let value = self.0.get_item(name)?.ok_or_else(|| misuse(format!("keyword `{name}` is not passed on")))?;
        self.0.del_item(name)?;
        // Arrays and scalars of NumPy, tensors and series, as lists and numbers.
        let value = match value.getattr("tolist") {
            Ok(as_list) => as_list.call0()?,
            Err(_) => value,
        };
        read(&Keyword { name, value })
    }

    /// As [`Keywords::take`], where `None` is a value.
    pub fn take_if_some<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Keyword<'py>) -> PyResult<T>,
    ) -> PyResult<Option<T>> {
        self.take(name, |keyword| (!keyword.value.is_none()).then(|| read(keyword)).transpose())
    }

    /// Finds keywords that nothing has read.
    pub fn end(self) -> PyResult<()> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(misuse(format!("keywords {} are not read", self.0.keys()))),
        }
    }
}

/// A keyword argument.
pub struct Keyword<'py> {
    name: &'static str,
    value: Bound<'py, PyAny>,
}

impl<'py> Keyword<'py> {
    /// One that is an attribute of a Python object, unless it is `None`.
    pub fn of(settings: &Bound<'py, PyAny>, name: &'static str) -> PyResult<Option<Keyword<'py>>> {
        let value = settings.getattr(name)?;
        Ok((!value.is_none()).then_some(Keyword { name, value }))
    }

    /// `True` or `False`.
    pub fn switch(&self) -> PyResult<bool> {
        self.value.extract().map_err(|_| self.not("True or False"))
    }

    /// Any text.
    pub fn text(&self) -> PyResult<String> {
        self.value.extract().map_err(|_| self.not("a string"))
    }

    /// A license.
    pub fn license(&self) -> PyResult<License> {
        self.text()?.parse().map_err(|_| self.not("an identifier such as \"cc-by-4.0\", or a URL"))
    }

    /// A path.
    pub fn path(&self) -> PyResult<PathBuf> {
        self.value.extract().map_err(|_| self.not("a path"))
    }

    /// A text, or several.
    pub fn texts(&self) -> PyResult<Vec<String>> {
        match self.value.extract() {
            Ok(text) => Ok(vec![text]),
            Err(_) => self.value.extract().map_err(|_| self.not("a name, or a list of names")),
        }
    }

    /// Settings of stores by their names, and what gives keys.
    pub fn storage(&self) -> PyResult<StorageOptions> {
        const PROVIDER: &str = "credential_provider";
        let items = self.value.cast::<PyMapping>().map_err(PyErr::from).and_then(|items| items.items());
        // What was given may be secret.
        let wrong =
            |_| setting("storage_options is a mapping of names to texts, as in {\"region\": \"eu-west-1\"}".to_owned());
        let mut provider = None;
        let mut settings = Vec::new();
        for item in items.map_err(wrong)?.iter() {
            let (name, value): (String, Bound<'_, PyAny>) = item.extract().map_err(wrong)?;
            match name == PROVIDER {
                true if !value.is_none() => provider = Some(PythonKeys::of(&value)?),
                true => {}
                false => settings.push((name, value.extract::<String>().map_err(wrong)?)),
            }
        }
        let options: StorageOptions = settings.into_iter().collect();
        Ok(match provider {
            Some(keys) => options.with_keys(Arc::new(keys)),
            None => options,
        })
    }

    /// Types by the names of columns.
    pub fn column_types(&self) -> PyResult<Vec<ColumnSpec>> {
        let items = self.value.cast::<PyMapping>().map_err(PyErr::from).and_then(|types| types.items());
        let items = items.map_err(|_| self.not("a mapping of columns to types, as in {\"id\": \"string\"}"))?;
        let read = |item: Bound<'_, PyAny>| {
            let (name, kind): (String, String) = item.extract()?;
            Ok(ColumnSpec::new(name, self.parsed(&kind)?))
        };
        items.iter().map(read).collect()
    }

    /// One of the words of a type of the library.
    pub fn word<T: FromStr<Err = SpecError>>(&self) -> PyResult<T> {
        self.parsed(&self.text()?)
    }

    /// One of two words.
    pub fn either<T: Copy>(&self, words: [(&str, T); 2]) -> PyResult<T> {
        let text = self.value.extract().unwrap_or("");
        let known = words.iter().find(|(word, _)| *word == text);
        let [(first, _), (second, _)] = words;
        known.map(|(_, meaning)| *meaning).ok_or_else(|| self.not(&format!("\"{first}\" or \"{second}\"")))
    }

    /// An integer in a range.
    pub fn within(&self, range: RangeInclusive<u64>) -> PyResult<u64> {
        let (least, most) = (range.start(), range.end());
        let number = self.number().filter(|number| range.contains(number));
        number.ok_or_else(|| self.not(&format!("an integer from {least} to {most}")))
    }

    /// A number of bytes, or a text such as 16MiB.
    pub fn bytes(&self) -> PyResult<ByteSize> {
        let text = self.number::<u64>().map(|number| number.to_string());
        let text = text.or_else(|| self.value.extract().ok());
        let size = text.and_then(|text| text.parse().ok());
        size.ok_or_else(|| self.not("a whole number of bytes below 2**64, as in 65536 or \"16MiB\""))
    }

    /// A number of images, or a percentage of them.
    pub fn max_errors(&self) -> PyResult<MaxErrors> {
        let count = self.number().map(MaxErrors::Count);
        let max = count.or_else(|| self.value.extract().ok().and_then(|text: &str| text.parse().ok()));
        max.ok_or_else(|| self.not("a number of images, as in 100, or a percentage of them, as in \"0.5%\""))
    }

    /// The name of an element type, in NumPy or in the manifest.
    pub fn dtype(&self) -> PyResult<Dtype> {
        let word = self.text()?;
        let dtype = Dtype::ALL.iter().find(|dtype| [dtype.numpy_name(), dtype.as_str()].contains(&&*word));
        let known = Dtype::ALL.iter().map(|dtype| dtype.numpy_name()).collect::<Vec<_>>().join(", ");
        let unknown = || SpecError::UnknownWord { what: "element type", word, known };
        dtype.copied().ok_or_else(|| exception(unknown()))
    }

    /// The side of a square, or height and width.
    pub fn size(&self) -> PyResult<Size> {
        let sides = self.number::<u32>().map(|side| vec![side, side]).or_else(|| self.several());
        let size = match sides.as_deref() {
            Some(&[height, width]) => Size::new(height, width).ok(),
            _ => None,
        };
        let expected = format!("the height and width in pixels, 1 to {} each, as in 224 or (240, 320)", Size::MAX_SIDE);
        size.ok_or_else(|| self.not(&expected))
    }

    /// The lengths of the dimensions of a tensor.
    pub fn shape(&self) -> PyResult<Shape> {
        let dims: Vec<usize> = self.several().ok_or_else(|| self.not("a tuple of dimensions, as in (224, 224, 3)"))?;
        Shape::new(dims).map_err(exception)
    }

    /// Fractions by the names of splits.
    pub fn shares(&self) -> PyResult<SplitFractions> {
        let read = |item: Bound<'_, PyAny>| {
            let (split, share): (String, f64) = item.extract()?;
            Ok(format!("{split}={share}"))
        };
        let shares = self.value.cast::<PyMapping>().map_err(PyErr::from);
        let shares = shares.and_then(|shares| shares.items()?.iter().map(read).collect::<PyResult<Vec<_>>>());
        match shares {
            Ok(shares) if !shares.is_empty() => self.parsed(&shares.join(",")),
            _ => Err(self.not("a mapping of splits to fractions, as in {\"train\": 0.9, \"test\": 0.1}")),
        }
    }

    /// Red, green and blue, or a text.
    pub fn color(&self) -> PyResult<Color> {
        let text = match self.several::<u64>() {
            Some(channels) => channels.iter().map(u64::to_string).collect::<Vec<_>>().join(","),
            None => {
                let text = self.value.extract();
                text.map_err(|_| self.not("(red, green, blue), 0 to 255 each, \"#RRGGBB\" or a name"))?
            }
        };
        self.parsed(&text)
    }

    /// One number, one for each of red, green and blue, or a word.
    pub fn mean(&self) -> PyResult<Mean> {
        self.of_channels(Mean::new)
    }

    /// One number, one for each of red, green and blue, or a word.
    pub fn std(&self) -> PyResult<Std> {
        self.of_channels(Std::new)
    }

    fn of_channels<T>(&self, new: fn(Vec<f32>) -> Result<T, SpecError>) -> PyResult<T>
    where
        T: FromStr<Err = SpecError>,
    {
        let one = || self.value.extract().ok().map(|number| vec![number]);
        match one().or_else(|| self.several()) {
            Some(numbers) if matches!(numbers.len(), 1 | 3) => new(numbers).map_err(exception),
            Some(_) => Err(self.not("a number, (red, green, blue) or \"imagenet\"")),
            None => self.parsed(
                &self
                    .value
                    .extract::<String>()
                    .map_err(|_| self.not("a number, (red, green, blue) or \"imagenet\""))?,
            ),
        }
    }

    /// A share of a side.
    pub fn crop_ratio(&self) -> PyResult<CropRatio> {
        let ratio: f64 = self.value.extract().map_err(|_| self.not("a number, as in 0.875"))?;
        CropRatio::try_from(ratio).map_err(exception)
    }

    /// A whole number from 1 to 100.
    pub fn quality(&self) -> PyResult<Quality> {
        self.parsed(&self.integer()?)
    }

    /// `False`, `True` for the default, or how many times the size.
    pub fn jpeg_shrink(&self) -> PyResult<Option<JpegShrink>> {
        match self.value.extract() {
            Ok(false) => Ok(None),
            Ok(true) => Ok(Some(JpegShrink::default())),
            Err(_) => self.parsed(&self.integer()?).map(Some),
        }
    }

    /// A number, which is not a truth value.
    fn number<T: FromPyObjectOwned<'py>>(&self) -> Option<T> {
        if self.value.is_instance_of::<PyBool>() { None } else { self.value.extract().ok() }
    }

    /// The digits of an integer.
    fn integer(&self) -> PyResult<String> {
        let number: Option<i64> = self.number();
        number.map(|number| number.to_string()).ok_or_else(|| self.not("an integer"))
    }

    /// Several numbers; a text is not several.
    fn several<T>(&self) -> Option<Vec<T>>
    where
        Vec<T>: FromPyObjectOwned<'py>,
    {
        if self.value.is_instance_of::<PyString>() { None } else { self.value.extract().ok() }
    }

    fn parsed<T: FromStr<Err = SpecError>>(&self, text: &str) -> PyResult<T> {
        text.parse().map_err(exception)
    }

    /// What is wrong with a value that is not what it should be.
    fn not(&self, expected: &str) -> PyErr {
        let value = self.value.repr().map_or_else(|_| "that".to_owned(), |value| value.to_string());
        setting(format!("{} is {expected}, not {value}", self.name))
    }
}
