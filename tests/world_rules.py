"""Random rules: small texts that use all of the language on a few names."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


@dataclass
class RuleWriter:
    """Writes rules over these names; the thresholds that they use are collected on the way.

    `numbers`, `days` (which count days since something), `texts` and `others` are names of
    features, `tags` those of the tags above; `prefix` begins the name of each threshold.
    """

    random: Random
    numbers: list[str]
    days: list[str]
    texts: list[str]
    others: list[str]
    prefix: str
    tags: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    thresholds: dict[str, int | float] = field(default_factory=dict)

    def rule(self, depth: int = 2) -> str:
        """A rule: comparisons, `has` and tags, joined by `and`, `or`, `not`."""
        choice = self.random.random()
        if depth == 0 or choice < 0.5:
            return self.truth()
        if choice < 0.6:
            return f"not ({self.rule(depth - 1)})"
        word = self.random.choice((" and ", " or "))
        return word.join(f"({self.rule(depth - 1)})" for _ in range(self.random.choice((2, 2, 3))))

    def truth(self) -> str:
        """One comparison, test for presence, or tag; of scores where there are models."""
        if self.models and self.random.random() < 0.4:
            return self.score_comparison()
        choice = self.random.random()
        if choice < 0.12 and self.tags:
            return f"tags.{self.random.choice(self.tags)}"
        if choice < 0.2:
            return f"has({self.random.choice(self.numbers + self.days + self.texts + self.others)})"
        if choice < 0.35 and self.texts:
            return self.text_comparison()
        if choice < 0.6 and self.days:
            return self.days_comparison()
        if choice < 0.65:
            low, high = sorted((self.random.randint(-1, 3), self.random.randint(0, 30)))
            return f"{low} <= {self.random.choice(self.numbers)} < {high}"
        if choice < 0.7:
            return f"{self.random.choice(self.numbers)} in (0, 1, {self.constant()})"
        sign = self.random.choice(COMPARISONS)
        return f"{self.number()} {sign} {self.constant()}"

    def days_comparison(self) -> str:
        """A comparison that time alone turns."""
        days, sign = self.random.choice(self.days), self.random.choice(COMPARISONS)
        other = self.random.choice(
            (
                self.constant(),
                str(self.random.randint(0, 4)),
                str(self.random.randint(1, 3)),
                f"{self.random.choice(self.numbers)} * 0.5",
                self.number(),
            )
        )
        sides = [days, other]
        if self.random.random() < 0.2:
            sides.reverse()
        return f"{sides[0]} {sign} {sides[1]}"

    def score_comparison(self) -> str:
        """A comparison of a score, which time turns at looks alone."""
        score = f"propensity.{self.random.choice(self.models)}"
        share = self.random.choice(("0.05", "0.2", "0.3", "0.5", "0.7", "0.8", "0.95"))
        sides = (score, self.random.choice((share, share, share, f"1 - {score}")))
        return self.random.choice(
            (
                f"{sides[0]} {self.random.choice(COMPARISONS[2:])} {sides[1]}",
                f"{share} >= {score}",
                f"has({score})",
                f"max({score}, 0.3) > {share}",
            )
        )

    def text_comparison(self) -> str:
        name = self.random.choice(self.texts)
        values = self.random.sample(("shoes", "hats", "DE", "AT", "i1", "i2", "größe"), 3)
        if self.random.random() < 0.4:
            return f"{name} in ({', '.join(repr(value) for value in values)})"
        return f"{name} {self.random.choice(('==', '!='))} {values[0]!r}"

    def number(self, depth: int = 1) -> str:
        """An expression that is a number."""
        one = self.random.choice(self.numbers)
        choice = self.random.random()
        if depth == 0 or choice < 0.6:
            return one
        other = self.random.choice((self.number(depth - 1), self.constant()))
        if choice < 0.85:
            return f"({one} {self.random.choice('+-*/')} {other})"
        if choice < 0.95:
            return f"{self.random.choice(('min', 'max'))}({one}, {other})"
        return f"abs(-{one})"

    def constant(self) -> str:
        """A literal, or a threshold with a small value."""
        value = self.random.choice((0, 1, 1, 2, 2, 3, 5, 10, 20, 45.5))
        if self.random.random() < 0.6:
            return str(value)
        name = f"{self.prefix}_{len(self.thresholds)}"
        self.thresholds[name] = value
        return name
