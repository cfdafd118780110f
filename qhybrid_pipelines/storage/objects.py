"""An object store, by obstore: named bytes that are put and read whole.

``s3://BUCKET/PREFIX`` is S3 and what speaks its protocol; credentials come from the usual chain of AWS. ``file:/FOLDER`` is a folder,
where each object is on the disk before its name is there.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from qhybrid_pipelines.core.errors import EnvironmentFailure, InvalidInput
from qhybrid_pipelines.core.system.files import make_folder, promote, scratch_folder, write_bytes
from qhybrid_pipelines.core.text.redaction import register_secret

FIELD = "QHYBRID_LAKE"
INSTALL = "pip install 'qhybrid-pipelines[objects]'"
ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")

#: How long credentials are used before the chain is walked again.
CREDENTIAL_LIFETIME = timedelta(minutes=5)
#: What is asked again after an answer of the kind that passes, for no longer than this.
RETRY_TIMEOUT = timedelta(seconds=30)
PART_BYTES = 8 * 2**20


class Objects:
    """Objects below one address.

    Args:
        store: of obstore.
        address: of the store, without credentials.
        folder: where its objects are files; None elsewhere.
    """

    def __init__(self, store: Any, address: str, *, folder: Path | None = None) -> None:
        self._store, self.address, self._folder = store, address, folder

    def put(self, name: str, content: bytes) -> None:
        """Put an object, instead of one of that name; it is there for good when this returns."""
        import obstore

        if self._folder is not None:
            write_bytes(self._folder / name, content, tmp=self._folder / "tmp")
            return
        with self._errors():
            obstore.put(self._store, name, content)

    def put_file(self, name: str, content: Path) -> None:
        """Put a file's content as an object; in parts where it is large."""
        import obstore

        if self._folder is not None:
            make_folder(self._folder / "tmp")
            with scratch_folder(self._folder / "tmp") as scratch:
                promote(Path(shutil.copyfile(content, scratch / "content")), self._folder / name)
            return
        with self._errors():
            obstore.put(self._store, name, content)

    def get_file(self, name: str, copy: Path) -> None:
        """Copy an object into a new file, in parts. Raises as `get`."""
        import obstore

        with self._errors(), copy.open("xb") as file:
            for part in obstore.get(self._store, name).stream(min_chunk_size=PART_BYTES):
                file.write(part)

    def put_new(self, name: str, content: bytes) -> bool:
        """Put an object unless there is one of that name; tell whether it was put."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        try:
            with self._errors():
                obstore.put(self._store, name, content, mode="create")
        except AlreadyExistsError:
            return False
        return True

    def get(self, name: str) -> bytes:
        """Return an object's bytes.

        Raises:
            FileNotFoundError: there is none of that name.
            EnvironmentFailure: the store does not answer, or refuses.
        """
        import obstore

        with self._errors():
            return bytes(obstore.get(self._store, name).bytes())

    def __contains__(self, name: str) -> bool:
        import obstore

        try:
            with self._errors():
                obstore.head(self._store, name)
        except FileNotFoundError:
            return False
        return True

    def list(self, prefix: str) -> Iterator[tuple[str, int, datetime]]:
        """Yield name, size and time of the last writing of every object below a prefix."""
        import obstore

        with self._errors():
            for page in obstore.list(self._store, prefix):
                for one in page:
                    yield one["path"], one["size"], one["last_modified"]

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects; one that is not there stays so."""
        import obstore

        for name in names:
            try:
                with self._errors():
                    obstore.delete(self._store, name)
            except FileNotFoundError:
                continue

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from obstore.exceptions import (
            AlreadyExistsError,
            BaseError,
            NotFoundError,
            PermissionDeniedError,
            UnauthenticatedError,
        )

        try:
            yield
        except AlreadyExistsError:
            raise
        except NotFoundError as error:
            raise FileNotFoundError(_first_line(error)) from None
        except (PermissionDeniedError, UnauthenticatedError):
            raise EnvironmentFailure(
                f"the object store {self.address} refuses the credentials, or there are none",
                remedy="They must allow to list, read, write and delete below this address.",
            ) from None
        except BaseError as error:
            raise EnvironmentFailure(
                f"the object store {self.address} cannot be used: {_first_line(error)}",
                remedy="Try again when it answers; what was committed is there.",
            ) from None


def open_objects(address: str) -> Objects:
    """Return the store at an address.

    Raises:
        InvalidInput: it is not an address of one, or obstore is not installed.
    """
    parts = _split(address, FIELD)
    if parts.scheme not in {"s3", "file"}:
        raise InvalidInput(
            f"{parts.scheme or address!r} is not a kind of store that is understood here",
            remedy="Write s3://BUCKET/PREFIX or file:/FOLDER; unset, the lake is the home's own folder.",
            field=FIELD,
        )
    if find_spec("obstore") is None:
        raise InvalidInput(
            "a lake on objects is read and written by obstore, which is not installed",
            remedy=f"{INSTALL}.",
            field=FIELD,
        )
    if parts.query or parts.fragment or parts.username or parts.password:
        raise InvalidInput(
            "the address has more than a place in it",
            remedy="Write no credentials, ? or # in it; credentials come from the usual chain of AWS.",
            field=FIELD,
        )
    return _open_folder(parts.netloc, parts.path) if parts.scheme == "file" else _open_s3(parts.netloc, parts.path)


def _open_folder(host: str, path: str) -> Objects:
    from obstore.store import LocalStore

    folder = Path(unquote(path))
    if host or not folder.is_absolute() or folder == Path("/"):
        raise InvalidInput("that is not the address of a folder", remedy="Write file:/FOLDER.", field=FIELD)
    try:
        make_folder(folder)
    except OSError as error:
        raise InvalidInput(
            f"the folder {folder} cannot be made: {error.strerror}",
            remedy="Name one that you may write to.",
            field=FIELD,
        ) from None
    return Objects(LocalStore(folder), f"file:{folder}", folder=folder)


def _open_s3(bucket: str, path: str) -> Objects:
    from obstore.store import S3Store

    if not bucket:
        raise InvalidInput("the address names no bucket", remedy="Write s3://BUCKET/PREFIX.", field=FIELD)
    variable = next((name for name in ENDPOINT_VARIABLES if os.environ.get(name)), None)
    options: dict[str, Any] = {}
    if variable is not None:
        # Addresses of other stores name the bucket in the path; their host has no name for each.
        options = {"endpoint": os.environ[variable], "virtual_hosted_style_request": False}
        parts = _split(os.environ[variable], variable)
        if parts.scheme == "http":
            _check_loopback(parts.hostname or "", variable)
            options["client_options"] = {"allow_http": True}
    try:
        store = S3Store(
            bucket,
            prefix=path.strip("/") or None,
            region=_region(),
            credential_provider=_credentials,
            retry_config={"retry_timeout": RETRY_TIMEOUT},
            **options,
        )
    except ValueError as error:  # a prefix with .. in it
        raise InvalidInput(_first_line(error), remedy="Write s3://BUCKET/PREFIX.", field=FIELD) from None
    return Objects(store, f"s3://{bucket}{path.rstrip('/')}")


def _split(address: str, field: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError as error:
        raise InvalidInput(f"that is not an address: {error}", remedy="Correct it.", field=field) from None


def _check_loopback(host: str, variable: str) -> None:
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback:
        raise InvalidInput(f"{host} is asked without encryption", remedy="Write https://.", field=variable)


def _region() -> str:
    from botocore.session import Session

    named = next((os.environ[name] for name in REGION_VARIABLES if os.environ.get(name)), None)
    return named or Session().get_config_variable("region") or "us-east-1"


def _credentials() -> Any:
    """Return the credentials that the chain of AWS leads to: environment, profile, single sign-on, roles, this machine's own."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.session import Session

    remedy = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
    try:
        found = Session().get_credentials()
        frozen = None if found is None else found.get_frozen_credentials()
    except (BotoCoreError, ClientError, RuntimeError) as error:
        raise EnvironmentFailure(f"the AWS credentials cannot be read: {error}", remedy=remedy) from None
    if frozen is None or not frozen.access_key or not frozen.secret_key:
        raise EnvironmentFailure("no AWS credentials were found", remedy=remedy)
    for secret in (frozen.secret_key, frozen.token):
        if secret:
            register_secret(secret)
    return {
        "access_key_id": frozen.access_key,
        "secret_access_key": frozen.secret_key,
        "token": frozen.token,
        "expires_at": datetime.now(UTC) + CREDENTIAL_LIFETIME,
    }


def _first_line(error: object) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0]
