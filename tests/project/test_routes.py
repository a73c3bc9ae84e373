"""Who may call what is declared in every route; whatever is open to all stands in one list."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from core.settings import Settings
from gateway.access import bank_caller
from gateway.console.access import on_duty, own_form
from gateway.main import build_app
from gateway.portal.access import logged_in, with_form
from gateway.queries.door import PATH

PUBLIC = {
    "GET /": "leads to the portal",
    "GET /.well-known/oauth-authorization-server": "metadata, RFC 8414",
    "GET /jwks": "public keys",
    "GET /jwks/sm2": "public keys",
    "POST /oauth/token": "proves the caller itself",
    "GET /qr/{consent_id}": "a counter's screen; says how a request stands, not of whom",
    "POST /oauth/revoke": "proves the caller itself",
    "POST /oauth/introspect": "proves the caller itself",
    "POST /oauth/bc-authorize": "proves the caller itself",
    "POST /oauth/par": "proves the caller itself",
    "GET /oauth/authorize": "leads to the portal, with what a bank pushed",
    "GET /v1/catalogue": "what data there is, not whose",
    "GET /v1/catalogue/{dataset}": "what data there is, not whose",
    "GET /catalogue": "what data there is, not whose",
    "GET /catalogue/{dataset}": "what data there is, not whose",
    "GET /console/login": "the operators' way in",
    "POST /console/login": "proves the operator itself",
    "GET /health": "for load balancers",
    "GET /docs": "the guide",
    "GET /openapi.json": "the guide",
    "GET /problems": "the guide",
    "GET /problems/{name}": "the guide",
    "GET /portal": "the way in",
    "GET /portal/login": "begins a log-in",
    "GET /portal/login/{way}": "the same, another way",
    "GET /portal/callback": "ends a log-in that this browser began",
    "GET /portal/callback/{way}": "the same, another way",
    "MOUNT /static": "style and scripts",
}


@pytest.fixture(scope="module")
def routes() -> dict[str, Any]:
    settings = Settings(database_url="postgresql://nobody@127.0.0.1:1/x", redis_url="redis://127.0.0.1:1")
    app = build_app(settings).others
    assert isinstance(app, FastAPI)
    return dict(named(app))


def named(app: FastAPI) -> Iterator[tuple[str, Any]]:
    for route in iter_route_contexts(app.routes):
        for method in sorted(set(route.methods or {"MOUNT"}) - {"HEAD"}):
            yield f"{method} {route.path}", route


def needs(dependant: Dependant | None) -> set[Any]:
    """Every function that is called before the endpoint."""
    if dependant is None:
        return set()
    calls = {dependant.call}
    for inner in dependant.dependencies:
        calls |= needs(inner)
    return calls


def guards(route: Any) -> set[Any]:
    return needs(getattr(route, "dependant", None)) & {bank_caller, logged_in, with_form, on_duty, own_form}


def test_what_is_open_to_everybody_is_exactly_this(routes: dict[str, Any]) -> None:
    assert {name for name, route in routes.items() if not guards(route)} == set(PUBLIC)


def test_each_kind_of_caller_is_asked_for_by_its_own_routes(routes: dict[str, Any]) -> None:
    for name, route in routes.items():
        if name not in PUBLIC:
            assert (bank_caller in guards(route)) == (" /v1/" in name or " /grants/" in name), name
            assert (logged_in in guards(route)) == (" /portal/" in name), name
            assert (on_duty in guards(route)) == (" /console" in name), name


def test_whatever_changes_something_in_the_portal_or_console_needs_our_own_form(
    routes: dict[str, Any],
) -> None:
    for door, form in (("/portal", with_form), ("/console", own_form)):
        changing = {name: route for name, route in routes.items() if name.startswith(f"POST {door}")}
        assert changing
        assert all(form in guards(route) for name, route in changing.items() if name not in PUBLIC)


def test_the_question_that_the_guide_shows_is_the_one_that_the_door_takes(routes: dict[str, Any]) -> None:
    assert "POST /v1/datasets/{dataset}/queries" in routes
    assert PATH.fullmatch("/v1/datasets/tax/queries")
