"""The default propensity to order, within each of the horizons that are measured."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from config.load import PACKAGED, load
from config.schema import Config, Model

EVERY_DAYS = {7: 7, 30: 7, 91: 21}
"""How often a user is sampled, by horizon: five open examples at most."""

CALIBRATED = {7: "true", 30: "true", 91: "false"}
"""As in the defaults; what is learned a quarter late corrects nothing (docs/benchmarks.md)."""

MODEL = """
[model.orders_{days}d]
outcome  = ["Order Completed"]
within   = "{days}d"
eligible = "orders_total >= 1"
every    = "{every}d"
default  = 0.2
sets     = ["rates", "slopes"]
calibrate = {calibrated}
"""


def config_of_horizons() -> Config:
    """The default config, with a model of the default terms for each horizon."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "config"
        shutil.copytree(PACKAGED, copy, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        with (copy / "models.toml").open("a", encoding="utf-8") as models:
            for days, every in EVERY_DAYS.items():
                text = MODEL.format(days=days, every=every, calibrated=CALIBRATED[days])
                models.write(text)
        return load(copy)


def model_of(config: Config, horizon_days: int) -> Model:
    """The model of a horizon."""
    return next(model for model in config.models if model.name == f"orders_{horizon_days}d")
