"""Where rates come from: a file each, behind ports.RateSource, and the table of all. Corridors name
their sources by its words; a source is opened, and its variables are read, only where one does."""

from collections.abc import Mapping

from services.fx.sources.ecb import EcbSource
from services.fx.sources.kit import Registration
from services.fx.sources.synthetic import SyntheticSource

# A new source is a file and a row.
SOURCES: Mapping[str, Registration] = {
    "ecb": Registration(open=EcbSource),
    "synthetic": Registration(open=SyntheticSource),
}
