"""`beckon models evaluate`: reports on models, written to a folder with their pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from config.jit import cache_directory
from config.schema import Config, Model
from connectors.files import output
from flows.evaluate import ModelReport, report_of
from flows.evaluate_page import NOTE, tables_of
from flows.judged import Gathering, complement_of
from flows.show import Printable, as_text


class Evaluation(Struct, frozen=True, kw_only=True):
    """The JSON of an evaluation. docs/operations.md says what its keys mean."""

    config_version: str
    models: list[ModelReport]


def evaluation_of(config: Config, models: Iterable[Model], gathered: Gathering) -> Evaluation:
    """The reports on these models by the examples that were gathered."""
    return Evaluation(
        config_version=config.version,
        models=[_report(config, model, gathered) for model in models],
    )


def tables_of_all(evaluation: Evaluation) -> list[Printable]:
    """The evaluation for a person."""
    return [table for report in evaluation.models for table in tables_of(report)] + [NOTE]


def write_evaluation(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write report.json, report.txt and a page of pictures per model that has scored.

    The page of an earlier evaluation goes, where a model has no scores any more.

    Raises:
        OSError: the folder or a file cannot be written.
    """
    # What matplotlib keeps goes where compiled code is kept; a home may not be writable.
    os.environ.setdefault("MPLCONFIGDIR", str(cache_directory() / "matplotlib"))
    from flows.evaluate_pictures import page_of

    contents = {
        "report.txt": as_text(tables_of_all(evaluation)).encode(),
        "report.json": msgspec.json.format(msgspec.json.encode(evaluation)) + b"\n",
    }
    for report in evaluation.models:
        if report.reliability:
            contents[f"{report.model}.svg"] = page_of(report)
        else:
            (folder / f"{report.model}.svg").unlink(missing_ok=True)
    for name, content in contents.items():
        with output(str(folder / name)) as file:
            file.write(content)
    return [folder / name for name in contents]


def _report(config: Config, model: Model, gathered: Gathering) -> ModelReport:
    judged = gathered.judged(model.complement or model.name)
    return report_of(model, complement_of(judged) if model.complement else judged, config.tags)
