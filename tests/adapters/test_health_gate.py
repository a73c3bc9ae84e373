"""The gate: shut after failures in a row, one trial at a time, opened by an answer."""

import pytest

from adapters import HealthGate
from core.errors import Unavailable


class Clock:
    """Time that passes only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock) -> HealthGate:
    return HealthGate(failures_max=3, pause_seconds=10, clock=clock)


def fail(gate: HealthGate) -> str:
    """One call that fails; the reason that the caller is told."""
    try:
        with gate.passage():
            raise Unavailable("owner_away", fault="no answer")
    except Unavailable as error:
        return str(error.facts["fault"])


def succeed(gate: HealthGate) -> None:
    with gate.passage():
        pass


def test_after_failures_in_a_row_nobody_is_let_through(gate: HealthGate) -> None:
    assert [fail(gate) for _ in range(5)] == ["no answer"] * 3 + ["gate_shut"] * 2
    assert gate.health == "away"
    assert not gate.lets_pass


def test_a_success_in_between_forgives_the_failures(gate: HealthGate) -> None:
    fail(gate)
    fail(gate)
    succeed(gate)
    fail(gate)
    fail(gate)
    assert gate.health == "ok"


def test_after_the_pause_one_may_try_and_the_others_wait(gate: HealthGate, clock: Clock) -> None:
    for _ in range(3):
        fail(gate)
    clock.now += 10
    assert gate.lets_pass
    with gate.passage():
        assert gate.health == "probing"
        assert fail(gate) == "gate_shut"
    assert gate.health == "ok"


def test_a_trial_that_fails_begins_a_new_pause(gate: HealthGate, clock: Clock) -> None:
    for _ in range(3):
        fail(gate)
    clock.now += 10
    assert fail(gate) == "no answer"
    clock.now += 9.9
    assert fail(gate) == "gate_shut"
    clock.now += 0.1
    succeed(gate)
    assert gate.health == "ok"


def test_a_trial_that_is_given_up_is_no_verdict_and_leaves_the_way_free(
    gate: HealthGate, clock: Clock
) -> None:
    for _ in range(3):
        fail(gate)
    clock.now += 10
    with pytest.raises(KeyboardInterrupt), gate.passage():
        raise KeyboardInterrupt
    assert gate.health == "away"
    assert gate.lets_pass


def test_a_call_that_began_before_the_gate_shut_opens_it_when_it_ends_well(gate: HealthGate) -> None:
    with gate.passage():
        for _ in range(3):
            fail(gate)
        assert gate.health == "away"
    assert gate.health == "ok"
