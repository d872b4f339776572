"""Keys of a store from a session of boto3 or botocore."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from ._errors import SettingError

# Until when keys of a session are taken: it gives new ones in time.
KEPT = timedelta(minutes=10)


def of_session(session: Any) -> Callable[[], dict[str, Any]]:
    """A function that returns the keys of a session, as they are then."""

    def keys() -> dict[str, Any]:
        found = session.get_credentials()
        if found is None:
            raise SettingError("the session has no credentials")
        frozen = found.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(timezone.utc) + KEPT,
        }

    return keys
