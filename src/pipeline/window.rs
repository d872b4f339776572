//! The window of pages that may be filled now. It bounds the number of pages in memory and hands out their buffers.

use std::collections::VecDeque;
use std::iter;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::{BYTES_TOGETHER, Job, PAGES_PER_THREAD, ROWS_TOGETHER};
use crate::format::columns::TensorPages;
use crate::format::page::Page;
use crate::plan::PagePlan;

/// The window of pages that may be filled now: `width` pages from the first unwritten one on.
pub(super) struct Window<I> {
    state: Mutex<WindowState<I>>,
    moved: Condvar,
    width: usize,
    threads: usize,
    /// Maximum number of pages that a thread takes at a time.
    together: usize,
}

struct WindowState<I> {
    pages: I,
    /// Number of pages that are still to be taken.
    left: usize,
    /// Number of the next page to be filled.
    next: usize,
    /// Rows of the pages before that one.
    rows: usize,
    /// Number of the first page that is not yet written.
    first_unwritten: usize,
    closed: bool,
    /// Buffers for the pages in the window, by tensor column. They are used in turn, so that all are soon in memory:
    /// the memory use of a run shows at once and stays the same.
    buffers: Vec<VecDeque<Vec<u8>>>,
}

impl<'a> Window<()> {
    /// A window of `width` pages over the pages of a run, for this number of threads.
    pub(super) fn new(job: &Job<'a>, width: usize, threads: usize) -> Window<impl Iterator<Item = PagePlan<'a>>> {
        let Job { plan, columns, .. } = *job;
        let left = plan.pages().count();
        let of_column =
            |column: &TensorPages| iter::repeat_with(|| column.pages.zeroed()).take(width.min(left)).collect();
        let buffers = columns.tensors().iter().map(of_column).collect();
        let state =
            WindowState { pages: plan.pages(), left, next: 0, rows: 0, first_unwritten: 0, closed: false, buffers };
        // All threads together take half of the window, so that no thread waits while others fill their pages.
        let most = (width / (2 * threads)).max(PAGES_PER_THREAD);
        let of_small = job.page_bytes().map_or(0, |bytes| BYTES_TOGETHER / bytes.max(1));
        let together = (ROWS_TOGETHER / plan.counts.page).max(of_small).clamp(1, most);
        Window { state: Mutex::new(state), moved: Condvar::new(), width, threads, together }
    }
}

impl<'a, I: Iterator<Item = PagePlan<'a>>> Window<I> {
    /// Takes the next pages to fill, and waits until the first of them is in the window; calls `rest` before that.
    /// Empty if no page is left.
    pub(super) fn take(&self, rest: impl FnOnce()) -> Vec<Taken<'a>> {
        let mut state = self.state();
        let far = |state: &mut WindowState<I>| !state.closed && state.next >= state.first_unwritten + self.width;
        if far(&mut state) {
            drop(state);
            rest();
            state = self.state();
        }
        let mut state = self.moved.wait_while(state, far).unwrap_or_else(PoisonError::into_inner);
        let near = (state.first_unwritten + self.width).saturating_sub(state.next);
        // Fewer and fewer towards the end, so that all threads stay busy.
        let share = (state.left / (2 * self.threads)).max(1);
        let count = self.together.min(share).min(near);
        let open = !state.closed;
        let next = || {
            let plan = state.pages.next().filter(|_| open)?;
            let buffers = state.buffers.iter_mut().map(|column| column.pop_front().unwrap_or_default()).collect();
            state.rows += plan.rows.len();
            let taken = Taken { number: state.next, end: state.rows, plan, buffers };
            state.next += 1;
            state.left -= 1;
            Some(taken)
        };
        iter::from_fn(next).take(count).collect()
    }

    pub(super) fn written(&self, pages: usize) {
        self.state().first_unwritten += pages;
        self.moved.notify_all();
    }

    /// Takes back the buffers of pages that were written, by tensor column.
    pub(super) fn give_back(&self, pages: Vec<Vec<Page>>) {
        let mut state = self.state();
        for (buffers, pages) in state.buffers.iter_mut().zip(pages) {
            buffers.extend(pages.into_iter().map(Page::into_buffer));
        }
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
        self.moved.notify_all();
    }

    /// The state, which is consistent even if a thread panicked while holding the lock.
    fn state(&self) -> MutexGuard<'_, WindowState<I>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the window when dropped, so that no thread waits for the writer after it has ended or failed.
pub(super) struct CloseOnDrop<'w, 'a, I: Iterator<Item = PagePlan<'a>>>(pub(super) &'w Window<I>);

impl<'a, I: Iterator<Item = PagePlan<'a>>> Drop for CloseOnDrop<'_, 'a, I> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A page to fill.
pub(super) struct Taken<'a> {
    pub(super) number: usize,
    /// Rows up to the end of the page.
    pub(super) end: usize,
    pub(super) plan: PagePlan<'a>,
    /// Buffer for the page of every tensor column.
    pub(super) buffers: Vec<Vec<u8>>,
}
