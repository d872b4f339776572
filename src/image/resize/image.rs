//! What is resized, and where to.

/// An image of samples, rows from top to bottom, channels side by side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Image<'a, S> {
    /// Samples of a row.
    pub(super) stride: usize,
    pub(super) samples: &'a [S],
}

impl<'a, S> Image<'a, S> {
    pub(super) fn row(&self, y: u32) -> &'a [S] {
        &self.samples[y as usize * self.stride..][..self.stride]
    }
}

/// A rectangle within the elements of a tensor.
#[derive(Debug)]
pub(super) struct Target<'a, E> {
    /// Of the whole tensor.
    pub(super) elements: &'a mut [E],
    /// Elements of a row of the tensor.
    pub(super) stride: usize,
    /// The first row of the rectangle.
    pub(super) top: usize,
    /// Elements left of it in each row.
    pub(super) left: usize,
    /// Elements of it in each row.
    pub(super) len: usize,
}

impl<E> Target<'_, E> {
    /// A row of the rectangle.
    pub(super) fn row(&mut self, y: usize) -> &mut [E] {
        &mut self.elements[(self.top + y) * self.stride + self.left..][..self.len]
    }
}
