"""The limits of our exchange positions: a file with the most that we may owe of a currency. A
changed file counts from the next look on; a wrong one changes nothing, and is in the log."""

from collections.abc import Mapping
from pathlib import Path

from services.shared.errors import CannotStart, Invalid
from services.shared.file_version import file_version
from services.shared.log import get_logger
from services.shared.money import SOURCE_CURRENCY, Money, parse_amount
from services.shared.toml_files import read_toml

# The only table of the file: `INR = "25000000.00"`.
TABLE = "maximum_owed"


class ExposureLimitsError(CannotStart):
    """The file of exposure limits is wrong; the message names the key."""


class ExposureLimitsFile:
    """The file as it was when it was last right."""

    def __init__(self, path: Path | None) -> None:
        """Raises ExposureLimitsError. No file means that nothing is limited."""
        self._path = path
        self._version = file_version(path) if path else None
        self.current: Mapping[str, Money] = _read(path) if path else {}

    def reread(self) -> Mapping[str, Money]:
        """The limits, read again where the file has changed."""
        if self._path is None or (version := file_version(self._path)) == self._version:
            return self.current
        self._version = version
        try:
            self.current = _read(self._path)
        except ExposureLimitsError as error:
            get_logger().error("exposure_limits_refused", reason=str(error))
        else:
            get_logger().info("exposure_limits_read", currencies=sorted(self.current))
        return self.current


def _read(path: Path) -> Mapping[str, Money]:
    file = read_toml(path, ExposureLimitsError)
    table = file.get(TABLE)
    if not isinstance(table, dict) or len(file) > 1:
        raise ExposureLimitsError(f"{path.name}: it has one table, [{TABLE}], and nothing else")
    return {currency: _limit(path, currency, text) for currency, text in table.items()}


def _limit(path: Path, currency: str, text: object) -> Money:
    if currency == SOURCE_CURRENCY:
        raise ExposureLimitsError(f"{path.name}: {currency} is not paid out")
    if not isinstance(text, str):
        raise ExposureLimitsError(f'{path.name}: {currency}: write it as text, such as "1000.00"')
    try:
        return parse_amount(text, currency, field=currency)
    except Invalid as error:
        raise ExposureLimitsError(f"{path.name}: {currency}: {error}") from None
