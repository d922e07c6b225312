"""Ids keep their identity outside, and nothing but an id is taken for one."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.shared.ids import decode_id, encode_id, new_id


@given(st.uuids())
def test_id_survives_being_written_and_read(value: UUID) -> None:
    assert decode_id("pay", encode_id("pay", value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        # The valid examples of the TypeID specification.
        ("00000000-0000-0000-0000-000000000000", "00000000000000000000000000"),
        ("00000000-0000-0000-0000-000000000001", "00000000000000000000000001"),
        ("00000000-0000-0000-0000-00000000000a", "0000000000000000000000000a"),
        ("00000000-0000-0000-0000-000000000010", "0000000000000000000000000g"),
        ("00000000-0000-0000-0000-000000000020", "00000000000000000000000010"),
        ("ffffffff-ffff-ffff-ffff-ffffffffffff", "7zzzzzzzzzzzzzzzzzzzzzzzzz"),
        ("0110c853-1d09-52d8-d73e-1194e95b5f19", "0123456789abcdefghjkmnpqrs"),
        ("01890a5d-ac96-774b-bcce-b302099a8057", "01h455vb4pex5vsknk084sn02q"),
    ],
)
def test_id_is_written_as_the_specification_has_it(value: str, text: str) -> None:
    assert encode_id("prefix", UUID(value)) == f"prefix_{text}"


@given(st.uuids(), st.uuids())
def test_texts_sort_as_their_ids(left: UUID, right: UUID) -> None:
    assert (encode_id("pay", left) < encode_id("pay", right)) == (left < right)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pay",
        "pay_",
        "01h455vb4pex5vsknk084sn02q",
        "_01h455vb4pex5vsknk084sn02q",
        "quo_01h455vb4pex5vsknk084sn02q",
        "PAY_01h455vb4pex5vsknk084sn02q",
        "pay_01H455VB4PEX5VSKNK084SN02Q",
        "pay_01h455vb4pex5vsknk084sn02",
        "pay_01h455vb4pex5vsknk084sn02qq",
        "pay_8zzzzzzzzzzzzzzzzzzzzzzzzz",
        "pay_01h455vb4pex5vsknk084sn0iq",
        "pay_01h455vb4pex5vsknk084sn02\n",
        "pay_01h455vb4pex5vsknk084sn02q\n",
        "pay_\uff101h455vb4pex5vsknk084sn02q",
        "pay_01h455vb4pex5vsknk084sn0\ud800q",
        "pay_pay_01h455vb4pex5vsknk084sn02q",
    ],
)
def test_text_that_is_not_an_id_of_the_prefix_decodes_to_none(text: str) -> None:
    assert decode_id("pay", text) is None


@given(st.text(max_size=40))
def test_any_text_is_an_id_or_none(text: str) -> None:
    value = decode_id("pay", f"pay_{text}")

    assert value is None or encode_id("pay", value) == f"pay_{text}"


def test_new_ids_differ_and_sort_by_time() -> None:
    ids = [new_id() for _ in range(100)]

    assert len(set(ids)) == 100
    assert ids == sorted(ids)
    assert {value.version for value in ids} == {7}
