"""The mesh's own tables as ORM classes, so that both store the same rows under the same indexes."""

from sqlalchemy.orm import DeclarativeBase

from services.payments.base import tables


class Base(DeclarativeBase):
    """The base of every class."""

    metadata = tables.metadata
    # Every value that is shown is made here; nothing has to be read back.
    __mapper_args__ = {"eager_defaults": False}


class IdempotencyKey(Base):
    """The first answer under a key."""

    __table__ = tables.idempotency_keys


class Quote(Base):
    """The quote."""

    __table__ = tables.quotes


class Payment(Base):
    """A payment."""

    __table__ = tables.payments


class PaymentEvent(Base):
    """One line of a payment's history."""

    __table__ = tables.payment_events
