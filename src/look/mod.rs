//! What people look at: pictures of rows, contact sheets, and the report of a dataset.

mod class_chart;
mod file;
mod measures;
mod picture;
mod pictures;
mod report;
mod rows;
mod sample;
mod sheet;
mod text;

pub(crate) use class_chart::class_chart;
pub(crate) use report::{PICTURE_SIDE, Subject};
pub use report::{Report, ReportOptions};
pub use sheet::{Sheet, Shown, Tile};
