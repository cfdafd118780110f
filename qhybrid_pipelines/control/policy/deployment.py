"""Where this process runs: environment, who asks, which ledger, which policy; and what is not safe enough for prod."""

from __future__ import annotations

import getpass
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import urlsplit

from qhybrid_pipelines.core.errors import InvalidInput, Refused

if TYPE_CHECKING:
    from qhybrid_pipelines.core.jobs.circuit_jobs import Capabilities

Environment = Literal["dev", "test", "prod"]

#: Who a launch is that nobody put a name to, for example one from the web page.
ANONYMOUS = "ui-anonymous"

ENVIRONMENT_VARIABLE, PRINCIPAL_VARIABLE = "QHYBRID_ENV", "QHYBRID_PRINCIPAL"
TENANT_VARIABLE = "QHYBRID_TENANT"
LEDGER_URL_VARIABLE, POLICY_VARIABLE = "QHYBRID_LEDGER_URL", "QHYBRID_POLICY"
POLICY_FILE = "policy.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What holds for everything that this process does.

    Attributes:
        principal: who asks, unless a call says otherwise.
        named: the principal was named in QHYBRID_PRINCIPAL; else it is the user of this system.
        ledger_url: of a database server; None is the SQLite file of the home.
        policy_file: None is the built-in policy.
        tenant: who shares a provider's account with others under a name of their own; part of every token.
    """

    environment: Environment = "dev"
    principal: str = ANONYMOUS
    named: bool = False
    ledger_url: str | None = None
    policy_file: Path | None = None
    tenant: str = ""

    @classmethod
    def from_environment(cls, home: Path | None = None, environ: Mapping[str, str] | None = None) -> Deployment:
        """Return what the environment variables say; in prod only if all of it is safe.

        Args:
            home: the home folder; its ``policy.yaml`` counts where QHYBRID_POLICY names no other file.
            environ: the variables; the default is this process's.

        Raises:
            InvalidInput: a variable is wrong, or a setting is not safe enough for prod.
        """
        given = os.environ if environ is None else environ
        environment = given.get(ENVIRONMENT_VARIABLE) or "dev"
        if environment not in get_args(Environment):
            raise InvalidInput(
                f"{environment!r} is not an environment",
                remedy="Set it to dev, test or prod, or remove it for dev.",
                field=ENVIRONMENT_VARIABLE,
            )
        deployment = cls(
            environment=environment,  # type: ignore[arg-type]  # checked above
            principal=given.get(PRINCIPAL_VARIABLE) or _os_user(),
            named=bool(given.get(PRINCIPAL_VARIABLE)),
            ledger_url=given.get(LEDGER_URL_VARIABLE) or None,
            policy_file=_policy_file(given, home),
            tenant=_tenant(given),
        )
        if deployment.environment == "prod":
            _check_settings(deployment, given)
        return deployment

    def check_backend(self, capabilities: Capabilities) -> None:
        """Return if the backend may be used here at all, whatever the policy says.

        Raises:
            Refused: in prod, a backend that cannot tell whether it was paid, or that is not a vendor's.
        """
        if self.environment != "prod":
            return
        backend = capabilities.backend
        for unsafe, problem, remedy in (
            (
                capabilities.dedupe == "none",
                "can neither merge nor look up tokens, so a lost answer may be paid twice",
                "Name a backend whose provider can",
            ),
            (capabilities.mode == "emulator", "is an emulator", "Point its URL at the vendor's service"),
            (backend.startswith("chaos:"), "breaks things on purpose", "Name the backend behind it"),
        ):
            if unsafe:
                raise Refused(
                    f"prod does not use '{backend}': it {problem}. {remedy}, or set {ENVIRONMENT_VARIABLE}=test."
                )


def _tenant(given: Mapping[str, str]) -> str:
    tenant = given.get(TENANT_VARIABLE, "")
    if tenant != tenant.strip() or len(tenant) > 100 or not tenant.isprintable():
        raise InvalidInput(
            "a tenant's name is at most 100 printable characters without spaces around them",
            remedy="Give a short name, and never change it: it is part of what open jobs are found by.",
            field=TENANT_VARIABLE,
        )
    return tenant


def _os_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user often has no name
        return ANONYMOUS


def _policy_file(given: Mapping[str, str], home: Path | None) -> Path | None:
    if named := given.get(POLICY_VARIABLE):
        return Path(named).expanduser()
    if home is not None and (home / POLICY_FILE).is_file():
        return home / POLICY_FILE
    return None


def _check_settings(deployment: Deployment, given: Mapping[str, str]) -> None:
    if deployment.ledger_url is None or not deployment.ledger_url.startswith("postgresql"):
        raise InvalidInput(
            "prod does not keep its ledger in SQLite: one machine's disk would hold the only record of every paid job",
            remedy="Name a Postgres database, postgresql://USER@HOST/NAME.",
            field=LEDGER_URL_VARIABLE,
        )
    if deployment.policy_file is None:
        raise InvalidInput(
            "prod has no policy, and the built-in one allows nothing there",
            remedy=f"Write {POLICY_FILE} into the home folder, or name a file in {POLICY_VARIABLE}; docs/policy.md has an example.",
            field=POLICY_VARIABLE,
        )
    for name, value in sorted(given.items()):
        if name.endswith("_API_URL") and urlsplit(value).scheme != "https":
            raise InvalidInput(
                "prod talks to providers over https only",
                remedy="Use the vendor's https address, or remove the variable.",
                field=name,
            )
        if name.endswith(("_KEY_FILE", "_TOKEN_FILE")):
            _check_secret_file(name, Path(value))


def _check_secret_file(name: str, path: Path) -> None:
    try:
        readable_by_all = bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return  # the adapter says what is wrong when it needs the key
    if readable_by_all:
        raise InvalidInput(
            "everybody on this machine may read the file with the key",
            remedy=f"Remove that permission: chmod o-r {path}.",
            file=str(path),
            field=name,
        )
