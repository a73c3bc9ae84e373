"""Nothing in a log line says who an enterprise is."""

from core.log import write_exception

CODE = "91350100M000100Y43"


def test_an_exception_is_written_without_codes_and_without_postgresql_details() -> None:
    try:
        raise ValueError(f"duplicate key of {CODE}\nDETAIL: Key (uscc)=({CODE})")
    except ValueError as error:
        event = write_exception(None, "error", {"event": "x", "exc_info": error})
    assert "ValueError: duplicate key of …" in event["exception"]
    assert CODE not in event["exception"]
    assert "test_log.py" in event["exception"]
