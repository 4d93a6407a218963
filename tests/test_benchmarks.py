"""What the benchmarks print: seconds, and beside them steps and measured matrix products."""

import subprocess
import sys

import benchmark
import label_aids
import pacgan_baseline
import pytest
import time_to_quality
import torch

from course_utils import machine

MEASURED = {("PyTorch", "product"): 0.002, ("TensorFlow", "product"): 0.004}


def test_products_are_seconds_over_those_of_one_product():
    assert benchmark.products(1.0, "PyTorch", MEASURED) == pytest.approx(500)
    assert benchmark.products(1.0, "TensorFlow", MEASURED) == pytest.approx(250)


def test_the_table_of_the_machine_gives_speed_and_ratio():
    reference = machine.REFERENCE_SECONDS
    lines = benchmark.machine_table({key: 2 * taken for key, taken in reference.items()})
    *rows, last = lines.splitlines()[1:]
    assert last == machine.describe_pace(2.0)
    for row, (framework, work) in zip(rows, reference, strict=True):
        assert row.startswith(f"{framework:12}{work}")
        milliseconds, speed, ratio = map(float, row.split()[-3:])
        assert milliseconds == pytest.approx(2e3 * reference[framework, work], abs=1e-3)
        assert speed == pytest.approx(machine.FLOP[work] / milliseconds / 1e6, rel=1e-2)
        assert ratio == 2
    assert machine.FLOP["product"] == 2 * 256**3
    assert machine.FLOP["convolution"] == 2 * 16 * 64 * 7 * 7 * 32 * 4 * 4


def test_rows_of_loop_and_notebooks():
    row = benchmark.loop_line("PyTorch", [10.0, 20.0, 30.0], [11.0, 20.0, 36.0], MEASURED)
    assert row.split() == ["PyTorch", "20.00", "20.00", "1.100", "10.0"]
    row = benchmark.picture_line(10.0, 19, 0.2)
    assert row.split() == ["10.0", "19", "10.0", "2.00%"]
    row = benchmark.notebook_line("04_dcgan.ipynb", 120.0, 1.5, MEASURED)
    assert row.split() == ["04_dcgan.ipynb", "120", "1.50", "45.0"]


def test_an_unknown_part_is_refused(root):
    command = [sys.executable, "tools/benchmark.py", "speed"]
    child = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert child.returncode == 2
    assert (
        "unknown part 'speed'; choose from machine, setup, notebooks, loop, picture" in child.stderr
    )


CURVE = {1: (200.0, 1, 0.1), 10: (20.0, 10, 0.8), 30: (5.0, 10, 0.9)}


def test_the_time_to_a_score_lies_between_two_moments():
    assert time_to_quality.seconds_to(CURVE, 200) == 1
    assert time_to_quality.seconds_to(CURVE, 20) == pytest.approx(10)
    assert time_to_quality.seconds_to(CURVE, 10) == pytest.approx(20)  # Half-way on a log scale.
    assert time_to_quality.seconds_to(CURVE, 4) is None


def test_the_report_gives_seconds_steps_and_products(capsys):
    run = ("chapter 04", "torch")
    time_to_quality.report({run: CURVE}, {run: 0.05}, {run: 0.002})
    told = capsys.readouterr().out
    tables = {part.splitlines()[0]: part.splitlines()[1:] for part in told.strip().split("\n\n")}

    def last(title):
        return " ".join(tables[title][-1].split()[3:])

    assert last("score after so many seconds of training (1: as real digits)") == "20.0 5.0 50 25.0"
    assert last("seconds until the score is at most").endswith(" 10 s 20 s 30 s")
    assert last("steps until the score is at most").endswith(" 200 400 600")
    assert last("thousand products until the score is at most").endswith(" 5 10 15")


def test_marks_give_the_score_after_so_many_steps_and_what_they_took(capsys):
    run = ("chapter 04", "torch")
    time_to_quality.report_marks({run: {1000: (2.5, 80.0), 2000: (1.25, 160.0)}}, {run: 0.002})
    rows = [line.split()[3:] for line in capsys.readouterr().out.strip().splitlines()[1:]]
    assert rows == [["1,000", "2.50", "80", "40"], ["2,000", "1.25", "160", "80"]]


def test_a_level_that_was_not_reached_is_a_dash(capsys):
    run = ("robust", "tensorflow")
    time_to_quality.report({run: {5: (400.0, 1, 0.1)}}, {run: 0.05}, {run: 0.002})
    for table in capsys.readouterr().out.split("\n\n")[1:4]:
        dashes = len(time_to_quality.LEVELS)
        assert table.splitlines()[-1].split() == ["robust", "TensorFlow", *["-"] * dashes]


@pytest.mark.parametrize("wrong", ["--steps=0", "--peer-seconds=0"])
def test_a_training_of_no_length_is_refused(root, wrong):
    command = [sys.executable, "tools/time_to_quality.py", wrong]
    child = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert child.returncode == 2
    assert "--steps must be at least 1, and --peer-seconds above 0" in child.stderr


def test_label_aids_knows_the_functions_of_its_chapter():
    settings = dict.fromkeys(label_aids.SETTINGS, 1)
    code = label_aids.fingerprint_of(settings)  # It fails if the chapter lacks a function.
    assert code != label_aids.fingerprint_of(settings | {"STEPS": 2})


def test_the_spread_is_that_of_pictures_with_the_same_label():
    x = torch.tensor([-1.0, 1.0, 0.5, 0.5]).reshape(4, 1, 1, 1)
    y = torch.eye(2)[[0, 0, 1, 1]]
    assert label_aids.spread(x, y).flatten().tolist() == pytest.approx([1, 1, 0, 0], abs=2e-3)


def test_label_aids_compares_equal_seeds():
    scores = dict.fromkeys(label_aids.SCORES, 0.5)
    records = [
        {"way": way, "seed": seed, "scores": scores | {"clear": 0.1 * seed + more}}
        for way, more in (("planes", 0.0), ("spread", 0.25))
        for seed in (1, 2, 3)
    ]
    ways, less = label_aids.table(records).split("\n\n")
    assert "0.350 / 0.450 / 0.550" in ways.splitlines()[-1]
    assert less.splitlines()[-1].split()[3:7] == ["+0.000", "(0.000)", "+0.250", "(0.000)"]


def test_pacgan_baseline_knows_the_functions_of_its_chapter(monkeypatch):
    code = pacgan_baseline.fingerprint_of()  # It fails if the chapter lacks a function.
    monkeypatch.setattr(pacgan_baseline, "PROTOCOLS", {})
    assert code != pacgan_baseline.fingerprint_of()


def test_pacgan_baseline_tells_means_and_standard_errors():
    record = {"protocol": "narrow", "target": "ring", "pack": 1, "quality": [0.5], "KL": [0.1]}
    records = [record | {"seed": seed, "modes": [0, modes]} for seed, modes in ((0, 6), (1, 8))]
    (_, line) = pacgan_baseline.table(records).splitlines()
    assert "narrow, ring, pack 1, 2 seeds" in line
    assert "7.000 (1.000)" in line and "0.500 (0.000)" in line
