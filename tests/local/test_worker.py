"""A worker process speaks the Runtime API, under AWS's client and under ours, and no failure of it goes unnoticed."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from infra.local.functions import Function
from infra.local.runtime_api import Invocation
from infra.local.worker import CLIENT
from tests.local.conftest import MakeFunction

CLIENTS = sorted({CLIENT, "infra.local.bootstrap"})


@pytest.fixture(params=CLIENTS)
def function(request: pytest.FixtureRequest, make_function: MakeFunction) -> Function:
    return make_function(timeout=1.0, client=request.param, concurrency=1)


def answer(invocation: Invocation) -> Any:
    assert invocation.error is None
    return json.loads(invocation.answer)


def error(invocation: Invocation) -> dict[str, Any]:
    assert invocation.error is not None
    return invocation.error


def test_the_handler_gets_event_context_and_environment(function: Function) -> None:
    told = answer(function.invoke({"text": "¿Qué tal? 👀"}))
    assert told["event"] == {"text": "¿Qué tal? 👀"}
    assert told["env"] == "¡Hola!"
    assert 0 < told["left"] <= 1000
    assert len(told["id"]) == 36


def test_a_worker_stays_warm(function: Function) -> None:
    assert answer(function.invoke({}))["pid"] == answer(function.invoke({}))["pid"]


def test_an_exception_is_the_outcome_and_the_worker_lives_on(function: Function) -> None:
    pid = answer(function.invoke({}))["pid"]
    raised = error(function.invoke({"raise": "no such thing"}))
    assert (raised["errorType"], raised["errorMessage"]) == ("ValueError", "no such thing")
    assert answer(function.invoke({}))["pid"] == pid


def test_a_worker_that_dies_fails_its_event_and_is_started_again(function: Function) -> None:
    pid = answer(function.invoke({}))["pid"]
    died = error(function.invoke({"die": 3}))
    assert died == {"errorType": "Runtime.ExitError", "errorMessage": "the worker ended with status 3"}
    assert answer(function.invoke({}))["pid"] != pid


def test_a_worker_that_is_killed_between_events_is_started_again(function: Function) -> None:
    pid = answer(function.invoke({}))["pid"]
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.05)
    assert answer(function.invoke({}))["pid"] != pid


def test_a_handler_that_takes_too_long_is_cut_off(function: Function) -> None:
    pid = answer(function.invoke({}))["pid"]
    started = time.monotonic()
    late = error(function.invoke({"sleep": 30}))
    assert late == {"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 1.00 seconds"}
    assert time.monotonic() - started < 5
    assert answer(function.invoke({}))["pid"] != pid


@pytest.mark.parametrize("client", CLIENTS)
def test_a_handler_that_cannot_be_imported_says_so_at_once(make_function: MakeFunction, client: str) -> None:
    function = make_function("import nothing_of_this_name", client=client)
    started = time.monotonic()
    for _ in range(2):
        assert "nothing_of_this_name" in error(function.invoke({}))["errorMessage"]
    assert time.monotonic() - started < 5


def test_more_events_at_once_get_more_workers_up_to_the_limit(make_function: MakeFunction) -> None:
    function = make_function(concurrency=2)
    pids: list[int] = []

    def invoke() -> None:
        pids.append(answer(function.invoke({"sleep": 0.2}))["pid"])

    threads = [threading.Thread(target=invoke) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pids) == 4
    assert len(set(pids)) == 2


def test_workers_beyond_the_first_end_when_they_are_idle(make_function: MakeFunction) -> None:
    function = make_function(concurrency=3, idle=0.4)
    with ThreadPoolExecutor(3) as pool:
        pids = {answer(told)["pid"] for told in pool.map(function.invoke, [{"sleep": 0.4}] * 3)}
    assert len(pids) == 3
    give_up = time.monotonic() + 10
    while len(alive(pids)) > 1 and time.monotonic() < give_up:
        time.sleep(0.05)
    (left,) = alive(pids)
    assert answer(function.invoke({}))["pid"] == left


def alive(pids: set[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_a_function_is_not_given_more_workers_for_short_events(make_function: MakeFunction) -> None:
    function = make_function(concurrency=4)
    function.invoke({})
    with ThreadPoolExecutor(4) as pool:
        pids = {answer(told)["pid"] for told in pool.map(function.invoke, [{}] * 8)}
    assert len(pids) == 1


def test_no_worker_outlives_its_function(make_function: MakeFunction) -> None:
    function = make_function()
    pid = answer(function.invoke({}))["pid"]
    function.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
