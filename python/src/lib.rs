//! The native half of the Python package: tables of tensors as NumPy arrays and Arrow streams,
//! conversions and other runs, and the command line. `python/inlaid` is the Python around it.

mod arrow;
mod batches;
mod casting;
mod column;
mod errors;
mod keys;
mod keywords;
mod loader;
mod look;
mod maintain;
mod ndarray;
mod pixels;
mod plan;
mod reading;
mod rejects;
mod run;
mod settings;
mod table;
mod wording;
mod write;

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the command line in this process; returns its exit code.
#[pyfunction]
fn main(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| inlaid::cli::main(arguments))
}

/// The module `inlaid._inlaid`.
#[pymodule]
fn _inlaid(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // Readers contain panics of codecs too.
    inlaid::cli::quiet_codec_panics();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<arrow::Schema>()?;
    module.add_class::<batches::Batches>()?;
    module.add_class::<loader::Loader>()?;
    module.add_class::<reading::Reading>()?;
    module.add_class::<rejects::Rejects>()?;
    module.add_class::<table::Table>()?;
    module.add_function(wrap_pyfunction!(main, module)?)?;
    module.add_function(wrap_pyfunction!(table::find, module)?)?;
    module.add_function(wrap_pyfunction!(table::open_dataset, module)?)?;
    module.add_function(wrap_pyfunction!(look::report, module)?)?;
    module.add_function(wrap_pyfunction!(look::sheet, module)?)?;
    module.add_function(wrap_pyfunction!(maintain::info, module)?)?;
    module.add_function(wrap_pyfunction!(maintain::verify, module)?)?;
    module.add_function(wrap_pyfunction!(maintain::card, module)?)?;
    module.add_function(wrap_pyfunction!(maintain::compact, module)?)?;
    module.add_function(wrap_pyfunction!(maintain::rollback, module)?)?;
    module.add_function(wrap_pyfunction!(pixels::random_crop, module)?)?;
    module.add_function(wrap_pyfunction!(plan::plan, module)?)?;
    module.add_function(wrap_pyfunction!(plan::planned, module)?)?;
    module.add_function(wrap_pyfunction!(plan::missing, module)?)?;
    module.add_function(wrap_pyfunction!(plan::outcomes, module)?)?;
    module.add_function(wrap_pyfunction!(plan::work, module)?)?;
    module.add_function(wrap_pyfunction!(plan::commit, module)?)?;
    module.add_function(wrap_pyfunction!(wording::in_python, module)?)?;
    module.add_function(wrap_pyfunction!(write::convert, module)?)?;
    module.add_function(wrap_pyfunction!(write::append, module)?)?;
    module.add_function(wrap_pyfunction!(write::repack, module)?)
}
