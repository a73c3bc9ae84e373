"""Locust scenarios: BankUser, EnterpriseUser, or both. `python -m loadtests` starts them with what they need.

A bank that meets no enterprise of the simulation lets one of its own making approve; an enterprise without a bank
has one file its requests. So each scenario also runs alone.
"""

from collections import Counter
from functools import partial
from typing import Any

from locust import User, between, events, task
from locust.env import Environment

from loadtests import bank_desk, enterprise_desk
from loadtests.bank_desk import BankDesk
from loadtests.enterprise_desk import EnterpriseDesk
from loadtests.market import Market, open_market
from loadtests.measured import attempt

markets: list[Market] = []
"""one, opened when the test starts"""


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def open_shop(environment: Environment, **_: Any) -> None:
    markets[:] = [open_market()]


@events.quitting.add_listener  # type: ignore[untyped-decorator]
def say_what_was_tried(environment: Environment, **_: Any) -> None:
    states = Counter(consent.state for market in markets for consent in market.consents)
    refused = sum(market.refused_after_revocation for market in markets)
    print(
        f"授权 consents {dict(states)}；撤回后的查询均被拒绝 refused after a revocation: {refused}",
        flush=True,
    )


class BankUser(User):
    weight = 3
    wait_time = between(0.02, 0.2)

    def on_start(self) -> None:
        [self.market] = markets
        self.desk = BankDesk(self.environment, self.market)
        self.obtain_consent()

    @task(20)
    def ask(self) -> None:
        consent = self.market.some("active")
        if consent is not None:
            self._attempt("ask", partial(self.desk.ask, consent))
        elif self.market.some("awaiting") is None:
            self.obtain_consent()

    @task(2)
    def ask_after_revocation(self) -> None:
        consent = self.market.some("revoked")
        if consent is not None:
            self._attempt("ask after revocation", partial(self.desk.ask, consent))

    @task(4)
    def poll(self) -> None:
        consent = self.market.some("awaiting") or self.market.some("active") or self.market.some("revoked")
        if consent is not None:
            self._attempt("poll", partial(self.desk.poll, consent))

    @task(2)
    def obtain_consent(self) -> None:
        self._attempt("obtain consent", self._obtain_consent)

    @task(1)
    def renew_token(self) -> None:
        self._attempt("renew token", self.desk.renew_token)

    @task(1)
    def read_usage(self) -> None:
        self._attempt("read usage", self.desk.read_usage)

    def _obtain_consent(self) -> None:
        consent = self.desk.file_request(self.market.whom_to_ask_for_consent())
        if consent.uscc not in self.market.staffed:
            enterprise = next(one for one in self.market.enterprises if one["uscc"] == consent.uscc)
            desk = EnterpriseDesk(self.environment, self.market, enterprise)
            desk.log_in()
            desk.approve(consent)

    def _attempt(self, what: str, act: Any) -> None:
        attempt(self.environment, bank_desk.WHO, what, act)


class EnterpriseUser(User):
    weight = 1
    wait_time = between(0.2, 1.0)

    def on_start(self) -> None:
        [self.market] = markets
        self.desk = EnterpriseDesk(self.environment, self.market, self.market.next_enterprise())
        if self._attempt("log in", self.desk.log_in):
            self.market.staffed.add(self.desk.uscc)

    @task(4)
    def read_inbox(self) -> None:
        if self.market.some("awaiting", self.desk.uscc) is None:
            self._want_a_request()
        self._attempt("read inbox", self.desk.read_inbox)

    @task(3)
    def look_who_looked(self) -> None:
        self._attempt("look who looked", self.desk.look_who_looked)

    @task(1)
    def revoke(self) -> None:
        consent = self.market.some("active", self.desk.uscc)
        if consent is not None:
            self._attempt("revoke", partial(self.desk.revoke, consent))

    @task(1)
    def log_in_again(self) -> None:
        self._attempt("log in", self.desk.log_in)

    def _want_a_request(self) -> None:
        """Banks will see to it; where there are none, one comes for this."""
        if BankUser in self.environment.user_classes:
            self.market.wanting.append(self.desk.uscc)
        else:
            desk = BankDesk(self.environment, self.market)
            attempt(
                self.environment, bank_desk.WHO, "file request", partial(desk.file_request, self.desk.uscc)
            )

    def _attempt(self, what: str, act: Any) -> bool:
        return attempt(self.environment, enterprise_desk.WHO, what, act)
