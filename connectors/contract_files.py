"""Writes docs/contracts/ and the generated parts of docs/triggers.md.

`python -m connectors.contract_files` does it. The messages shown are those of the example there,
which are what a replay of its events gives.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from config.marked_pages import filled
from connectors.asyncapi import asyncapi_document
from connectors.contract_page import laid_out, page_blocks
from connectors.contracts import MESSAGES, Message, document_of

DOCS = Path(__file__).resolve().parent.parent / "docs"
EXAMPLE = DOCS / "contracts" / "example"


def generated() -> dict[Path, str]:
    """The text of each file that is made from the code."""
    examples = {message.name: example(message) for message in MESSAGES}
    documents = {message.name: document_of(message) for message in MESSAGES}
    documents["asyncapi"] = asyncapi_document(examples)
    page = DOCS / "triggers.md"
    return {
        DOCS / "contracts" / f"{name}.json": f"{laid_out(document)}\n"
        for name, document in documents.items()
    } | {page: filled(page.read_text(), page_blocks(examples))}


def example(message: Message) -> Any:
    """The last message of this kind in the example."""
    lines = (EXAMPLE / f"{message.output}.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return next(one for one in reversed(found) if one.get("type") == message.event_type)


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text)
