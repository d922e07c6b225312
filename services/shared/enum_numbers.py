"""Numbers that an enum of the contract does not have: proto3 lets them in, and none means anything
to us. Which fields of a message can hold one is found out once for each type of message."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from services.shared.errors import Invalid, field_invalid

# A field's name, the numbers that it knows where it is an enum, and how its values are reached.
_Field = tuple[str, frozenset[int] | None, bool, bool]


def refuse_unknown_numbers(message: Any) -> None:
    """Raises Invalid, naming the field, where an enum has a number that the contract does not."""
    if _fields(message.DESCRIPTOR):
        for path in _unknown(message, ""):
            raise _refusal(path)


def _refusal(path: str) -> Invalid:
    return field_invalid(path, f"{path} has a number that its enum does not have")


def _unknown(message: Any, prefix: str) -> Iterator[str]:
    """The paths of fields with an unknown number, at any depth."""
    for name, numbers, is_many, is_map in _fields(message.DESCRIPTOR):
        for place, value in _values(message, name, is_many=is_many, is_map=is_map, whole=numbers):
            path = f"{prefix}{name}{place}"
            if numbers is None:
                yield from _unknown(value, f"{path}.")
            elif value not in numbers:
                yield path


def _values(
    message: Any, name: str, *, is_many: bool, is_map: bool, whole: object
) -> Iterator[tuple[str, Any]]:
    """Each value of the field, with its place in it; none of a message that is not set."""
    if is_many:
        found = getattr(message, name)
        values: Sequence[Any] = list(found.values()) if is_map else found
        # A map's keys are the caller's own text, and stay out of the path.
        yield from (("" if is_map else f"[{at}]", value) for at, value in enumerate(values))
    elif whole is not None or message.HasField(name):
        yield "", getattr(message, name)


@cache
def _fields(descriptor: Any) -> Sequence[_Field]:
    """The fields of this type of message in which an enum can be, itself or further down."""
    return tuple(
        (field.name, _numbers(value), field.is_repeated, value is not field)
        for field in descriptor.fields
        for value in (_value_of(field),)
        if value.enum_type is not None or _holds_enum(value.message_type, frozenset())
    )


def _value_of(field: Any) -> Any:
    """The field itself, or of a map the field of its values."""
    kind = field.message_type
    return kind.fields_by_name["value"] if kind and kind.GetOptions().map_entry else field


def _numbers(field: Any) -> frozenset[int] | None:
    by_number: Mapping[int, Any] | None = field.enum_type and field.enum_type.values_by_number
    return None if by_number is None else frozenset(by_number)


def _holds_enum(descriptor: Any, above: frozenset[str]) -> bool:
    # A type may contain itself.
    if descriptor is None or descriptor.full_name in above:
        return False
    above |= {descriptor.full_name}
    return any(
        field.enum_type is not None or _holds_enum(field.message_type, above)
        for field in descriptor.fields
    )
