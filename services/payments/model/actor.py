"""The actor of an event in a payment's history, as text: `worker`, `merchant`, `provider:<name>` or
`operator:<name>`."""

MERCHANT = "merchant"
_OPERATOR = "operator:"


def provider_actor(provider: str) -> str:
    """The actor of what a provider states by itself."""
    return f"provider:{provider}"


def operator_actor(name: str) -> str:
    """The actor of what an operator states or does."""
    return f"{_OPERATOR}{name}"


def is_operator(actor: str) -> bool:
    """Whether it is one of our own people."""
    return actor.startswith(_OPERATOR)


def is_person(actor: str) -> bool:
    """Whether somebody asked for it: the merchant, or an operator."""
    return actor == MERCHANT or is_operator(actor)
