"""What every adapter relies on when it reads what it cannot trust."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ventana.providers.reading import MAX_DEPTH, decoded_json, moment, phone, place, user_id, uuid

TEN = datetime(2025, 11, 22, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("1763805600", TEN),
        (1763805600, TEN),
        (" 1763805600 ", TEN),
        ("1763805600000", TEN),
        ("1763805600123", TEN.replace(microsecond=123000)),
        ("0", None),
        ("-1763805600", None),
        ("9999999999", None),
        ("176380560000000000000000000000", None),
        ("1763805600.5", None),
        ("٣", None),
        ("soon", None),
        ("", None),
        (True, None),
        (None, None),
        ([], None),
    ],
)
def test_moment(value: object, wanted: datetime | None) -> None:
    assert moment(value) == wanted


@pytest.mark.parametrize(
    ("value", "number", "scoped_id"),
    [
        ("5511987650001", "+5511987650001", None),
        ("+5511987650001", "+5511987650001", None),
        ("US.1349000000000000002", None, "US.1349000000000000002"),
        ("US.ENT.1190000000000000004", None, "US.ENT.1190000000000000004"),
        ("us.1349", None, None),
        ("US.", None, None),
        ("US.13-49", None, None),
        ("5511987650001\n", None, None),
        ("٥٥١١٩٨٧", None, None),
        ("Y2FwaV9ncm91cDox", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_phone_and_user_id_are_told_by_their_shape(value: object, number: str | None, scoped_id: str | None) -> None:
    assert (phone(value), user_id(value)) == (number, scoped_id)


def test_only_a_uuid_can_be_an_id_of_ours() -> None:
    ours = "0b6b8f4e-6a3c-4c5e-9b1d-2f6a7c8d9e01"
    assert uuid(ours.upper()) == ours
    assert [uuid(value) for value in ("campaign-7", ours + " ", ours[:-1], ours.replace("-", ""), None, 5)] == [
        None
    ] * 6


def test_place_in_words() -> None:
    assert place({"name": "Taller", "address": "Av. 1", "latitude": 1, "longitude": 2}) == "Taller, Av. 1"
    assert place({"latitude": 0, "longitude": -2.5}) == "0,-2.5"
    assert place({"latitude": 1}) == ""


@pytest.mark.parametrize("deep", [MAX_DEPTH + 1, 900, 100_000])
def test_json_nested_beyond_reason_is_refused(deep: int) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        decoded_json("[" * deep + "]" * deep)


def test_json_that_is_wide_but_not_deep_is_read() -> None:
    assert decoded_json("[" + "{}," * 1000 + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1) + "]")[0] == {}


@pytest.mark.parametrize(
    ("body", "wanted"),
    [(b"1e999", "1e999"), (b"-1e999", "-1e999"), (b"NaN", "NaN"), (b"[-Infinity]", ["-Infinity"]), (b"1.5", 1.5)],
)
def test_numbers_that_json_does_not_know_stay_text(body: bytes, wanted: object) -> None:
    assert decoded_json(body) == wanted


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe\xfd", b"\x00", b"1" * 5000, b'{"a": [1], "a": [2]}', b'{"x": {"a": 1, "a": null}}']
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        decoded_json(body)


def test_name_that_stands_twice_for_the_same_is_read() -> None:
    assert decoded_json(b'{"a": [1], "a": [1]}') == {"a": [1]}
