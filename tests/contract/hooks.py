"""What schemathesis is told beyond its configuration, and what is kept of a run: how often each operation answered what."""

import atexit
import collections
import json
import os
import re

import schemathesis
from schemathesis.generation import GenerationMode

ANSWERS: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)


# Headers whose pattern the coverage phase does not look at (4.32): what it takes for valid is often empty.
PATTERNS = {
    "if-match": re.compile(r'\*|(W/)?"[0-9]{1,9}(-[0-9a-f]*)?"'),
    "idempotency-key": re.compile(r"[!-~]{1,255}"),
}

# Positions that the server gave out. One that it did not may lie ahead of everything, which is refused; no schema can say so.
GIVEN = {"1-1"}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Takes headers out of valid requests that are not valid after all."""
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    for name in list(case.headers or {}):
        pattern, value = PATTERNS.get(name.lower()), str(case.headers[name])
        if pattern and not pattern.fullmatch(value):
            case.headers[name] = {"if-match": "*"}.get(name.lower(), "key")
        elif name.lower() == "x-arc-position" and value not in GIVEN:
            case.headers[name] = "1-1"


@schemathesis.hook
def after_call(context, case, response):
    ANSWERS[case.operation.label][response.status_code] += 1
    GIVEN.update(response.headers.get("x-arc-position", []))


@atexit.register
def keep() -> None:
    path = os.environ.get("CONTRACT_ANSWERS")
    if path and ANSWERS:
        with open(path, "w", encoding="utf-8") as file:
            json.dump({label: dict(counts) for label, counts in ANSWERS.items()}, file, indent=1, sort_keys=True)
