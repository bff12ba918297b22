"""Reads an export with DuckDB, Polars, pandas and PyArrow, and compares; see scripts/check-export.

Of every event type: how many rows, the sum of their positions, and the first and last moment. Of every table of a read
model: how many rows, and the sum of each column of numbers. Exits with 1 where two disagree, or one disagrees with the
manifest.
"""

import datetime
import json
import math
import sys
from collections import defaultdict
from pathlib import Path

import duckdb
import pandas
import polars
import pyarrow
import pyarrow.compute as compute
import pyarrow.dataset as dataset
import pyarrow.parquet

UTC = datetime.timezone.utc


def moment(value):
    """A moment as microseconds since 1970, whatever a reader makes of it."""
    if isinstance(value, pandas.Timestamp):
        return value.value // 1000
    epoch = datetime.datetime(1970, 1, 1, tzinfo=UTC)
    return (value.astimezone(UTC) - epoch) // datetime.timedelta(microseconds=1)


def with_duckdb(paths):
    relation = duckdb.read_parquet(paths, union_by_name=True)
    row = duckdb.sql(
        "SELECT count(*), sum(position)::hugeint, epoch_us(min(recorded_at)), epoch_us(max(recorded_at)) FROM relation"
    ).fetchall()[0]
    return tuple(row)


def with_polars(paths):
    frame = polars.scan_parquet(paths, missing_columns="insert", extra_columns="ignore")
    row = frame.select(
        polars.len().alias("rows"),
        polars.col("position").cast(polars.Int128).sum().alias("positions"),
        polars.col("recorded_at").min().alias("first"),
        polars.col("recorded_at").max().alias("last"),
    ).collect().row(0)
    return int(row[0]), int(row[1]), moment(row[2]), moment(row[3])


def with_pandas(paths):
    rows = positions = 0
    first, last = None, None
    for path in paths:
        frame = pandas.read_parquet(path, columns=["position", "recorded_at"])
        rows += len(frame)
        positions += int(frame["position"].astype(object).sum())
        low, high = moment(frame["recorded_at"].min()), moment(frame["recorded_at"].max())
        first = low if first is None else min(first, low)
        last = high if last is None else max(last, high)
    return rows, positions, first, last


def with_pyarrow(paths):
    table = dataset.dataset(paths).to_table(columns=["position", "recorded_at"])
    positions = compute.sum(table["position"].cast(pyarrow.decimal128(38, 0))).as_py()
    edges = compute.min_max(table["recorded_at"]).as_py()
    return table.num_rows, int(positions), moment(edges["min"]), moment(edges["max"])


def sums_with_duckdb(path, columns):
    chosen = ", ".join(f'sum("{name}")' for name in columns)
    row = duckdb.sql(f"SELECT count(*){', ' + chosen if chosen else ''} FROM read_parquet('{path}')").fetchall()[0]
    return row[0], [float(value or 0) for value in row[1:]]


def sums_with_polars(path, columns):
    frame = polars.read_parquet(path)
    return frame.height, [float(frame[name].cast(polars.Float64).sum() or 0) for name in columns]


def sums_with_pandas(path, columns):
    frame = pandas.read_parquet(path)
    return len(frame), [float(frame[name].astype("float64").sum()) for name in columns]


def sums_with_pyarrow(path, columns):
    table = pyarrow.parquet.read_table(path)
    return table.num_rows, [float(compute.sum(table[name].cast("float64")).as_py() or 0) for name in columns]


def close(one, other):
    return all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-6) for a, b in zip(one, other, strict=True))


def main(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    if manifest["format"] != "parquet":
        sys.exit(f"error: {folder} holds {manifest['format']}: give an export as Parquet")
    problems = []
    files = defaultdict(list)
    for file in manifest["events"]["files"]:
        files[file["event_type"]].append(file)
    readers = {"duckdb": with_duckdb, "polars": with_polars, "pandas": with_pandas, "pyarrow": with_pyarrow}
    total = positions = 0
    print(f"{'event type':28} {'files':>6} {'rows':>10}  first               last")
    for event_type in sorted(files):
        paths = [str(folder / file["path"]) for file in files[event_type]]
        found = {name: read(paths) for name, read in readers.items()}
        expected = sum(file["rows"] for file in files[event_type])
        for name, values in found.items():
            if values[0] != expected:
                problems.append(f"{event_type}: {name} reads {values[0]} rows, the manifest says {expected}")
            if values != found["duckdb"]:
                problems.append(f"{event_type}: {name} reads {values}, duckdb {found['duckdb']}")
        rows, summed, first, last = found["duckdb"]
        total += rows
        positions += summed
        day = lambda it: datetime.datetime.fromtimestamp(it / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S")
        print(f"{event_type:28} {len(paths):>6} {rows:>10}  {day(first)} {day(last)}")
    # Positions are dense, so their sum is known.
    after, to = manifest["events"]["after"], manifest["events"]["to"]
    dense = (to * (to + 1) - after * (after + 1)) // 2
    if (total, total, positions) != (manifest["events"]["rows"], to - after, dense):
        problems.append(f"{total} events with positions of sum {positions}; {to - after} of sum {dense} were exported")
    seen = {str(path.relative_to(folder)) for path in folder.glob("events/**/*.parquet")}
    named = {file["path"] for file in manifest["events"]["files"]}
    if seen != named:
        problems.append(f"files beside the manifest: {sorted(seen ^ named)[:3]}")

    readers = {
        "duckdb": sums_with_duckdb, "polars": sums_with_polars, "pandas": sums_with_pandas, "pyarrow": sums_with_pyarrow,
    }
    print(f"\n{'table':28} {'columns':>8} {'rows':>8}")
    for model in manifest["models"]:
        path = str(folder / model["path"])
        schema = pyarrow.parquet.read_schema(path)
        is_number = lambda kind: pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind)
        columns = [field.name for field in schema if is_number(field.type)]
        found = {name: read(path, columns) for name, read in readers.items()}
        for name, (rows, sums) in found.items():
            if rows != model["rows"] or not close(sums, found["duckdb"][1]):
                problems.append(f"{model['table']}: {name} reads {rows} rows and {sums}, not {found['duckdb']}")
        print(f"{model['table']:28} {len(schema):>8} {model['rows']:>8}")
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    versions = f"duckdb {duckdb.__version__}, polars {polars.__version__}, pandas {pandas.__version__}, pyarrow {pyarrow.__version__}"
    if problems:
        sys.exit(1)
    print(f"\n{total} events and {len(manifest['models'])} tables: {versions} agree with each other and with the manifest")


main(Path(sys.argv[1]))
