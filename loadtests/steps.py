"""What each step of one answer costs, measured from inside: the only load test that does not speak HTTP.

Run by the benchmark as ``python -m loadtests.steps TARGETS_FILE``; prints JSON. What a question does alone is
timed call by call; what questions do together is timed as it is used, so many at once on the real servers.
Medians, in microseconds per question: ``cpu`` is this process's own time, the rest of ``wall`` is waiting.
"""

import asyncio
import json
import random
import statistics
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import uvloop

from core.settings import Settings
from datasets import ShelfAsk, View
from gateway.hub import Hub, open_hub
from gateway.oauth.bearer import Caller, Credentials
from gateway.oauth.tokens import AccessTokens
from gateway.queries.admission import Knock
from gateway.queries.answer import Asked, entry_of, read_question, write_answer
from gateway.queries.door import credentials_of
from gateway.queries.gathering import Material, Question
from gateway.queries.showing import Shown, show
from ledger import Entry
from loadtests.bank import Bank
from loadtests.ground import PARTICIPANT, PURPOSE, Target, read_targets

DATASETS = ("registration", "tax")
ROUNDS_TOGETHER = {1: 40, 16: 20, 64: 10}
"""how many questions at once → how often"""
WARM_UP = 3
REPEATS = 9
PROXY = "127.0.0.1"


class Step(NamedTuple):
    """Everything that one question brings along when it comes to the group steps."""

    question: Question
    entry: Entry


@dataclass
class Bench:
    hub: Hub
    targets: Sequence[Target]
    bank: Bank = field(default_factory=Bank)

    async def measure(self) -> dict[str, object]:
        return {
            "alone": {dataset: await self.alone(dataset) for dataset in DATASETS},
            "together": {dataset: await self.together(dataset) for dataset in DATASETS},
            "proofs": self.proofs(),
        }

    # --- what a question does alone -------------------------------------------------------------------------

    async def alone(self, dataset: str) -> dict[str, float]:
        hub, view = self.hub, self.view(dataset)
        asked, headers = self.asked(self.targets[0], dataset)
        scope = {"client": (PROXY, 1), "headers": headers}
        caller = hub.doorkeeper.who_asks(asked.credentials, "POST", asked.path)
        question = read_question(asked, hub.catalogue)
        shelved = await hub.spine.shelf.ask(ShelfAsk(question.uscc, view.inputs))
        decision_id, at = uuid.uuid4(), hub.clock()

        def cut() -> Shown:
            return show(view, Material(shelved), at, hub.spine.deliveries.known_at)

        shown = cut()
        body = write_answer(view, shown, decision_id, at)
        return {
            "credentials": timed(lambda: credentials_of(scope, dict(headers), PROXY)),
            "who_asks": timed(lambda: hub.doorkeeper.who_asks(asked.credentials, "POST", asked.path)),
            "question": timed(lambda: read_question(asked, hub.catalogue)),
            "rule": timed(lambda: self.view(dataset)),
            "cut_and_write": timed(lambda: write_answer(view, cut(), decision_id, at)),
            "entry": timed(
                lambda: entry_of(body, asked, caller, question, view, shown, None, decision_id, at)
            ),
        }

    def proofs(self) -> dict[str, float]:
        """What is paid once per token, and once per call by those who come with DPoP proofs."""
        hub, path = self.hub, f"/v1/datasets/{DATASETS[0]}/queries"
        token = self.token({"jkt": self.bank.jkt})
        self.bank.nonce = hub.nonces.current if hub.nonces else None
        fresh = iter([self.bank.proof(hub.settings.public_url + path, token) for _ in range(1_600)])

        def with_proof() -> None:
            hub.doorkeeper.who_asks(Credentials(f"DPoP {token}", next(fresh), None), "POST", path)

        def first_seen() -> None:
            AccessTokens(hub.keys, hub.settings.public_url).check(token)

        return {
            "token_first_seen": timed(first_seen, 100),
            "token_known": timed(lambda: hub.tokens.check(token)),
            "proof": timed(with_proof, 150),
        }

    # --- what questions do together -------------------------------------------------------------------------

    async def together(self, dataset: str) -> dict[str, dict[int, dict[str, float]]]:
        """By step and number of questions at once."""
        hub, inputs = self.hub, self.view(dataset).inputs
        knock = Knock(f"rate:{PARTICIPANT}:{dataset}", None)
        steps: dict[str, Callable[[Step], Awaitable[object]]] = {
            "rate": lambda step: hub.admission.admit(knock),
            "read": lambda step: hub.spine.shelf.ask(ShelfAsk(step.question.uscc, inputs)),
            "remember": lambda step: hub.spine.remember.ask(step.entry),
        }
        return {
            name: {
                number: await timed_together(do, self.batches(dataset, number, rounds + WARM_UP))
                for number, rounds in ROUNDS_TOGETHER.items()
            }
            for name, do in steps.items()
        }

    def batches(self, dataset: str, number: int, rounds: int) -> list[list[Step]]:
        return [
            [self.step(target, dataset) for target in random.sample(self.targets, number)]
            for _ in range(rounds)
        ]

    def step(self, target: Target, dataset: str) -> Step:
        asked, _ = self.asked(target, dataset)
        view, question = self.view(dataset), read_question(asked, self.hub.catalogue)
        caller = Caller(PARTICIPANT, PARTICIPANT, "bank", None)
        shown = Shown(range(1, records_max_of(view) + 1), None, None, {})
        entry = entry_of(b"", asked, caller, question, view, shown, None, uuid.uuid4(), self.hub.clock())
        return Step(question, entry)

    # --- the makings ----------------------------------------------------------------------------------------

    def asked(self, target: Target, dataset: str) -> tuple[Asked, list[tuple[bytes, bytes]]]:
        """A question as the door hands it on, and the headers that it came with."""
        token = self.token({"x5t#S256": self.bank.certificate_thumbprint})
        asked = Asked(
            Credentials(f"Bearer {token}", None, self.bank.certificate_thumbprint),
            f"/v1/datasets/{dataset}/queries",
            dataset,
            uuid.uuid4().hex,
            json.dumps(self.bank.question(target)).encode(),
            uuid.uuid4().hex,
        )
        headers = {**self.bank.headers(token), "Host": PROXY, "Idempotency-Key": asked.idempotency_key}
        return asked, [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    def token(self, confirmation: dict[str, str]) -> str:
        return self._issued.setdefault(
            str(confirmation),
            self.hub.tokens.issue(
                client_id=PARTICIPANT,
                participant_id=PARTICIPANT,
                participant_class="bank",
                confirmation=confirmation,
            ),
        )

    _issued: dict[str, str] = field(default_factory=dict)

    def view(self, dataset: str) -> View:
        return self.hub.catalogue.view_for("bank", PURPOSE, dataset)


def records_max_of(view: View) -> int:
    [(_, records_max)] = view.inputs
    return records_max


def timed(step: Callable[[], object], calls: int = 1000) -> float:
    """Processor microseconds of one call: the median of some repeats."""
    step()
    repeats = []
    for _ in range(REPEATS):
        before = time.process_time()
        for _ in range(calls):
            step()
        repeats.append((time.process_time() - before) / calls * 1e6)
    return statistics.median(repeats)


async def timed_together(
    do: Callable[[Step], Awaitable[object]], batches: Sequence[Sequence[Step]]
) -> dict[str, float]:
    wall, cpu = [], []
    for steps in batches:
        started, used = time.perf_counter(), time.process_time()
        await asyncio.gather(*map(do, steps))
        wall.append((time.perf_counter() - started) / len(steps) * 1e6)
        cpu.append((time.process_time() - used) / len(steps) * 1e6)
    return {"wall": statistics.median(wall[WARM_UP:]), "cpu": statistics.median(cpu[WARM_UP:])}


async def main(targets: Path) -> None:
    async with open_hub(Settings()) as hub:
        print(json.dumps(await Bench(hub, read_targets(targets)).measure()))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(sys.argv[1])))
