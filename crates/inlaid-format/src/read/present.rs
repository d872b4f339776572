//! Values of consecutive rows, of which some have none. Those without take no memory, since a file may claim any number
//! of them.

/// The values of rows, from 0.
#[derive(Debug)]
pub(super) struct Present<V> {
    values: Vec<V>,
    /// The row of every value; empty as long as each row has one.
    rows: Vec<usize>,
}

impl<V> Default for Present<V> {
    fn default() -> Present<V> {
        Present { values: Vec::new(), rows: Vec::new() }
    }
}

impl<V> Present<V> {
    /// Adds the value of a row after those that have one.
    pub(super) fn push(&mut self, row: usize, value: V) {
        if self.rows.is_empty() && row != self.values.len() {
            self.rows.extend(0..self.values.len());
        }
        if row != self.values.len() || !self.rows.is_empty() {
            self.rows.push(row);
        }
        self.values.push(value);
    }

    /// The value of a row; none if it has none.
    pub(super) fn get(&self, row: usize) -> Option<&V> {
        match self.rows.is_empty() {
            true => self.values.get(row),
            false => self.rows.binary_search(&row).ok().and_then(|at| self.values.get(at)),
        }
    }

    /// Number of values.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.values.shrink_to_fit();
        self.rows.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_its_own_value() {
        for rows in [&[][..], &[0, 1, 2], &[1, 2], &[0, 2, 3, 7], &[5]] {
            let mut present = Present::default();
            rows.iter().for_each(|row| present.push(*row, row * 10));
            let found: Vec<Option<usize>> = (0..9).map(|row| present.get(row).copied()).collect();
            let expected: Vec<Option<usize>> = (0..9).map(|row| rows.contains(&row).then_some(row * 10)).collect();
            assert_eq!((found, present.len()), (expected, rows.len()), "{rows:?}");
        }
    }
}
