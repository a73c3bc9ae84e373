"""The public catalogue: which data there are, where they come from, who sees what of them for which purpose."""

import asyncio
from itertools import groupby
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup

from core.errors import HubError, NotFound
from datasets import Catalogue
from gateway.access import HubDep
from gateway.catalogue.shown import dataset_shown, search
from gateway.catalogue.words import WORDS, category_in_english
from gateway.portal.pages import Pages
from gateway.portal.words import Speech
from gateway.problems import PROBLEMS

READ = ["GET", "HEAD"]
WANTED_CHARACTERS_MAX = 60

router = APIRouter(prefix="/catalogue", include_in_schema=False)
pages = Pages(Path(__file__).parent / "templates", WORDS)


class Showroom:
    """Data sets written out as HTML once for each language: who reads must not hold up who asks."""

    def __init__(self) -> None:
        self._catalogue: Catalogue | None = None
        self._written: dict[tuple[str, str], Markup] = {}

    def of(self, catalogue: Catalogue, dataset: str, t: Speech) -> Markup:
        """The fields of a data set, as they stand under this catalogue."""
        if catalogue is not self._catalogue:
            self._catalogue, self._written = catalogue, {}
        found = self._written.get((dataset, t.language))
        if found is None:
            shown = dataset_shown(catalogue, dataset)
            found = self._written[dataset, t.language] = pages.piece("_dataset.html", t, shown=shown)
        return found


showroom = Showroom()


@router.api_route("", methods=READ)
async def overview(
    request: Request,
    hub: HubDep,
    wanted: Annotated[str, Query(alias="q", max_length=WANTED_CHARACTERS_MAX)] = "",
    whole: Annotated[Literal["", "all"], Query(alias="print")] = "",
) -> HTMLResponse:
    """Every data set by category, or those that a search finds; with ``print=all`` everything that is to be said."""
    catalogue, wanted = hub.catalogue, " ".join(wanted.split())
    found = search(catalogue, wanted)
    t = pages.speech(request)
    opened = await asyncio.to_thread(_all_of, catalogue, t) if whole else {}
    return pages.show(
        request,
        "catalogue.html",
        wanted=wanted,
        wanted_max=WANTED_CHARACTERS_MAX,
        categories=[
            (category, category_in_english(category), list(of_category))
            for category, of_category in groupby(found, key=lambda one: one.contract.category)
        ],
        datasets=len(found),
        fields=sum(len(one.contract.fields) for one in found),
        opened=opened,
        rules=catalogue.rule_set,
    )


def _all_of(catalogue: Catalogue, t: Speech) -> dict[str, Markup]:
    return {dataset: showroom.of(catalogue, dataset, t) for dataset in catalogue.contracts}


@router.api_route("/{dataset}", methods=READ)
async def one_dataset(request: Request, dataset: str, hub: HubDep) -> HTMLResponse:
    """One data set: its terms, and its fields with who sees what."""
    catalogue = hub.catalogue
    contract = catalogue.contracts.get(dataset)
    if contract is None:
        raise NotFound("dataset_unknown")
    written = await asyncio.to_thread(showroom.of, catalogue, dataset, pages.speech(request))
    return pages.show(
        request,
        "dataset.html",
        contract=contract,
        category_en=category_in_english(contract.category),
        written=written,
        rules=catalogue.rule_set,
    )


def failure(request: Request, error: HubError, reason: str, trace_id: str) -> Response:
    """The page about something that did not work."""
    problem = PROBLEMS[reason]
    return pages.show(
        request, "not_shown.html", problem.status, reason=reason, problem=problem, trace_id=trace_id
    )
