"""Structured logs: one JSON object a line, with the request id; never a token, a USCC or a person."""

import logging
import re
import sys
import traceback

import structlog

CODES = re.compile(r"[0-9A-Z]{15,18}(?![0-9A-Z])")
"""USCCs, registration and identity numbers, wherever they may have got into the message of an error"""


def write_exception(
    logger: object, method: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    """Where it went wrong, never with which values: frames without locals, one scrubbed line per error."""
    error = event.pop("exc_info", None)
    if isinstance(error, tuple):
        error = error[1]
    if error is True:
        error = sys.exception()
    if not isinstance(error, BaseException):
        return event
    lines = []
    while error is not None:
        message = CODES.sub("…", str(error).partition("\n")[0])[:300]  # PostgreSQL's DETAIL holds the row
        lines += [*traceback.format_tb(error.__traceback__), f"{type(error).__name__}: {message}\n"]
        error = error.__cause__
    return {**event, "exception": "".join(lines)}


def configure_log(*, form: str, level: str) -> None:
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        write_exception,
    ]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processor=renderer))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").disabled = True  # it would write addresses and paths per call
    # Asked to debug, these write tokens, headers and addresses.
    for name in ("authlib", "httpcore", "httpx"):
        logging.getLogger(name).setLevel(logging.WARNING)
