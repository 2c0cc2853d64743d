"""What the bench says about correctness, in small: the part works, and what must hold for us holds."""

from __future__ import annotations

import pytest

from tests.benchmarks.correctness import Load, check
from tests.benchmarks.peer_servers import HAND_ROLLED, OURS, PeersMissing, prepare_environment


@pytest.mark.slow
def test_what_is_acknowledged_is_stored_once_and_nothing_forged_is() -> None:
    try:
        prepare_environment(offline=True)
    except PeersMissing as reason:
        pytest.skip(f"{reason} (`make bench PARTS=correctness` makes it, and asks the package index)")

    rows = check([OURS, HAND_ROLLED], Load(seconds=1.0, settle_seconds=0.1))

    values = {row.name: row.value for row in rows}
    ours = {name.removeprefix("ventana: "): value for name, value in values.items() if name.startswith("ventana: ")}
    assert len(values) == 2 * len(ours)  # the peer was asked the same
    assert min(value for name, value in values.items() if "acknowledged around" in name) > 0
    assert {name: value for name, value in ours.items() if "around kill" not in name} == {
        "forged POSTs that were stored": 0,
        "messages stored twice, of one that was sent twice": 0,
        "messages stored, of 3 in one POST": 3,
        "good messages stored, of 2 around a malformed one": 2,
        "status of a message that is not known: answered 2xx": 1,
        "acknowledged and lost, kill -9 of the process": 0,
        "acknowledged and lost, kill -9 of Postgres": 0,
    }
    assert all(row.holds for row in rows)
