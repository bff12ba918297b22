"""Draws the pictures of docs/analysis.md from an export:

    python docs/analysis/plots.py EXPORT docs/analysis

It needs duckdb and matplotlib.
"""

import sys
from pathlib import Path

import duckdb
import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

plt.rcParams.update(
    {
        "figure.figsize": (7.2, 4.0),
        "figure.constrained_layout.use": True,
        "axes.grid": True,
        "grid.alpha": 0.3,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "svg.hashsalt": "baeum",  # the same pictures from the same export
        "svg.fonttype": "none",
        "font.family": ["DejaVu Sans", "sans-serif"],
    }
)
BLUE, ORANGE, GREY = "#2b6cb0", "#c05621", "#718096"


def events(export, name):
    """The events of a type; its partition columns come from the path."""
    return f"read_parquet('{export}/events/event_type={name}/**/*.parquet', hive_partitioning = true)"


def wilson(share, n, z=1.96):
    """The interval of a share by Wilson's score, which stays within 0 and 1."""
    middle, width = share + z * z / (2 * n), z * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return (middle - width) / (1 + z * z / n), (middle + width) / (1 + z * z / n)


def precision(export, ax):
    """How the standard error of the ability falls with each item of the level test."""
    rows = duckdb.sql(
        f"""SELECT ordinal, quantile_cont(after.standard_error, [0.1, 0.5, 0.9]) AS q
            FROM {events(export, 'ItemAnswered')} GROUP BY ordinal HAVING count(*) >= 5 ORDER BY ordinal"""
    ).fetchall()
    ordinals = [row[0] for row in rows]
    low, median, high = zip(*(row[1] for row in rows))
    ax.fill_between(ordinals, low, high, color=BLUE, alpha=0.2, label="10 % to 90 %")
    ax.plot(ordinals, median, color=BLUE, marker="o", markersize=4, label="median")
    ax.axhline(0.35, color=ORANGE, linestyle="--", label="the test may stop")
    ax.set(xlabel="items answered", ylabel="standard error of ability (logits)", ylim=(0, None), title="The level test learns with each answer")
    ax.legend(frameon=False)


def items(export, ax):
    """The share of right answers to items, by how far the learner was above the item."""
    rows = duckdb.sql(
        f"""WITH answers AS (
                SELECT a.before.theta - p.prior_difficulty AS distance, p.prior_discrimination AS a, a.correct
                FROM {events(export, 'ItemAnswered')} a
                JOIN read_parquet('{export}/models/item_parameters/item_parameters.parquet') p ON p.item = a.item)
            SELECT round(distance * 2) / 2 AS bin, avg(correct::int) AS share, count(*) AS n,
                   avg(1 / (1 + exp(-a * distance))) AS expected
            FROM answers GROUP BY bin HAVING n >= 10 ORDER BY bin"""
    ).fetchall()
    bins, shares, counts, expected = zip(*rows)
    ends = [wilson(share, n) for share, n in zip(shares, counts)]
    errors = [[share - low for share, (low, _) in zip(shares, ends)], [high - share for share, (_, high) in zip(shares, ends)]]
    ax.errorbar(bins, shares, yerr=errors, fmt="o", color=BLUE, capsize=3, label="answered right (95 %)")
    ax.plot(bins, expected, color=ORANGE, label="expected by the model")
    ax.set(xlabel="ability before the answer − difficulty of the item (logits)", ylabel="share", ylim=(0, 1), title="Do items behave as their parameters say?")
    ax.legend(frameon=False)


def mistakes(export, ax):
    """What kinds of mistakes answers have, by the level of the learner."""
    rows = duckdb.sql(
        f"""WITH verdicts AS (
                SELECT learner_id, unnest(verdict.spans) AS span FROM {events(export, 'EvaluationCompleted')}),
            answers AS (SELECT learner_id, count(*) AS n FROM {events(export, 'EvaluationCompleted')} GROUP BY ALL)
            SELECT span.category AS category, l.level IN ('A1', 'A2') AS beginner, count(*) AS n,
                   (SELECT sum(a.n) FROM answers a JOIN read_parquet('{export}/models/learners/learners.parquet') m
                    ON m.user_id = a.learner_id WHERE (m.level IN ('A1', 'A2')) = beginner) AS answers
            FROM verdicts v JOIN read_parquet('{export}/models/learners/learners.parquet') l ON l.user_id = v.learner_id
            GROUP BY ALL"""
    ).fetchall()
    categories = sorted({row[0] for row in rows}, key=lambda it: sum(row[2] for row in rows if row[0] == it))
    rate = {(category, beginner): 100 * n / answers for category, beginner, n, answers in rows}
    for offset, beginner, colour, label in [(0.2, True, ORANGE, "A1, A2"), (-0.2, False, BLUE, "B1 and above")]:
        places = [place + offset for place in range(len(categories))]
        ax.barh(places, [rate.get((it, beginner), 0) for it in categories], height=0.38, color=colour, label=label)
    ax.set_yticks(range(len(categories)), [it.replace("_", " ") for it in categories])
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="mistakes found in 100 answers", title="What learners of two levels get wrong")
    ax.legend(frameon=False, loc="lower right")


def main(export, folder):
    for name, draw in [("precision", precision), ("items", items), ("mistakes", mistakes)]:
        figure, ax = plt.subplots()
        draw(export, ax)
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        plt.close(figure)


main(sys.argv[1].rstrip("/"), Path(sys.argv[2]))
