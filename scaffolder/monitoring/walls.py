"""Tell what a wall in front of a server means: who put it up, and what the probe brought to it."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from scaffolder import exchanges
from scaffolder.exchanges import Failure
from scaffolder.monitoring.expectation import Credential, Expectation
from scaffolder.probe import Era, EraReport

NO_CHALLENGE = "its 401 has no challenge (WWW-Authenticate), so no client can find out how to log in"


def is_wall(failure: Failure | None) -> bool:
    """Tell whether credentials are asked for. A 403 in JSON-RPC is the server's own judgement."""
    return failure is not None and (
        failure.status == HTTPStatus.UNAUTHORIZED
        or (failure.status == HTTPStatus.FORBIDDEN and failure.layer is exchanges.Layer.HTTP)
    )


def is_correct(failure: Failure | None) -> bool:
    """Tell whether a wall is the one that a client knows what to do at: 401 with a challenge."""
    return failure is not None and failure.status == HTTPStatus.UNAUTHORIZED and failure.challenge is not None


def stands(reports: Mapping[Era, EraReport]) -> bool:
    """Tell whether nothing but correct walls was met, and one at least."""
    walls = [report.failure for report in reports.values() if is_wall(report.failure)]
    return bool(walls) and all(map(is_correct, walls)) and all(report.failure for report in reports.values())


def may_be_in_front(failure: Failure, expectation: Expectation) -> bool:
    """Tell whether something in front of the server, which lets nobody through, may be what answers.

    It does so without a challenge, and the probe knows of it by what it would have to bring.
    """
    return failure.challenge is None and any(not each.is_personal for each in expectation.credentials)


def wall(failure: Failure, expectation: Expectation, *, authenticated: bool) -> str:
    """Say what the wall asks for, and what the probe brought or lacks."""
    challenge = f", challenge: {failure.challenge}" if failure.challenge else ", without a challenge"
    seen = f"(HTTP {failure.status}{challenge})"
    if absent := lacking(failure, expectation):
        return f"it asks for credentials {seen}, and {_missing(absent)}"
    brought = expectation.brought
    if authenticated and failure.challenge:
        brought = tuple(each for each in brought if each.is_personal) or brought
    if brought and (authenticated or not failure.challenge):
        return f"it refuses the credentials of the probe, {_listed(brought)} {seen}"
    if authenticated:
        return f"it refuses the credentials of the probe {seen}"
    if failure.status == HTTPStatus.FORBIDDEN:
        return f"it lets nobody in {seen}"
    beside = f" beside {_listed(brought)}" if brought else ""
    return f"it asks for credentials, and the probe has none{beside} {seen}"


def forgotten(expectation: Expectation) -> str | None:
    """Say which variables are not set that say who asks; None where none is missing."""
    personal = [each for each in expectation.missing if each.is_personal]
    return _missing(personal) if personal else None


def lacking(failure: Failure, expectation: Expectation) -> Sequence[Credential]:
    """Return what the environment lacks that would open a wall.

    A challenge comes from who wants to know who asks; a wall without one may be that of the platform.
    """
    missing = expectation.missing
    if failure.challenge is not None:
        return [each for each in missing if each.is_personal] or (
            [] if any(each.is_personal for each in expectation.brought) else missing
        )
    return missing


def _missing(credentials: Sequence[Credential]) -> str:
    variables = " and ".join(each.variable for each in credentials)
    headers = " and ".join(f"`{each.header}`" for each in credentials)
    are = "is" if len(credentials) == 1 else "are"
    return f"{variables} {are} not set, which the probe takes {headers} from"


def _listed(credentials: Sequence[Credential]) -> str:
    return " and ".join(map(str, credentials))
