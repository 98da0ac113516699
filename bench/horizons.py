"""The default propensity to order, within each of the horizons that are measured."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from config.load import PACKAGED, load
from config.schema import Config, Model

EVERY_DAYS = {7: 7, 30: 7, 91: 21}
"""How often a user is sampled, by horizon: five open examples at most."""

MODEL = """
[model.orders_{days}d]
outcome  = ["Order Completed"]
within   = "{days}d"
eligible = "orders_total >= 1"
every    = "{every}d"
default  = 0.2
sets     = ["rates", "slopes"]
"""


def config_of_horizons() -> Config:
    """The default config, with a model of the default terms for each horizon."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "config"
        shutil.copytree(PACKAGED, copy, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        with (copy / "models.toml").open("a", encoding="utf-8") as models:
            for days, every in EVERY_DAYS.items():
                models.write(MODEL.format(days=days, every=every))
        return load(copy)


def model_of(config: Config, horizon_days: int) -> Model:
    """The model of a horizon."""
    return next(model for model in config.models if model.name == f"orders_{horizon_days}d")
