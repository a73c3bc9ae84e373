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
from pathlib import Path
from typing import Annotated

import asyncpg
import typer
from pydantic import ValidationError

from core.database import connect_database
from core.errors import HubError, InvalidInput
from core.log import configure_log
from core.private_servers import private_servers
from core.settings import Settings
from datasets import load_catalogue
from gateway.demo import play_demo
from gateway.enrolment import enrol
from gateway.intake import ingest_files
from gateway.serve import serve as serve_http
from gateway.worker import work
from migrations.upgrade import newest_revision, upgrade

cli = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="信易枢纽 Xinyi Hub"
)


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
