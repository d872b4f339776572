//! Errors of inlaid as the exceptions of `python/inlaid/_errors.py`.

use std::io::ErrorKind;
use std::sync::{Mutex, PoisonError};

use inlaid::cli::{hint, message};
use inlaid::{Error, FormatError, RepackError, SourceError, StoreError};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

use crate::wording::in_python;

/// The exception that a caller in Python expects, with a hint in its text.
pub fn exception(error: impl Into<Error>) -> PyErr {
    let error = error.into();
    if let Error::Interrupted | Error::Abandoned = error {
        return PyKeyboardInterrupt::new_err(());
    }
    // What a caller's own function has raised says more.
    if let Error::Store { reason: StoreError::Settings(text), .. }
    | Error::Source { source: SourceError::Store(StoreError::Settings(text)), .. } = &error
        && text == RAISED
        && let Some(raised) = OF_PROVIDER.lock().unwrap_or_else(PoisonError::into_inner).take()
    {
        return raised;
    }
    let hint = hint(&error).map(|hint| in_python(&hint));
    let message = match &error {
        Error::Spec(_) | Error::Load(_) => in_python(&message(&error)),
        _ => message(&error),
    };
    let told = hint.as_ref().map_or_else(String::new, |hint| format!("\nhint: {hint}"));
    raise(class(&error), message + &told, Some(error.kind()), hint)
}

/// What the library is told of an exception of a function that gives keys.
const RAISED: &str = "the credential_provider raised an exception";

/// That exception, until the run that it ends raises it.
static OF_PROVIDER: Mutex<Option<PyErr>> = Mutex::new(None);

/// Keeps the exception of a function that gives keys, and returns what the library is told.
pub fn of_provider(error: PyErr) -> String {
    *OF_PROVIDER.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    RAISED.to_owned()
}

/// A call that can't be carried out.
pub fn misuse(text: String) -> PyErr {
    raise("InlaidError", text, None, None)
}

/// A wrong setting.
pub fn setting(text: String) -> PyErr {
    raise("SettingError", text, None, None)
}

fn class(error: &Error) -> &'static str {
    match error {
        Error::Spec(_) | Error::Load(_) | Error::NoSource | Error::TooManyThreads { .. } => "SettingError",
        Error::NoClass { .. }
        | Error::NotASplitFolder { .. }
        | Error::NoSplitFolders(_)
        | Error::SplitFoldersBelow(_) => "SettingError",
        Error::Format(FormatError::NoDataset(_) | FormatError::NoTables(_)) => "NotFoundError",
        Error::SourceNotFolder(_) | Error::NoImages { .. } => "NotFoundError",
        Error::Format(FormatError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => "NotFoundError",
        Error::Format(
            FormatError::Damaged { .. }
            | FormatError::NoImage { .. }
            | FormatError::NoTensors(_)
            | FormatError::UnknownFormat(_),
        ) => "DamagedError",
        Error::Format(FormatError::NoColumn { .. })
        | Error::Format(FormatError::SeveralColumns { .. })
        | Error::Format(FormatError::EncodedImages(_)) => "ColumnError",
        Error::Format(FormatError::Permuted { .. }) => "ColumnError",
        Error::Format(FormatError::NotJoined(_)) => "SettingError",
        Error::Format(FormatError::NoRow { .. }) => "RowError",
        Error::Repack { source, .. } => repack_class(source),
        Error::Source { source: SourceError::Store(error), .. } | Error::Store { reason: error, .. } => match error {
            StoreError::Url
            | StoreError::Scheme(_)
            | StoreError::ReadOnly(_)
            | StoreError::HubUrl
            | StoreError::NoListing
            | StoreError::SameUrl
            | StoreError::NoTlsOfWeb
            | StoreError::Option(_)
            | StoreError::Settings(_)
            | StoreError::Profile(_)
            | StoreError::Secret
            | StoreError::NoTls
            | StoreError::List
            | StoreError::SingleObject
            | StoreError::DiskOnly
            | StoreError::InPlace(_)
            | StoreError::LeftOut => "SettingError",
            StoreError::NoBucket | StoreError::NoRepository | StoreError::NotFound => "NotFoundError",
            StoreError::TakenOver | StoreError::Raced => "LockedError",
            _ => "StoreError",
        },
        Error::OutputTaken(_)
        | Error::OtherFile(_)
        | Error::MountPoint(_)
        | Error::OutputNotEmpty(_)
        | Error::OutputExists(_)
        | Error::OutputNotFolder(_)
        | Error::OutputLinkBroken { .. }
        | Error::OtherConversion(_)
        | Error::ForeignFile(_) => "ExistsError",
        Error::Locked { .. } => "LockedError",
        Error::Rejected { .. } | Error::TooManyRejects { .. } | Error::NothingUsable { .. } => "RejectedError",
        Error::ContentChanged { .. } => "RejectedError",
        Error::Format(FormatError::DiskFull { .. } | FormatError::NoInodes { .. }) => "DiskFullError",
        _ => "InlaidError",
    }
}

fn repack_class(error: &RepackError) -> &'static str {
    match error {
        RepackError::NoColumn { .. } | RepackError::SameColumns(_) | RepackError::Permuted(_) => "ColumnError",
        RepackError::NoFiles => "NotFoundError",
        RepackError::SeveralColumns(_)
        | RepackError::NoRows(_)
        | RepackError::NotTensors { .. }
        | RepackError::Shape { .. } => "SettingError",
        RepackError::UnknownFormat | RepackError::Damaged(_) | RepackError::Codec(_) | RepackError::NoTensors(_) => {
            "DamagedError"
        }
        _ => "InlaidError",
    }
}

fn raise(class: &str, text: String, kind: Option<&str>, hint: Option<String>) -> PyErr {
    Python::attach(|py| {
        let exception = py.import("inlaid._errors").and_then(|errors| {
            let exception = errors.getattr(class)?.call1((text,))?;
            exception.setattr("kind", kind)?;
            exception.setattr("hint", hint)?;
            Ok(exception)
        });
        exception.map_or_else(|error| error, PyErr::from_value)
    })
}
