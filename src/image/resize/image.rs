//! The source and the target of a resize.

/// Source image, rows from top to bottom, channels interleaved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Image<'a, S> {
    /// Number of samples in a row.
    pub(super) stride: usize,
    pub(super) samples: &'a [S],
}

impl<'a, S> Image<'a, S> {
    pub(super) fn row(&self, y: u32) -> &'a [S] {
        &self.samples[y as usize * self.stride..][..self.stride]
    }
}

/// Rectangle within the elements of a tensor.
#[derive(Debug)]
pub(super) struct Target<'a, E> {
    /// Elements of the whole tensor.
    pub(super) elements: &'a mut [E],
    /// Number of elements in a row of the tensor.
    pub(super) stride: usize,
    /// First row of the rectangle.
    pub(super) top: usize,
    /// Number of elements to the left of the rectangle in each row.
    pub(super) left: usize,
    /// Number of elements of the rectangle in each row.
    pub(super) len: usize,
}

impl<E> Target<'_, E> {
    /// A row of the rectangle.
    pub(super) fn row(&mut self, y: usize) -> &mut [E] {
        &mut self.elements[(self.top + y) * self.stride + self.left..][..self.len]
    }
}
