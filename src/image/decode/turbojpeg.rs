//! The decompressor of TurboJPEG, with the parts of images that its wrapper for Rust leaves out. The only unsafe code of
//! this crate.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::ptr::NonNull;

use turbojpeg_sys as sys;

/// Most scans of a progressive JPEG; encoders write about ten, and each costs a pass over the image
/// (CVE-2017-9614 and similar).
const MOST_SCANS: c_int = 500;

/// A decompressor, whose buffers are reused.
#[derive(Debug)]
pub(super) struct Decompressor(NonNull<c_void>);

// SAFETY: a handle is of no thread; it is used by whoever owns it.
unsafe impl Send for Decompressor {}

/// The header of a JPEG.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) colors: Colors,
    /// Width of the blocks that are decoded together, in pixels; none if parts can't be decoded.
    pub(super) block: Option<u32>,
}

/// What the samples of a JPEG become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colors {
    Gray,
    Rgb,
    Cmyk,
}

/// An eighth to the whole of the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scale {
    /// What a side is divided by: 1, 2, 4 or 8.
    pub(super) divisor: u32,
}

/// A rectangle of the scaled image, in pixels. It begins at a multiple of the scaled block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Scale {
    /// A side of the scaled image.
    pub(super) fn side(self, side: u32) -> u32 {
        side.div_ceil(self.divisor)
    }
}

impl Colors {
    /// Samples of a pixel.
    pub(super) fn count(self) -> usize {
        match self {
            Colors::Gray => 1,
            Colors::Rgb => 3,
            Colors::Cmyk => 4,
        }
    }

    fn format(self) -> c_int {
        match self {
            Colors::Gray => sys::TJPF_TJPF_GRAY,
            Colors::Rgb => sys::TJPF_TJPF_RGB,
            Colors::Cmyk => sys::TJPF_TJPF_CMYK,
        }
    }
}

impl Decompressor {
    /// A decompressor to which a warning is an error; none if there is no memory for one.
    pub(super) fn new() -> Option<Decompressor> {
        // SAFETY: the function takes a number.
        let handle = unsafe { sys::tj3Init(sys::TJINIT_TJINIT_DECOMPRESS as c_int) };
        let decompressor = Decompressor(NonNull::new(handle)?);
        let is_set = decompressor.set(sys::TJPARAM_TJPARAM_SCANLIMIT, MOST_SCANS)
            && decompressor.set(sys::TJPARAM_TJPARAM_STOPONWARNING, 1);
        is_set.then_some(decompressor)
    }

    fn set(&self, parameter: sys::TJPARAM, value: c_int) -> bool {
        // SAFETY: the handle lives as long as `self`.
        unsafe { sys::tj3Set(self.0.as_ptr(), parameter as c_int, value) == 0 }
    }

    fn get(&self, parameter: sys::TJPARAM) -> c_int {
        // SAFETY: the handle lives as long as `self`.
        unsafe { sys::tj3Get(self.0.as_ptr(), parameter as c_int) }
    }

    /// Reads the header of a file; none on any error or warning.
    pub(super) fn header(&mut self, file: &[u8]) -> Option<Header> {
        let length = file.len().try_into().ok()?;
        // SAFETY: the handle lives as long as `self`, and the file is as long as it is said to be.
        let status = unsafe { sys::tj3DecompressHeader(self.0.as_ptr(), file.as_ptr(), length) };
        (status == 0).then_some(())?;
        let side = |parameter| u32::try_from(self.get(parameter)).ok();
        let has_parts = self.get(sys::TJPARAM_TJPARAM_LOSSLESS) == 0 && self.get(sys::TJPARAM_TJPARAM_PRECISION) == 8;
        Some(Header {
            width: side(sys::TJPARAM_TJPARAM_JPEGWIDTH)?,
            height: side(sys::TJPARAM_TJPARAM_JPEGHEIGHT)?,
            colors: match self.get(sys::TJPARAM_TJPARAM_COLORSPACE) {
                space if space == sys::TJCS_TJCS_GRAY as c_int => Colors::Gray,
                space if space == sys::TJCS_TJCS_CMYK as c_int => Colors::Cmyk,
                space if space == sys::TJCS_TJCS_YCCK as c_int => Colors::Cmyk,
                _ => Colors::Rgb,
            },
            block: match self.get(sys::TJPARAM_TJPARAM_SUBSAMP) {
                _ if !has_parts => None,
                sys::TJSAMP_TJSAMP_444 | sys::TJSAMP_TJSAMP_GRAY | sys::TJSAMP_TJSAMP_440 => Some(8),
                sys::TJSAMP_TJSAMP_441 => Some(8),
                sys::TJSAMP_TJSAMP_422 | sys::TJSAMP_TJSAMP_420 => Some(16),
                sys::TJSAMP_TJSAMP_411 => Some(32),
                _ => None,
            },
        })
    }

    /// Decodes a region of the image whose header was read last, which is all of it if parts can't be decoded. None on
    /// any error or warning.
    ///
    /// # Panics
    /// If `samples` is too short.
    pub(super) fn decode(
        &mut self,
        file: &[u8],
        header: &Header,
        scale: Scale,
        region: Region,
        samples: &mut [u8],
    ) -> Option<()> {
        // Where no region is told, only the header decides how much is written: it must not change meanwhile, as that of
        // a mapped file can.
        let own;
        let file = match header.block {
            Some(_) => file,
            None => {
                own = file.to_vec();
                &own
            }
        };
        if header.block.is_none() {
            let same = self.header(file)?;
            ((same.width, same.height, same.colors) == (header.width, header.height, header.colors)).then_some(())?;
        }
        let pitch = region.width as usize * header.colors.count();
        assert!(samples.len() >= pitch * region.height as usize, "the samples have room");
        let int = |side: u32| c_int::try_from(side).ok();
        let part = match header.block {
            Some(_) => [int(region.left)?, int(region.top)?, int(region.width)?, int(region.height)?],
            None => [0; 4],
        };
        let [x, y, w, h] = part;
        let (length, pitch) = (file.len().try_into().ok()?, c_int::try_from(pitch).ok()?);
        let factor = sys::tjscalingfactor { num: 1, denom: int(scale.divisor)? };
        let handle = self.0.as_ptr();
        // SAFETY: the handle lives as long as `self`, and the file is as long as it is said to be. With a region,
        // lines of its width are written, as many as it is high: the library refuses a file to which that does not
        // apply. Without, the image has the size of its header, since the file is this function's own.
        let status = unsafe {
            let is_set = sys::tj3SetScalingFactor(handle, factor) == 0
                && sys::tj3SetCroppingRegion(handle, sys::tjregion { x, y, w, h }) == 0;
            is_set.then_some(())?;
            let format = header.colors.format();
            sys::tj3Decompress8(handle, file.as_ptr(), length, samples.as_mut_ptr(), pitch, format)
        };
        (status == 0).then_some(())
    }
}

impl Drop for Decompressor {
    fn drop(&mut self) {
        // SAFETY: nobody has the handle any more.
        unsafe { sys::tj3Destroy(self.0.as_ptr()) }
    }
}
