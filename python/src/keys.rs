//! Keys of a store from a callable of Python, or from a session of boto3.

use std::time::{Duration, SystemTime};

use inlaid::{KeySource, StoreKeys};
use pyo3::prelude::*;

use crate::errors::{of_provider, setting};

/// A callable that returns keys.
pub struct PythonKeys(Py<PyAny>);

impl PythonKeys {
    /// What a caller gives: a callable, or a session of boto3 or botocore.
    pub fn of(given: &Bound<'_, PyAny>) -> PyResult<PythonKeys> {
        let py = given.py();
        if given.hasattr("get_credentials")? {
            let of_session = py.import("inlaid._credentials")?.getattr("of_session")?.call1((given,))?;
            return Ok(PythonKeys(of_session.unbind()));
        }
        match given.is_callable() {
            true => Ok(PythonKeys(given.clone().unbind())),
            false => Err(setting("credential_provider is a callable, or a session of boto3".to_owned())),
        }
    }

    fn ask(&self, py: Python<'_>) -> PyResult<StoreKeys> {
        let told = self.0.bind(py).call0()?;
        let missing = |name: &str| setting(format!("the credential_provider returns no `{name}`"));
        let get = |name: &str| -> PyResult<Option<Bound<'_, PyAny>>> {
            let value = told.call_method1("get", (name,))?;
            Ok(Some(value).filter(|value| !value.is_none()))
        };
        let text = |name: &str| get(name)?.map(|value| value.extract::<String>()).transpose();
        let expires = get("expires_at")?.map(|time| time.call_method0("timestamp")?.extract::<f64>()).transpose()?;
        let expires = expires.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds.clamp(0.0, 1e11)));
        Ok(StoreKeys {
            key_id: text("access_key_id")?.ok_or_else(|| missing("access_key_id"))?,
            secret_key: text("secret_access_key")?.ok_or_else(|| missing("secret_access_key"))?,
            token: text("token")?,
            expires,
        })
    }
}

impl KeySource for PythonKeys {
    fn keys(&self) -> Result<StoreKeys, String> {
        Python::attach(|py| self.ask(py)).map_err(of_provider)
    }
}
