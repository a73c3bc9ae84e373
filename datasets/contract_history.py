"""The history of the contracts: every text that a hub has worked with, under its version, for ever.

A decision says which contract and rules it was made under (its ``view_id``); with both texts kept, it can be explained
field by field after either has changed. So a version has one meaning: whoever changes a contract gives it the next
version, and a start with another meaning under a known version is refused. Comments and layout may change.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from core.clock import china_day
from core.errors import NotFound
from datasets.contract import Contract, ContractError, read_contract
from datasets.models import contract_versions

_ONE_AT_A_TIME = 7_302_028  # advisory lock, until the end of the transaction


class ContractVersion(NamedTuple):
    """``digest``: SHA-256 of the text as it came in the file; ``entered_at``: the first start with it."""

    dataset: str
    version: int
    digest: bytes
    entered_at: datetime


@dataclass(frozen=True)
class EarlierContracts:
    """``unreadable``: those that this program no longer understands, as ``tax version 1``: kept all the same."""

    contracts: tuple[Contract, ...] = ()
    unreadable: tuple[str, ...] = ()


async def enter_contracts(tx: AsyncConnection, contracts: Iterable[Contract], *, at: datetime) -> None:
    """Keep these texts, as far as they are new. Safe to call at every start, by many processes at once.

    Raises `ContractError` for a contract that says something else than its version has said so far.
    """
    wanted = list(contracts)
    if await _new_among(tx, wanted):
        await tx.execute(select(func.pg_advisory_xact_lock(_ONE_AT_A_TIME)))
        if new := await _new_among(tx, wanted):
            await tx.execute(insert(contract_versions), [_as_row(contract, at) for contract in new])


async def _new_among(tx: AsyncConnection, contracts: Iterable[Contract]) -> list[Contract]:
    """Those that are not kept yet. Raises `ContractError` for those that are kept with another meaning."""
    known = {(kept.dataset, kept.version): kept for kept in await list_contract_versions(tx)}
    new = []
    for contract in contracts:
        kept = known.get((contract.id, contract.version))
        if kept is None:
            new.append(contract)
        elif kept.digest.hex() != contract.digest:
            _refuse_another_meaning(contract, kept, await contract_text(tx, contract.id, contract.version))
    return new


def _as_row(contract: Contract, at: datetime) -> dict[str, object]:
    digest = bytes.fromhex(contract.digest)
    return {"toml": contract.toml, **ContractVersion(contract.id, contract.version, digest, at)._asdict()}


def _refuse_another_meaning(contract: Contract, kept: ContractVersion, toml: str) -> None:
    was, says = _meaning(toml), _meaning(contract.toml)
    if was == says:
        return
    what = next(name for name in [*says, *was] if was.get(name) != says.get(name))
    raise ContractError(
        contract.file,
        None,
        f"{what} differs from version {contract.version} as it has been in use since {china_day(kept.entered_at)}, "
        "and decisions refer to that: give the changed contract the next version",
    )


def _meaning(toml: str) -> dict[str, Any]:
    """What a text says, table by table; the order of the fields is part of it, as answers have it."""
    data = tomllib.loads(toml)
    fields = data.pop("fields")
    return (
        {f"field {name}": table for name, table in fields.items()}
        | data
        | {"the order of the fields": list(fields)}
    )


async def earlier_contracts(tx: AsyncConnection, current: Mapping[str, Contract]) -> EarlierContracts:
    """Every version that is kept and is not the ``current`` one of its data set; also of data sets that are gone."""
    in_use = [(contract.id, contract.version) for contract in current.values()]
    versions = tuple_(contract_versions.c.dataset, contract_versions.c.version)
    found, unreadable = [], []
    for row in await tx.execute(select(contract_versions).where(versions.not_in(in_use)).order_by(versions)):
        try:
            found.append(read_contract(row.toml.encode(), file=f"{row.dataset}.toml"))
        except ContractError:  # an earlier program took it, whose checks were others
            unreadable.append(f"{row.dataset} version {row.version}")
    return EarlierContracts(tuple(found), tuple(unreadable))


async def contract_text(tx: AsyncConnection, dataset: str, version: int) -> str:
    """A version as it came in its file. Raises `NotFound`."""
    c = contract_versions.c
    toml = await tx.scalar(select(c.toml).where(c.dataset == dataset, c.version == version))
    if toml is None:
        raise NotFound("contract_version_unknown", f"version {version} of {dataset} was never in use here")
    return str(toml)


async def list_contract_versions(tx: AsyncConnection) -> Sequence[ContractVersion]:
    """All of them, by data set, the first version first."""
    columns = [contract_versions.c[name] for name in ContractVersion._fields]
    order = contract_versions.c.dataset, contract_versions.c.version
    return [ContractVersion(*row) for row in await tx.execute(select(*columns).order_by(*order))]
