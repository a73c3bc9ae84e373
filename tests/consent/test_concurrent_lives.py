"""Several persons, the bank, operators and the worker at one consent at once: its history is a path of the table.

The model is the state table. Each step lets a few actors act at the same time on real PostgreSQL; their events give
the order in which they came, and the model must be able to follow it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from joserfc.jwk import ECKey
from sqlalchemy.ext.asyncio import AsyncConnection

from consent import (
    REVIEWERS,
    Consent,
    ConsentTerms,
    FormFile,
    Said,
    SignedForm,
    add_operator,
    appoint,
    approve,
    due_reminders,
    events_of,
    file_request,
    find_for_enterprise,
    find_form_good,
    forms_of,
    give_up,
    hand_in,
    note_login,
    pause,
    register_participant,
    reject,
    resume,
    revoke,
    revoke_mandate,
    send_form_back,
    set_approvals_needed,
    settle_lapsed,
    settle_used_up,
)
from consent.policies import TRANSITIONS, State, Verb
from core.clock import china_day, now
from core.database import Database, connect_database
from core.errors import Conflict, InvalidInput, Refused
from core.identifiers import new_id
from ledger import Entry, Remembered, remember
from tests.conftest import ENTERPRISE, WORDING, DatabaseUrls, signatory_of

OWNER = signatory_of(ENTERPRISE)
AGENT = replace(OWNER, role="agent", name="钱小满", subject="agent-1")
TERMS = ConsentTerms(ENTERPRISE, "credit_review", ("tax",), 90, 6, 365, "", uses_max_day=4)
KEY = ECKey.generate_key("P-256", {"kid": "test"})
VERBS_OF = {
    "approve": {"approve", "approve_in_part"},
    "reject": {"reject"},
    "revoke": {"revoke"},
    "pause": {"pause"},
    "resume": {"resume"},
    "give_up": {"revoke", "withdraw"},
    "settle": {"use_up"},
    "hand_in": {"hand_in"},
    "find_good": {"approve"},
    "send_back": {"send_back"},
}
ACTS = (
    *(["approve owner", "approve agent", "ask", "ask", "pause owner", "pause agent", "resume owner", "settle"] * 3),
    *(["find_good an-ning", "find_good an-jing"] * 3), "hand_in",
    "send_back an-jing", "reject agent", "revoke owner", "revoke agent", "give_up", "end mandate", "new mandate",
)  # fmt: skip

FORM = ("hand_in",)
REVIEWED_FORM = ("hand_in", "find_good an-ning")


@dataclass
class Office:
    """The database, and one consent under way."""

    database: Database

    async def begin(self, needed: int) -> UUID:
        async with self.database.transaction() as tx:
            await set_approvals_needed(tx, OWNER, needed=needed, at=now())
            filed = await file_request(tx, "test-bank", TERMS, at=now(), through="test-platform")
            return filed.consent_id

    async def mandate(self) -> UUID:
        async with self.database.transaction() as tx:
            made = await appoint(
                tx,
                OWNER,
                agent_subject=AGENT.subject,
                purposes=["credit_review"],
                datasets=["tax"],
                term_days_max=90,
                valid_until=now() + timedelta(days=1),
                key=KEY,
                at=now(),
            )
        return made.mandate_id

    async def act(self, act: str, consent_id: UUID, mandates: list[UUID]) -> object:
        """One actor's step: what came of it, or the error that told it no."""
        verb, _, who = act.partition(" ")
        try:
            if verb == "ask":
                return await self.ask(consent_id)
            if act == "new mandate":
                mandates.append(await self.mandate())
                return None
            async with self.database.transaction() as tx:
                if act == "end mandate":
                    return await revoke_mandate(tx, OWNER, mandates[-1], reason="", at=now())
                if verb == "settle":
                    await settle_lapsed(tx, at=now())
                    await due_reminders(tx, at=now())
                    return await settle_used_up(tx, at=now())
                if verb in ("hand_in", "find_good", "send_back"):
                    return await self.form(tx, verb, who, consent_id)
                if verb == "give_up":
                    return await give_up(tx, "test-bank", consent_id, at=now())
                person = OWNER if who == "owner" else AGENT
                if verb == "approve":
                    return await approve(
                        tx, person, consent_id, wording=WORDING, levels=(), key=KEY, at=now()
                    )
                say = cast(
                    "Callable[..., Awaitable[Consent]]",
                    {"reject": reject, "revoke": revoke, "pause": pause, "resume": resume}[verb],
                )
                return await say(tx, person, consent_id, reason="", at=now())
        except (Conflict, Refused, InvalidInput) as error:
            return error

    async def form(self, tx: AsyncConnection, verb: str, operator_id: str, consent_id: UUID) -> object:
        """The platform's step with a signed form of its own, or an operator's with the newest there is."""
        if verb == "hand_in":
            digest = new_id().bytes * 2
            file = FormFile(b"a form", "image/png", 1, digest)
            said = Said(china_day(now()), "苏州示例精密机械有限公司", "张三丰")
            return await hand_in(tx, "test-platform", consent_id, file, said, levels=(), at=now())
        forms = await forms_of(tx, consent_id)
        if not forms:
            return None
        form_id = forms[0].form_id
        if verb == "send_back":
            return await send_form_back(tx, form_id, operator_id, because="other", note="", at=now())
        return await find_form_good(tx, form_id, operator_id, wording=WORDING, levels=(), key=KEY, at=now())

    async def ask(self, consent_id: UUID) -> Remembered:
        entry = Entry(
            new_id(), now(), "test-bank", ENTERPRISE, "tax", "credit_review", "collected", consent_id,
            str(new_id()), b"d" * 32, None, "view", "{1}", 50, b"s" * 16, b"a" * 32, "r",
        )  # fmt: skip
        async with self.database.hot.acquire() as connection:
            [outcome] = await remember(connection, [entry])
        assert isinstance(outcome, Remembered)
        return outcome


class Lives(RuleBasedStateMachine):
    office: Office
    runner: asyncio.Runner

    @initialize(needed=st.integers(1, 2), before=st.sampled_from([(), FORM, REVIEWED_FORM, REVIEWED_FORM]))
    def ask_for_consent(self, needed: int, before: tuple[str, ...]) -> None:
        """``before``: what happened to the request one after the other, before several act at once."""
        self.consent_id = self.run(self.office.begin(needed))
        self.mandates = [self.run(self.office.mandate())]
        self.state: State = "awaiting"
        self.events_seen = 1
        self.disclosed = 0
        for act in before:
            self.run(self.office.act(act, self.consent_id, self.mandates))
        self.follow_events()

    def run(self, doing: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(doing)

    @rule(acts=st.lists(st.sampled_from(ACTS), min_size=2, max_size=5))
    def several_act_at_once(self, acts: list[str]) -> None:
        self.at_once(acts)

    @rule(
        other=st.sampled_from(
            ["settle", "ask", "approve owner", "reject agent", "give_up", "send_back an-jing"]
        )
    )
    def both_reviewers_meet_somebody(self, other: str) -> None:
        self.at_once(["find_good an-ning", "find_good an-jing", other])

    def at_once(self, acts: list[str]) -> None:
        async def together() -> list[object]:
            return await asyncio.gather(
                *(self.office.act(act, self.consent_id, self.mandates) for act in acts)
            )

        results = self.run(together())
        came = self.follow_events()
        went = [
            act for act, result in zip(acts, results, strict=True)
            if act.split()[0] in ("approve", "reject", "revoke", "pause", "resume") and isinstance(result, Consent)
        ]  # fmt: skip
        for act in went:  # who was told yes is in the history, once
            verb = next(verb for verb in came if verb in VERBS_OF[act.split()[0]])
            came.remove(verb)
        others = {"give_up", "settle", "hand_in", "find_good", "send_back"} & {act.split()[0] for act in acts}
        assert set(came) <= {verb for act in others for verb in VERBS_OF[act]}  # and nobody else is
        asked = [one for one in results if isinstance(one, Remembered)]
        self.disclosed += sum(one.outcome == "disclosed" for one in asked)
        assert self.disclosed <= (TERMS.uses_max_day or 0)

    def follow_events(self) -> list[Verb]:
        """The model goes where the events went; a step that the table does not have fails here."""
        _, events = self.read()
        new = events[self.events_seen :]
        for event in new:
            assert TRANSITIONS[self.state][event.verb] == event.to_state
            self.state = event.to_state
        self.events_seen = len(events)
        return [event.verb for event in new]

    def read(self) -> tuple[Consent, list[Any]]:
        async def both() -> tuple[Consent, list[Any]]:
            async with self.office.database.transaction() as tx:
                found = await find_for_enterprise(tx, ENTERPRISE, self.consent_id)
                return found, list(await events_of(tx, self.consent_id))

        found: tuple[Consent, list[Any]] = self.run(both())
        return found

    @invariant()
    def the_consent_is_where_its_history_leads_and_its_uses_are_the_disclosures(self) -> None:
        if not hasattr(self, "consent_id"):
            return
        consent, _ = self.read()
        assert consent.state == self.state
        assert (consent.uses_spent, consent.spent_that_day) == (self.disclosed, self.disclosed)

    @invariant()
    def a_form_began_it_only_with_two_reviewers_and_no_no(self) -> None:
        if not hasattr(self, "consent_id"):
            return
        _, events = self.read()
        began = [event for event in events if event.verb == "approve"]
        forms = self.run(self.forms())
        by_form = [form for form in forms if len(form.reviews) == REVIEWERS and form.no is None]
        assert len(began) <= 1
        assert [str(form.form_id) for form in by_form] == [
            event.facts["signed_form"] for event in began if event.actor.startswith("operator:")
        ]

    async def forms(self) -> Sequence[SignedForm]:
        async with self.office.database.transaction() as tx:
            return await forms_of(tx, self.consent_id)

    @invariant()
    def nothing_leaves_unless_it_stands(self) -> None:
        if not hasattr(self, "consent_id") or self.state == "active":
            return
        outcome = self.run(self.office.ask(self.consent_id))
        assert (outcome.outcome, outcome.reason) == ("refused", f"consent_{self.state}")


def test_whatever_several_actors_do_at_once_is_a_path_of_the_table(database_urls: DatabaseUrls) -> None:
    async def office() -> Office:
        database = await connect_database(database_urls.app, connections=5)
        async with database.transaction() as tx:
            await register_participant(
                tx, participant_id="test-bank", name="测试银行", participant_class="bank", at=now()
            )
            await register_participant(
                tx, participant_id="test-platform", name="测试平台", participant_class="platform", at=now()
            )
            for operator_id in ("an-ning", "an-jing"):
                await add_operator(tx, operator_id, name=operator_id, role="security_admin", at=now())
            await note_login(tx, AGENT, now())
        return Office(database)

    with asyncio.Runner() as runner:
        Lives.runner, Lives.office = runner, runner.run(office())
        try:
            run_state_machine_as_test(
                Lives,
                settings=settings(
                    max_examples=25,
                    stateful_step_count=15,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(Lives.office.database.close())
