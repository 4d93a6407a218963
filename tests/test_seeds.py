"""The bounds in the notebooks rest on what twenty runs measured, with room to spare."""

import json
from pathlib import Path

import nbformat
import pytest
from ten_seeds import RUNS, allowed_bounds, read_records, rounded_outwards, table, values_of

from course_utils.checks import CHECK_LINE

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
RECORDS = ROOT / "tests" / "seeds"
# Bounds of these chapters still rest on ten seeds of one arithmetic. The list may only shrink:
# each chapter leaves it when tools/ten_seeds.py has measured it anew.
TEN_SEEDS_ONLY = {
    "04_dcgan",
    "05_latent_space",
    "06_cgan",
    "07_acgan",
    "08_infogan",
    "09_evaluating_gans",
    "10_mode_collapse",
    "11_stable_training",
    "12_debugging_clinic",
}


def printed_checks(book):
    """Yield (name, at_least, at_most) of each check line that a notebook stores."""
    for cell in book.cells:
        for output in cell.get("outputs", []):
            for line in CHECK_LINE.finditer(output.get("text", "")):
                yield line["what"], line["at_least"], line["at_most"]


def unsupported(book, records):
    """Yield what the records do not support: a missing run, an unknown check, a tight bound."""
    made = {(record["seed"], record.get("arithmetic")) for record in records}
    if missing := [run for run in RUNS if run not in made]:
        yield f"{len(missing)} of {len(RUNS)} runs are missing, the first is {missing[0]}"
    values = values_of(records)
    for what, at_least, at_most in printed_checks(book):
        if what not in values:
            yield f"no record knows {what!r}"
            continue
        lowest, highest = allowed_bounds(values[what])
        # Printed bounds have six digits.
        if at_least is not None and float(at_least) > lowest + 1e-5 * abs(lowest):
            yield f"{what!r}: at least {at_least}, the records allow {lowest:.6g}"
        if at_most is not None and float(at_most) < highest - 1e-5 * abs(highest):
            yield f"{what!r}: at most {at_most}, the records allow {highest:.6g}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_bounds_rest_on_the_records(path):
    book = nbformat.read(path, as_version=4)
    found = list(unsupported(book, read_records(RECORDS / f"{path.stem}.jsonl")))
    if path.stem in TEN_SEEDS_ONLY:
        assert found, f"{path.stem} is measured: take it off TEN_SEEDS_ONLY"
    else:
        assert found == []


# --- tests of the test ---------------------------------------------------------------------------


def runs(value=0.5, spread=0.0):
    """Twenty made-up runs of one check, whose values spread around ``value``."""
    places = [spread * (index / (len(RUNS) - 1) - 0.5) for index in range(len(RUNS))]
    return [
        {"seed": seed, "arithmetic": arithmetic, "measured": [["share", value + place, None, 1]]}
        for (seed, arithmetic), place in zip(RUNS, places, strict=True)
    ]


def book_that_prints(*lines):
    output = nbformat.v4.new_output("stream", text="\n".join(lines) + "\n")
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(outputs=[output])])


def test_twenty_runs_are_ten_seeds_in_three_arithmetics():
    assert len(RUNS) == len(set(RUNS)) == 20
    counts = {name: sum(run[1] == name for run in RUNS) for _, name in RUNS}
    assert counts == {"one thread": 10, "two threads": 5, "plain": 5}


@pytest.mark.parametrize(
    ("bounds", "supported"),
    [
        ("at least 0.35", True),  # Values are .4 to .6: a quarter of the spread is left.
        ("at least 0.351", False),
        ("at most 0.65", True),
        ("at most 0.649", False),
        ("at least 0.2 and at most 0.7", True),
        ("at least 0.2 and at most 0.6", False),
        ("at least 0.39 and at most 0.7", False),
    ],
)
def test_a_bound_tighter_than_the_worst_and_a_quarter_of_the_spread_fails(bounds, supported):
    book = book_that_prints("loss: 0.1 of 3", f"share: 0.5 ({bounds})")
    found = list(unsupported(book, runs(0.5, 0.2)))
    assert (found == []) == supported, found


def test_an_unknown_check_and_a_missing_run_fail():
    assert "no record knows 'new'" in list(unsupported(book_that_prints("new: 1 (at least 0)"), []))
    book = book_that_prints("share: 0.5 (at most 1)")
    assert list(unsupported(book, runs()[:-1])) == [
        "1 of 20 runs are missing, the first is (4, 'two threads')"
    ]
    old = [{"seed": seed, "measured": [["share", 0.5, None, 1]]} for seed in range(20)]
    assert list(unsupported(book, old))[0].startswith("20 of 20 runs are missing")


@pytest.mark.parametrize(
    ("pair", "rounded"),
    [
        ((0.3751, 0.6249), (0.37, 0.63)),
        ((-0.1234, 123.4), (-0.13, 130)),
        ((0.0, 3e-16), (0.0, 3e-16)),
        ((-7.0, -7.01), (-7.0, -7.0)),
    ],
)
def test_bounds_are_rounded_away_from_each_other(pair, rounded):
    assert rounded_outwards(*pair) == pytest.approx(rounded, rel=1e-9)


def test_the_table_counts_misses_and_prints_fair_bounds(capsys):
    records = runs(0.9, 0.4)  # .7 to 1.1
    assert table(records) == sum(record["measured"][0][1] > 1 for record in records)
    assert "<=1.2" in capsys.readouterr().out


def test_records_are_read_a_line_a_run(tmp_path):
    path = tmp_path / "x.jsonl"
    assert read_records(path) == []
    path.write_text("".join(json.dumps(record) + "\n" for record in runs()))
    assert read_records(path) == runs()
