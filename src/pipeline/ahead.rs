//! Images that a source far away begins to read before a thread asks for them, in the order of the plan.

use std::iter::Peekable;
use std::sync::{Mutex, PoisonError};

use super::Job;
use crate::source::ImageRef;

/// The rows of a plan whose images the source begins to read before they are asked for.
pub(super) struct Ahead<I: Iterator> {
    state: Mutex<State<I>>,
    /// Number of rows; none if the source gains nothing by that.
    rows: Option<usize>,
}

struct State<I: Iterator> {
    /// Rows that were neither taken nor begun, as indices of their records.
    next: Peekable<I>,
    /// Rows before these.
    before: usize,
    /// Rows that threads have taken.
    taken: usize,
}

impl<'a> Ahead<std::iter::Empty<u32>> {
    pub(super) fn new(job: &Job<'a>) -> Ahead<impl Iterator<Item = u32> + use<'a>> {
        let images = 1 + job.recipe.further.len();
        let rows = Some(job.source.ahead()).filter(|ahead| *ahead > 0).map(|ahead| ahead.div_ceil(images));
        let next = job.plan.pages().flat_map(|page| page.rows.iter().copied()).peekable();
        Ahead { state: Mutex::new(State { next, before: 0, taken: 0 }), rows }
    }
}

impl<I: Iterator<Item = u32>> Ahead<I> {
    /// Has the source begin what follows the first `end` rows of the plan, which threads have taken.
    pub(super) fn taken(&self, job: &Job<'_>, end: usize) {
        let Some(ahead) = self.rows else { return };
        let State { next, before, taken } = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *taken = end.max(*taken);
        // Whoever has taken a row reads it.
        while *before < *taken && next.next().is_some() {
            *before += 1;
        }
        while *before < *taken + ahead
            && let Some(index) = next.peek()
        {
            let record = &job.listing.records[*index as usize];
            let begin = |image| job.source.begin(&ImageRef { record, image }, &job.recipe.spec().limits);
            if !(0..=job.recipe.further.len()).all(begin) {
                return;
            }
            next.next();
            *before += 1;
        }
    }
}
