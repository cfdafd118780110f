"""Who may come in to the service of a home: by keys that were made for it, by tokens of an issuer, or the user of this machine."""

from __future__ import annotations

from qhybrid_pipelines.service.access.api_keys import KeyAuthenticator, KeyFile
from qhybrid_pipelines.service.access.callers import Authenticator
from qhybrid_pipelines.service.access.settings import read_settings
from qhybrid_pipelines.service.access.token_callers import TokenAuthenticator
from qhybrid_pipelines.storage.layout import Home


def authenticator_for(home: Home) -> Authenticator | None:
    """Return who may come in; None where nothing is asked for.

    Raises:
        InvalidInput: the settings, the pepper or the issuer's keys cannot be used.
    """
    key_file = KeyFile(home)
    keys = KeyAuthenticator(key_file) if key_file.exists else None
    tokens = read_settings(home).tokens
    return TokenAuthenticator(tokens, keys) if tokens is not None else keys
