"""Generate the examples in the OpenAPI description: one real call of each operation."""

import json
from collections.abc import Mapping
from typing import Any

from tools.reference.calls import RecordedCall

# One item shows the shape. Whole responses would make the description several times larger.
MAX_EXAMPLE_ITEMS = 1
MAX_EXAMPLE_CHARACTERS = 8000
EXAMPLES_FILE = "app/edge/examples.json"


def examples(calls: Mapping[str, RecordedCall], operations: set[str]) -> str:
    """Return the file: by operation id, the JSON of the request and of the response."""
    found = {name: _example(call) for name, call in sorted(calls.items()) if name in operations}
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def _example(call: RecordedCall) -> dict[str, Any]:
    is_json = call.media_type == "application/json" and call.response
    response = _shortened(json.loads(call.response)) if is_json else None
    return {
        "request": json.loads(call.body) if call.body and not isinstance(call.call.body, list) else None,
        "status": call.status,
        # Documents with their own description, such as OpenAPI, would make this one several times larger.
        "response": response if len(json.dumps(response)) <= MAX_EXAMPLE_CHARACTERS else None,
    }


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shortened(inner) for name, inner in value.items()}
    return [_shortened(inner) for inner in value[:MAX_EXAMPLE_ITEMS]] if isinstance(value, list) else value
