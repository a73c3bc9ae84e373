"""Nothing in a log line says who an enterprise is."""

import logging

from core.log import configure_log, write_exception

CODE = "91350100M000100Y43"


def test_an_exception_is_written_without_codes_and_without_postgresql_details() -> None:
    try:
        raise ValueError(f"duplicate key of {CODE}\nDETAIL: Key (uscc)=({CODE})")
    except ValueError as error:
        event = write_exception(None, "error", {"event": "x", "exc_info": error})
    assert "ValueError: duplicate key of …" in event["exception"]
    assert CODE not in event["exception"]
    assert "test_log.py" in event["exception"]


def test_libraries_do_not_write_tokens_even_at_the_level_debug() -> None:
    """Authlib would log each token that it issues."""
    configure_log(form="console", level="debug")
    try:
        for library in ("authlib.oauth2.rfc6749.grants.client_credentials", "httpcore.http11", "httpx"):
            assert not logging.getLogger(library).isEnabledFor(logging.INFO)
        assert logging.getLogger("gateway").isEnabledFor(logging.DEBUG)
    finally:
        configure_log(form="console", level="info")
