"""The command line: ``python -m gateway COMMAND --help``.

Without HUB_DATABASE_URL and HUB_REDIS_URL each command uses the hub's private servers under ``var/``: it starts
them when nobody did, and the last command to end stops them.
"""

import asyncio
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import asyncpg
import typer
from pydantic import ValidationError

from adapters import exchange_keys
from core.database import connect_database
from core.errors import HubError, InvalidInput
from core.identifiers import parse_uscc
from core.keys import USES
from core.log import configure_log
from core.private_servers import private_servers
from core.settings import Settings
from datasets import PART_SEPARATOR, deliverable, load_catalogue, record_layout, reference_text
from gateway.console import commands as operators
from gateway.decisions import commands as decisions
from gateway.demo import play_demo
from gateway.enrolment import enrol
from gateway.intake import IntakeErrand, export_corrections, ingest_files
from gateway.marks import MarkErrand, Marking, mark
from gateway.notices import commands as telling
from gateway.oauth import commands as signing
from gateway.serve import serve as serve_http
from gateway.worker import work
from migrations.upgrade import newest_revision, upgrade

By = Annotated[str, typer.Option("--by", help="who does it; goes into the history")]
ByOperator = Annotated[str, typer.Option("--by", help="operator who does it; goes into the history")]
Code = Annotated[
    str,
    typer.Option(
        "--code",
        prompt="登录码",
        hide_input=True,
        help="one-time code of that operator; asked for if not given",
    ),
]
Reason = Annotated[str, typer.Option("--reason", help="why; goes into the history")]

cli = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="信易枢纽 Xinyi Hub"
)

rules = typer.Typer(
    no_args_is_help=True, help="共享规则：起草、批准、启用、重演。Sharing rules, one version after the other."
)
cli.add_typer(rules, name="rules")

contracts = typer.Typer(
    no_args_is_help=True, help="用过的合同各版。Every contract version that a hub here has worked with."
)
cli.add_typer(contracts, name="contracts")

operator = typer.Typer(
    no_args_is_help=True, help="控制台的操作员（三员）。Operators of the console: three roles, kept apart."
)
cli.add_typer(operator, name="operator")

keys = typer.Typer(
    no_args_is_help=True, help="签名密钥：查看、轮换。The hub's signing keys; rotating them stops nothing."
)
cli.add_typer(keys, name="keys")

webhook = typer.Typer(
    no_args_is_help=True, help="把授权的变化发往哪里。Where banks are told what becomes of their consents."
)
cli.add_typer(webhook, name="webhook")

notices = typer.Typer(no_args_is_help=True, help="三天内没有送达的通知。Notices that could not be delivered.")
cli.add_typer(notices, name="notices")


def main() -> None:
    """Run a command; an expected failure is one line on standard error and exit code 1."""
    signal.signal(signal.SIGTERM, _leave)  # so that the private servers are left in order
    try:
        cli()
    except ValidationError as error:
        for fault in error.errors():
            name = "HUB_" + "_".join(str(part) for part in fault["loc"]).upper()
            print(f"setting {name}: {fault['msg']}", file=sys.stderr)
        sys.exit(2)
    except HubError as error:
        print(f"{error.reason}: {error}", file=sys.stderr)
        for name, fact in error.facts.items():
            print(f"  {name}: {fact}", file=sys.stderr)
        sys.exit(1)


def _leave(*_: object) -> None:
    sys.exit(128 + signal.SIGTERM)


@contextmanager
def settings_with_servers() -> Iterator[Settings]:
    """The settings, with the addresses of the private servers where none are given."""
    settings = Settings()
    if settings.database_url is not None and settings.redis_url is not None:
        yield settings.model_copy(
            update={"owner_database_url": settings.owner_database_url or settings.database_url}
        )
        return
    with private_servers(settings.var_dir) as private:
        urls = {"redis_url": settings.redis_url or private.redis_url}
        if settings.database_url is None:
            urls |= {"database_url": private.app_url, "owner_database_url": private.owner_url}
        yield settings.model_copy(update=urls)


def _is_private(settings: Settings) -> bool:
    return Settings().database_url is None and settings.database_url is not None


def _migrate_or_check(settings: Settings) -> None:
    """A private database is kept up to date by itself; of yours it is only checked that it is."""
    assert settings.database_url is not None
    if _is_private(settings):
        assert settings.owner_database_url is not None
        asyncio.run(upgrade(settings.owner_database_url, record_layout(load_catalogue().contracts)))
    else:
        asyncio.run(_check_revision(settings.database_url))


def _keep_contracts(settings: Settings) -> None:
    """Before anything is answered or taken in by them; one that was changed under its old version is told here."""
    assert settings.database_url is not None
    asyncio.run(decisions.keep_contracts(settings.database_url))


async def _check_revision(url: str) -> None:
    database = await connect_database(url, connections=2)
    try:
        found = await database.hot.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        found = None
    finally:
        await database.close()
    if found != newest_revision():
        raise InvalidInput(
            "not_migrated", "the database is not at the newest shape: run `python -m gateway migrate`"
        )


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="address to listen on [HUB_HOST]")] = None,
    port: Annotated[int | None, typer.Option(help="port of the ordinary listener [HUB_PORT]")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="processes")] = 1,
) -> None:
    """Serve banks and enterprises over HTTP."""
    with ready_settings() as settings:
        _keep_contracts(settings)
        exchange_keys(settings.owners)  # a key that cannot be read is told here, in one line
        given = {"host": host, "port": port}
        settings = settings.model_copy(
            update={name: value for name, value in given.items() if value is not None}
        )
        serve_http(settings, workers=workers)


@cli.command()
def worker() -> None:
    """Do what must happen without anybody asking: end what has expired, prepare partitions, tidy up."""
    with settings_with_servers() as settings:
        configure_log(form=settings.log_format, level=settings.log_level)
        _migrate_or_check(settings)
        _keep_contracts(settings)
        asyncio.run(work(settings))


@cli.command()
def migrate() -> None:
    """Bring the database to the newest shape, as its owner (HUB_OWNER_DATABASE_URL)."""
    with settings_with_servers() as settings:
        assert settings.owner_database_url is not None
        asyncio.run(upgrade(settings.owner_database_url, record_layout(load_catalogue().contracts)))
        print(f"database is at revision {newest_revision()}")
        _keep_contracts(settings)  # told before anything is restarted


@cli.command()
def ingest(
    dataset: Annotated[str, typer.Argument(help="data set, as in datasets/contracts/")],
    files: Annotated[
        list[Path],
        typer.Argument(
            exists=True, dir_okay=False, readable=True, help="CSV, XLSX or JSON Lines, plain or gzip"
        ),
    ],
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="day for which the owner drew the files [today]"),
    ] = None,
    corrects: Annotated[
        int | None, typer.Option("--corrects", help="the file is a corrected correction file of this intake")
    ] = None,
    withdraws: Annotated[
        bool, typer.Option("--withdraws", help="the rows name records that their owner takes back")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bar")] = False,
) -> None:
    """Take in files of a data set; dirty rows go to quarantine with their reasons, nothing is lost."""
    contract = deliverable(load_catalogue().contracts, dataset)
    errand = IntakeErrand(contract, as_of.date() if as_of else None, corrects, withdraws)
    with ready_settings() as settings:
        assert settings.database_url is not None
        _keep_contracts(settings)
        asyncio.run(ingest_files(settings.database_url, errand, files, quiet=quiet))


@cli.command()
def corrections(
    intake_id: Annotated[int, typer.Argument(help="number of the intake")],
    out: Annotated[Path, typer.Option("--out", "-o", dir_okay=False, help="CSV file to write")],
) -> None:
    """Write the quarantined rows of an intake as a file for their owner to correct and return."""
    contracts = load_catalogue().contracts
    with database_url() as url:
        rows = asyncio.run(export_corrections(url, contracts, intake_id, out))
    print(f"{out}: 疑问 {rows} 行，改好后用 ingest … --corrects {intake_id} 交回")


@cli.command("mark")
def mark_command(
    dataset: Annotated[str, typer.Argument(help="data set, as in datasets/contracts/")],
    marking: Annotated[Marking, typer.Argument(help="what to say of the records; none takes a mark away")],
    by: By,
    reason: Reason,
    part: Annotated[
        list[str] | None,
        typer.Option(help="one record, e.g. 2026-10; repeat where a part has several fields"),
    ] = None,
    uscc: Annotated[str, typer.Option(prompt="统一社会信用代码", help="asked for if not given")] = "",
) -> None:
    """Mark records of an enterprise as disputed or withheld, at once, or withdraw them."""
    contract = deliverable(load_catalogue().contracts, dataset)
    key = PART_SEPARATOR.join(part) if part else None
    errand = MarkErrand(contract.id, parse_uscc(uscc), key, marking, by, reason)
    with database_url() as url:
        print(f"{dataset}: {marking.value}，{asyncio.run(mark(url, errand))} 条记录")


@cli.command()
def participant(
    participant_id: Annotated[str, typer.Argument(help="short name, a-z 0-9 and -")],
    name: Annotated[str, typer.Option(help="name that enterprises read")],
    jwks: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="public keys, RFC 7517")],
    participant_class: Annotated[str, typer.Option("--class", help="bank or platform")] = "bank",
    client_id: Annotated[str | None, typer.Option(help="OAuth client [participant_id]")] = None,
    redirect_uri: Annotated[
        list[str] | None,
        typer.Option(
            help="where browsers are sent back to, exactly; repeat for several, none given: unchanged"
        ),
    ] = None,
    notification_url: Annotated[
        str | None, typer.Option(help="where CIBA pings go; not given: unchanged, empty: none")
    ] = None,
) -> None:
    """Enter a bank or platform with the public keys and addresses of its OAuth client, or change them."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{1,62}", participant_id):
        raise InvalidInput("participant_id", "2 to 63 characters of a-z, 0-9 and -")
    if participant_class not in ("bank", "platform"):
        raise InvalidInput("participant_class", "a participant is a bank or a platform")
    with settings_with_servers() as settings:
        _migrate_or_check(settings)
        assert settings.database_url is not None
        client_id = client_id or participant_id
        asyncio.run(
            enrol(
                settings.database_url,
                participant_id=participant_id,
                name=name,
                participant_class=participant_class,
                client_id=client_id,
                jwks=jwks,
                redirect_uris=redirect_uri or None,
                notification_url=notification_url,
            )
        )
        print(f"participant {participant_id} may ask as client {client_id}")


@contextmanager
def ready_settings() -> Iterator[Settings]:
    """The settings of a command that works on a database, which is at the newest shape."""
    with settings_with_servers() as settings:
        _migrate_or_check(settings)
        yield settings


@contextmanager
def database_url() -> Iterator[str]:
    """The address of that database."""
    with ready_settings() as settings:
        assert settings.database_url is not None
        yield settings.database_url


RuleSetId = Annotated[str, typer.Argument(help="id of the rule set, as in `rules list`")]
RuleFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="TOML file")]
AsJson = Annotated[bool, typer.Option("--json", help="everything, for machines")]


@rules.command("list")
def list_rules() -> None:
    """Every rule set and how far it has come."""
    with database_url() as url:
        asyncio.run(decisions.show_all(url))


@rules.command("show")
def show_rules(rule_set_id: RuleSetId) -> None:
    """What was done with a rule set, and how it differs from the active one."""
    with database_url() as url:
        asyncio.run(decisions.show(url, rule_set_id))


@rules.command("check")
def check_rules(file: RuleFile) -> None:
    """Say whether a rule file can be drafted, or which rule contradicts which. Needs no database."""
    decisions.check(file)


@rules.command("draft")
def draft_rules(file: RuleFile, by: ByOperator, code: Code) -> None:
    """Put a rule file beside the others, without effect. Its text never changes after that."""
    with ready_settings() as settings:
        asyncio.run(decisions.draft(settings, file, by=operators.Signed(by, code)))


@rules.command("replay")
def replay_rules(
    rule_set_id: RuleSetId,
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="first day, China's time")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="last day, included")],
    as_json: AsJson = False,
) -> None:
    """Show what a rule set would have changed about recorded questions: by bank, data set and field."""
    with database_url() as url:
        asyncio.run(decisions.replay(url, rule_set_id, first.date(), last.date(), as_json=as_json))


@rules.command("approve")
def approve_rules(rule_set_id: RuleSetId, by: ByOperator, code: Code, reason: Reason = "") -> None:
    """Approve a draft: another operator than its drafter."""
    _act_on_rules("approve", rule_set_id, operators.Signed(by, code), reason)


@rules.command("activate")
def activate_rules(rule_set_id: RuleSetId, by: ByOperator, code: Code, reason: Reason = "") -> None:
    """Let an approved rule set decide from now on; running hubs take it up within seconds."""
    _act_on_rules("activate", rule_set_id, operators.Signed(by, code), reason)


@rules.command("withdraw")
def withdraw_rules(rule_set_id: RuleSetId, by: ByOperator, code: Code, reason: Reason) -> None:
    """Give up a draft, or an approved rule set that was never active."""
    _act_on_rules("withdraw", rule_set_id, operators.Signed(by, code), reason)


def _act_on_rules(act: decisions.Act, rule_set_id: str, by: operators.Signed, reason: str) -> None:
    with ready_settings() as settings:
        asyncio.run(decisions.act(settings, act, rule_set_id, by=by, reason=reason))


@contracts.command("list")
def list_contracts() -> None:
    """Every version of every contract, and since when it is in use."""
    with database_url() as url:
        asyncio.run(decisions.show_contracts(url))


@contracts.command("show")
def show_contract(
    dataset: Annotated[str, typer.Argument(help="data set")],
    version: Annotated[int, typer.Argument(help="as in `contracts list`")],
) -> None:
    """Print the text of one version, as it was in use."""
    with database_url() as url:
        asyncio.run(decisions.show_contract(url, dataset, version))


OperatorId = Annotated[str, typer.Argument(help="a-z, 0-9 and -; belongs to one person for ever")]


@operator.command("add")
def add_operator(
    operator_id: OperatorId,
    name: Annotated[str, typer.Option(help="name that the history shows")],
    role: Annotated[str, typer.Option(help="system_admin, security_admin or audit_admin")],
) -> None:
    """Let a person work at the console, in one role."""
    with ready_settings() as settings:
        asyncio.run(operators.add(settings, operator_id, name=name, role=role))


@operator.command("code")
def issue_code(operator_id: OperatorId) -> None:
    """Print a code that logs an operator in, once, within 5 minutes. Hand it over in person."""
    with ready_settings() as settings:
        asyncio.run(operators.code(settings, operator_id))


@operator.command("close")
def close_operator(operator_id: OperatorId) -> None:
    """End an operator's work at the next click. The history stays."""
    with ready_settings() as settings:
        asyncio.run(operators.close(settings, operator_id))


@operator.command("list")
def list_operators() -> None:
    """Every operator there is or was."""
    with ready_settings() as settings:
        asyncio.run(operators.show_all(settings))


KeyUse = Annotated[str, typer.Argument(help="tokens, artefacts, login, sm2, or all")]


@keys.command("list")
def list_keys() -> None:
    """Every signing key: which signs now, which comes next, which old ones still check signatures."""
    signing.show_keys(Settings().var_dir / "keys")


@keys.command("rotate")
def rotate_keys(
    use: KeyUse,
    distrust: Annotated[
        bool, typer.Option("--distrust", help="the keys have become known: void at once what they signed")
    ] = False,
) -> None:
    """Let the next key sign from 10 seconds on. Running hubs notice; what the old key signed stays valid."""
    uses = tuple(one for one in USES if use in (one, "all"))
    if not uses:
        raise InvalidInput("key_use", f"keys are for one of {', '.join(USES)}, or all")
    signing.rotate_keys(Settings().var_dir / "keys", uses, distrust=distrust)


@cli.command("verify-consent")
def verify_consent(
    file: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="the signed consent: the JWS, or its JSON form"),
    ],
    jwks: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="a copy of the hub's /jwks [the keys under HUB_VAR_DIR]"
        ),
    ] = None,
    sm2_jwks: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="a copy of the hub's /jwks/sm2, for the second signature"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a signed consent, offline, and print what was agreed."""
    signing.verify(file, jwks=jwks, sm2_jwks=sm2_jwks, keys=Settings().var_dir / "keys", as_json=as_json)


ParticipantId = Annotated[str, typer.Argument(help="the bank or platform")]


@webhook.command("set")
def set_webhook(
    participant_id: ParticipantId,
    url: Annotated[str, typer.Argument(help="https address of the receiver")],
) -> None:
    """Send a bank's notices there from now on, and print the secret by which it checks them."""
    with ready_settings() as settings:
        asyncio.run(telling.register(settings, participant_id, url))


@webhook.command("secret")
def renew_webhook_secret(participant_id: ParticipantId) -> None:
    """Sign with a new secret, and for a day with the old one beside it."""
    with ready_settings() as settings:
        asyncio.run(telling.new_secret(settings, participant_id))


@webhook.command("test")
def try_webhook(participant_id: ParticipantId) -> None:
    """Send a message about nothing, to see whether the bank takes it."""
    with ready_settings() as settings:
        asyncio.run(telling.try_out(settings, participant_id))


@webhook.command("close")
def close_webhook(participant_id: ParticipantId) -> None:
    """Send nothing any more; the bank can still poll."""
    with ready_settings() as settings:
        asyncio.run(telling.close(settings, participant_id))


@webhook.command("list")
def list_webhooks() -> None:
    """Where every bank is told."""
    with ready_settings() as settings:
        asyncio.run(telling.show_webhooks(settings))


@notices.command("list")
def list_notices() -> None:
    """What could not be delivered within three days and waits for a person."""
    with ready_settings() as settings:
        asyncio.run(telling.show_undelivered(settings))


@notices.command("again")
def send_notices_again(participant_id: ParticipantId) -> None:
    """Try all of a bank's undelivered notices for another three days."""
    with ready_settings() as settings:
        asyncio.run(telling.again(settings, participant_id))


@notices.command("handled")
def note_notice_handled(
    event_id: Annotated[int, typer.Argument(help="number, as in `notices list`")], by: By
) -> None:
    """Note that somebody told the bank in another way."""
    with ready_settings() as settings:
        asyncio.run(telling.handled(settings, event_id, by=by))


@cli.command()
def explain(
    decision_id: Annotated[UUID, typer.Argument(help="decision_id of an answer or a refusal")],
    as_json: AsJson = False,
) -> None:
    """Say why a question was answered as it was: the rule of each field, the clause of the consent."""
    with database_url() as url:
        asyncio.run(decisions.explain(url, decision_id, as_json=as_json))


@cli.command("reference")
def write_reference() -> None:
    """Print the reference of all data sets (docs/datasets.md), made from the contracts and the sharing rules."""
    print(reference_text(load_catalogue()), end="")


@cli.command()
def demo(
    once: Annotated[
        bool, typer.Option("--once", help="play the story, stop, exit 0 if all went well")
    ] = False,
    enterprises: Annotated[
        int, typer.Option(min=50, max=200_000, help="size of the synthetic province")
    ] = 2000,
) -> None:
    """Start everything with a synthetic province, play the whole story, and stay up."""
    with settings_with_servers() as settings:
        _migrate_or_check(settings)
        sys.exit(play_demo(settings, once=once, enterprises=enterprises))
