"""A list: its call, its filters and its columns, and the columns that several have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.console.fields import Field
from gateway.console.tables import Column


@dataclass(frozen=True)
class Listing:
    """A list of records."""

    path: str
    title: str
    lead: str
    # The call, the field of its answer, and the fields of its request that are always the same.
    call: str
    items: str
    columns: Sequence[Column]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    filters: Sequence[Field] = ()
    # Verbs for each record, and for the list as a whole, by their names.
    row_verbs: Sequence[str] = ()
    page_verbs: Sequence[str] = ()
    # Other names of fields, by which verbs name their subject.
    also: Mapping[str, str] = field(default_factory=dict)
    # Read again as payments change.
    is_live: bool = False
    # Answers all of its records at once.
    is_whole: bool = False


MERCHANT = Field("merchant_id", "Merchant")
PAYMENT = Column("Payment", "transaction_id", "code", link="/payments/{transaction_id}")
OF_MERCHANT = Column("Merchant", "merchant_id", "code", link="/merchants/{merchant_id}/keys")
