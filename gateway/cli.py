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

from core.database import connect_database
from core.errors import HubError, InvalidInput
from core.log import configure_log
from core.private_servers import private_servers
from core.settings import Settings
from datasets import load_catalogue, reference_text
from gateway.decisions import commands as decisions
from gateway.demo import play_demo
from gateway.enrolment import enrol
from gateway.intake import ingest_files
from gateway.serve import serve as serve_http
from gateway.worker import work
from migrations.upgrade import newest_revision, upgrade

cli = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="信易枢纽 Xinyi Hub"
)

rules = typer.Typer(
    no_args_is_help=True, help="共享规则：起草、批准、启用、重演。Sharing rules, one version after the other."
)
cli.add_typer(rules, name="rules")


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
        asyncio.run(upgrade(settings.owner_database_url, load_catalogue().contracts))
    else:
        asyncio.run(_check_revision(settings.database_url))


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
    with settings_with_servers() as settings:
        _migrate_or_check(settings)
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
        asyncio.run(work(settings))


@cli.command()
def migrate() -> None:
    """Bring the database to the newest shape, as its owner (HUB_OWNER_DATABASE_URL)."""
    with settings_with_servers() as settings:
        assert settings.owner_database_url is not None
        asyncio.run(upgrade(settings.owner_database_url, load_catalogue().contracts))
        print(f"database is at revision {newest_revision()}")


@cli.command()
def ingest(
    dataset: Annotated[str, typer.Argument(help="data set, as in datasets/contracts/")],
    files: Annotated[
        list[Path], typer.Argument(exists=True, dir_okay=False, readable=True, help="CSV files")
    ],
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bar")] = False,
) -> None:
    """Take in files of a data set; dirty rows go to quarantine with their reasons, nothing is lost."""
    contract = load_catalogue().contracts.get(dataset)
    if contract is None:
        raise InvalidInput("dataset_unknown", f"there is no data set {dataset}; there are {known_datasets()}")
    with settings_with_servers() as settings:
        _migrate_or_check(settings)
        assert settings.database_url is not None
        asyncio.run(ingest_files(settings.database_url, contract, files, quiet=quiet))


def known_datasets() -> str:
    return ", ".join(sorted(load_catalogue().contracts))


@cli.command()
def participant(
    participant_id: Annotated[str, typer.Argument(help="short name, a-z 0-9 and -")],
    name: Annotated[str, typer.Option(help="name that enterprises read")],
    jwks: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="public keys, RFC 7517")],
    participant_class: Annotated[str, typer.Option("--class", help="bank or platform")] = "bank",
    client_id: Annotated[str | None, typer.Option(help="OAuth client [participant_id]")] = None,
) -> None:
    """Enter a bank or platform with the public keys of its OAuth client, or change them."""
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
            )
        )
        print(f"participant {participant_id} may ask as client {client_id}")


@contextmanager
def database_url() -> Iterator[str]:
    """The address of the database that a command works on, at the newest shape."""
    with settings_with_servers() as settings:
        _migrate_or_check(settings)
        assert settings.database_url is not None
        yield settings.database_url


RuleSetId = Annotated[str, typer.Argument(help="id of the rule set, as in `rules list`")]
RuleFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="TOML file")]
By = Annotated[str, typer.Option("--by", help="who does it; goes into the history")]
Reason = Annotated[str, typer.Option("--reason", help="why; goes into the history")]
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
def draft_rules(file: RuleFile, by: By) -> None:
    """Put a rule file beside the others, without effect. Its text never changes after that."""
    with database_url() as url:
        asyncio.run(decisions.draft(url, file, by=by))


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
def approve_rules(rule_set_id: RuleSetId, by: By, reason: Reason = "") -> None:
    """Approve a draft: another person than its drafter."""
    with database_url() as url:
        asyncio.run(decisions.approve(url, rule_set_id, by=by, reason=reason))


@rules.command("activate")
def activate_rules(rule_set_id: RuleSetId, by: By, reason: Reason = "") -> None:
    """Let an approved rule set decide from now on; running hubs take it up within seconds."""
    with database_url() as url:
        asyncio.run(decisions.activate(url, rule_set_id, by=by, reason=reason))


@rules.command("withdraw")
def withdraw_rules(rule_set_id: RuleSetId, by: By, reason: Reason) -> None:
    """Give up a draft, or an approved rule set that was never active."""
    with database_url() as url:
        asyncio.run(decisions.withdraw(url, rule_set_id, by=by, reason=reason))


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
