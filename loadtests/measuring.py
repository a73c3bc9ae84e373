"""The course of the benchmark: prepare, ask in rounds, look at the books, count round trips, time the steps."""

import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlencode

import httpx

from loadtests.bank import Bank
from loadtests.books import read_books
from loadtests.ground import (
    MONTHS,
    Ground,
    Running,
    prepared_ground,
    running_hello,
    running_hub,
    write_targets,
)
from loadtests.pgbench import pgbench, version
from loadtests.processor import Watch, memory_mb
from loadtests.report import Report, Series
from loadtests.round_trips import begin_to_count, count_round_trips, load_counter
from loadtests.wrk import Load, ask_hello, ask_questions, ask_tokens

RECORDS = {"registration": 1, "tax": MONTHS}
CONNECTIONS = 192
CROWD = 256
"""more connections than pgbench could have: larger batches, less waiting for the disk"""
HTTP_LOADS: tuple[tuple[str, str, str | None, int], ...] = (
    ("hello", "FastAPI hello-world", None, CONNECTIONS),
    ("registration", "问答 registration", "registration", CONNECTIONS),
    ("tax", "问答 tax", "tax", CONNECTIONS),
    ("hello_crowd", f"FastAPI hello-world，{CROWD} 个连接", None, CROWD),
    ("registration_crowd", f"问答 registration，{CROWD} 个连接", "registration", CROWD),
)
"""name, title, data set, connections: what takes turns in each round"""
SAMPLE = 20
PROOFS_PER_SECOND = 6_000  # more than can be checked
TOKENS_PER_SECOND = 4_000  # more than can be given
TOKEN_CONNECTIONS = 32
WARM_UP_SECONDS = 2
MEMORY_LOAD_SECONDS = 5
MEMORY_SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Size:
    """How often and how long to ask, and after how many calls to look at the memory."""

    rounds: int
    seconds: int
    calls_before_memory: int


@dataclass
class Measuring:
    size: Size
    bank: Bank = field(default_factory=Bank)
    report: Report = field(default_factory=Report)
    answered: int = 0
    """questions that got their data, by the hub or by pgbench"""
    asked_of_hub: int = 0
    hung_up: int = 0
    """connections that wrk closed with a question under way, all loads together"""

    def run(self) -> Report:
        started = time.monotonic()
        _say("准备：合成省份、私有 PostgreSQL（fsync 开）与 Redis、2,000 份授权 / preparing")
        with prepared_ground(self.bank.jwks) as ground:
            self.report.machine = _machine()
            with running_hello(ground) as hello, running_hub(ground) as hub:
                self.check_answers(ground, hub)
                self.warm_up(ground, hub)
                for number in range(1, self.size.rounds + 1):
                    _say(f"第 {number} 轮，共 {self.size.rounds} 轮 / round")
                    self.ask_in_turn(ground, hub, hello)
                _say("DPoP：逐次证明 / a proof per call")
                self.ask_with_proofs(ground, hub)
                self.look_at_memory(ground, hub)
            self.look_at_books(ground)
            _say("数往返 / counting round trips")
            self.count_round_trips(ground)
            _say("各步成本 / cost per step")
            self.time_steps(ground)
        self.report.seconds = time.monotonic() - started
        return self.report

    def check_answers(self, ground: Ground, hub: Running) -> None:
        """That what will be counted are right answers, and that the token opens nothing to others."""
        headers = self.bank.headers(self.bank.token(hub.url))
        with httpx.Client(base_url=hub.url, headers=headers, trust_env=False) as http:
            for number, target in enumerate(ground.targets[:SAMPLE]):
                for dataset, records in RECORDS.items():
                    answer = http.post(
                        f"/v1/datasets/{dataset}/queries",
                        json=self.bank.question(target),
                        headers={"Idempotency-Key": f"sample-{number}-{dataset}"},
                    )
                    right = answer.status_code == 200 and len(answer.json()["records"]) == records
                    self.report.check(right, f"a sampled answer is not right: {dataset} {answer.status_code}")
                    self.answered += right
            stolen = {"Idempotency-Key": "stolen", "X-SSL-Client-Cert": Bank().certificate_header}
            body = self.bank.question(ground.targets[0])
            refused = http.post("/v1/datasets/tax/queries", json=body, headers=stolen)
        self.report.check(refused.status_code == 401, "a token was good with another certificate")

    def warm_up(self, ground: Ground, hub: Running) -> None:
        for dataset in RECORDS:
            self.ask(ground, hub, Series("warm-up"), dataset, WARM_UP_SECONDS)
        self.report.memory["before_mb"] = memory_mb(hub.pid)

    def ask_in_turn(self, ground: Ground, hub: Running, hello: Running) -> None:
        """One round: each load once, close together, so that noise hits all alike."""
        seconds = self.size.seconds
        for name, title, dataset, connections in HTTP_LOADS:
            series = self.series(name, title)
            if dataset is None:
                load = partial(ask_hello, hello.url, connections=connections, seconds=seconds)
                self.watched(series, {"hello": hello.pid}, load)
            else:
                self.ask(ground, hub, series, dataset, seconds, connections=connections)
        self.ask_for_tokens(ground, hub)
        for dataset, records in RECORDS.items():
            series = self.series(f"pgbench_{dataset}", f"pgbench {dataset}")
            outcome = pgbench(
                ground.servers.app_url,
                ground.folder,
                ground.targets,
                dataset=dataset,
                records=records,
                clients=CONNECTIONS,
                seconds=seconds,
            )
            series.per_second.append(outcome.per_second)
            self.answered += outcome.calls

    def ask_for_tokens(self, ground: Ground, hub: Running) -> None:
        """A fresh assertion for each token, signed beforehand; bound to the certificate."""
        seconds, servers = self.size.seconds, ground.servers
        forms = [urlencode(self.bank.token_form(hub.url)) for _ in range(seconds * TOKENS_PER_SECOND)]
        headers = {
            "X-SSL-Client-Cert": self.bank.certificate_header,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        series = self.series("tokens", "令牌 tokens (client_credentials)")
        load = self.watched(
            series,
            {"hub": hub.pid, "postgresql": servers.postgres_pid, "redis": servers.redis_pid},
            lambda: ask_tokens(
                hub.url,
                headers,
                forms,
                folder=ground.folder,
                connections=TOKEN_CONNECTIONS,
                seconds=seconds,
            ),
        )
        self.report.check(load.refused == 0, f"{series.title}: {load.refused} answers were not 200")

    def ask_with_proofs(self, ground: Ground, hub: Running) -> None:
        """A fresh proof for each call, signed beforehand: they live a minute."""
        token = self.bank.token(hub.url, with_proof=True)
        url = f"{hub.url}/v1/datasets/registration/queries"
        proofs = [self.bank.proof(url, token) for _ in range(self.size.seconds * PROOFS_PER_SECOND)]
        series = self.series("registration_dpop", "问答 registration, DPoP")
        headers = {"Authorization": f"DPoP {token}", "Content-Type": "application/json"}
        self.ask(ground, hub, series, "registration", self.size.seconds, headers, proofs)

    def look_at_memory(self, ground: Ground, hub: Running) -> None:
        """After enough calls of this one process."""
        until = time.monotonic() + MEMORY_SECONDS_MAX
        while self.asked_of_hub < self.size.calls_before_memory and time.monotonic() < until:
            self.ask(ground, hub, Series("memory"), "registration", MEMORY_LOAD_SECONDS)
        self.report.memory |= {"after_mb": memory_mb(hub.pid), "calls": self.asked_of_hub}

    def look_at_books(self, ground: Ground) -> None:
        """Every answer that came has its record; those under way when wrk hung up may have one as well."""
        books = asyncio.run(read_books(ground.servers.owner_url))
        unheard, most = books.disclosures - self.answered, self.hung_up
        self.report.books = {
            **books._asdict(),
            "answers": self.answered,
            "unheard": unheard,
            "unheard_most": most,
        }
        self.report.check(books.agree, f"the books do not agree: {books}")
        self.report.check(
            0 <= unheard <= most, f"{self.answered} answers came, {books.disclosures} are recorded"
        )

    def count_round_trips(self, ground: Ground) -> None:
        servers = ground.servers
        asyncio.run(load_counter(servers.superuser_url))
        ground.restart_servers()
        urls = servers.superuser_url, servers.redis_url
        with running_hub(ground) as hub:
            self.ask(ground, hub, Series("warm-up"), "registration", WARM_UP_SECONDS)
            headers = self.bank.headers(self.bank.token(hub.url))
            asyncio.run(begin_to_count(*urls))
            self.ask(ground, hub, Series("counted"), "registration", self.size.seconds, headers)
            counted = asyncio.run(count_round_trips(*urls))
        self.report.round_trips = counted._asdict()
        self.report.check(counted.within_budget, f"the hub spoke outside of its batches: {counted}")

    def time_steps(self, ground: Ground) -> None:
        targets = ground.folder / "targets"
        write_targets(ground.targets, targets)
        servers = {"HUB_DATABASE_URL": ground.servers.app_url, "HUB_REDIS_URL": ground.servers.redis_url}
        self.report.steps = json.loads(ground.run("loadtests.steps", str(targets), **servers))

    def series(self, name: str, title: str) -> Series:
        return self.report.series.setdefault(name, Series(title))

    def ask(
        self,
        ground: Ground,
        hub: Running,
        series: Series,
        dataset: str,
        seconds: int,
        headers: dict[str, str] | None = None,
        proofs: Sequence[str] = (),
        connections: int = CONNECTIONS,
    ) -> None:
        """One load of questions; without ``headers``, with a fresh token bound to the certificate."""
        headers = headers or self.bank.headers(self.bank.token(hub.url))
        servers = ground.servers
        load = self.watched(
            series,
            {"hub": hub.pid, "postgresql": servers.postgres_pid, "redis": servers.redis_pid},
            lambda: ask_questions(
                hub.url,
                dataset,
                headers,
                ground.targets,
                folder=ground.folder,
                connections=connections,
                seconds=seconds,
                proofs=proofs,
            ),
        )
        self.answered += load.completed - load.refused
        self.asked_of_hub += load.completed
        self.hung_up += connections
        self.report.check(load.refused == 0, f"{series.title}: {load.refused} answers were not 200")
        self.report.check(load.socket_errors == 0, f"{series.title}: {load.socket_errors} connections broke")

    def watched(self, series: Series, parts: Mapping[str, int | None], load: Callable[[], Load]) -> Load:
        """Carry out a load and enter it into its series."""
        watch = Watch(parts)
        found = load()
        used = watch.used()
        series.per_second.append(found.per_second)
        series.p50_ms.append(found.p50_ms)
        series.p99_ms.append(found.p99_ms)
        series.strangers.append(used.by_strangers / used.elapsed)
        for part, seconds in used.by_part.items():
            series.processor_us.setdefault(part, []).append(seconds / max(1, found.completed) * 1e6)
        return found


def _machine() -> dict[str, str]:
    return {
        "processors": str(os.cpu_count()),
        "python": platform.python_version(),
        "postgresql": f"{version()}, fsync on",
        "connections": str(CONNECTIONS),
    }


def _say(text: str) -> None:
    print(f"• {text}", file=sys.stderr, flush=True)
