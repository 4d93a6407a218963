"""The size of chapters: what the author's table says, and what the second edition promises."""

from pathlib import Path

import chapters
import nbformat
import pytest
from example_notebooks import described_as, printed
from notebook_rules import CHAPTERS, FOLDED, IGNORE, edition

v4 = nbformat.v4
NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
TITLE = "# Learn\n\nAbout 4 minutes to run on two CPU cores, about {} minutes to study.\n"
STOP = "> **Stop.** You can now."
CAPTION = "*Figure 1. A picture.*"


def prose(minutes):
    """Return a markdown cell that takes so many minutes to read."""
    return v4.new_markdown_cell(" ".join(["word"] * (130 * minutes)))


def code(source, outputs=(), **metadata):
    return v4.new_code_cell(source, outputs=list(outputs), metadata=metadata)


def chapter(told=50):
    """Return a chapter that keeps the rules: 20 minutes, a stop, 30 minutes, with running."""
    return v4.new_notebook(
        cells=[
            v4.new_markdown_cell(TITLE.format(told)),
            prose(20),
            code("draw()", described_as("A picture.")),
            v4.new_markdown_cell(f"{CAPTION}\n\nYou see it."),
            v4.new_markdown_cell(STOP),
            prose(15),
            code("train()\n\n\nshow()", printed(), tags=[IGNORE]),
            code("# Tabulate it.\nrows = 1", printed(), **FOLDED),
            v4.new_markdown_cell("1. A task (about 10 minutes)\n2. Another (about 1 minute)"),
        ]
    )


# --- the table -----------------------------------------------------------------------------------


def test_a_row_has_every_measure():
    book = chapter()
    count = 35 * 130 + 15 + 7 + 4 + 11
    assert chapters.measures(book) == {
        "words": str(count),
        "code lines": "3",
        "first picture": "3",
        "compared": "67%",
        "run": "4",
        "tasks": "11",
        "study": "50",
        "told": "50",
    }
    assert sum(chapters.minutes_of_cells(book)) == pytest.approx(count / 130 + 4 + 11)


def test_running_counts_where_it_trains():
    book = chapter()
    minutes = chapters.minutes_of_cells(book)
    assert minutes[6] == 4
    assert minutes[2] == minutes[7] == 0
    book.cells[7].metadata["tags"] = [IGNORE]
    assert [chapters.minutes_of_cells(book)[place] for place in (6, 7)] == [2, 2]
    for cell in book.cells[6:8]:
        cell.metadata = {}
    assert chapters.minutes_of_cells(book)[0] == pytest.approx(4 + minutes[0])


def test_what_a_first_cell_does_not_tell_is_a_dash():
    book = chapter()
    book.cells[0].source = "# Learn\n\nAbout 1 minute on two CPU cores."
    assert chapters.told_minutes(book) == (1, None)
    row = chapters.measures(v4.new_notebook(cells=[v4.new_markdown_cell("# Learn")]))
    assert [row[key] for key in ("words", "first picture", "compared", "run", "told")] == [
        "1",
        *"----",
    ]


def test_the_table_has_a_row_for_each_chapter(root, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(root)
    chapters.main([])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(CHAPTERS)
    assert {len(line) for line in lines} == {len(lines[0])}
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        chapters.main([])
    with pytest.raises(SystemExit, match="error: none.ipynb"):
        chapters.main(["none.ipynb"])


# --- the second edition --------------------------------------------------------------------------


def test_each_chapter_of_the_second_edition_keeps_its_rules():
    assert set(edition.SECOND_EDITION) <= set(CHAPTERS)
    books = {
        name: nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
        for name in edition.SECOND_EDITION
    }
    breaches = {
        name: [b for rule in edition.RULES for b in rule(book)] for name, book in books.items()
    }
    assert {name: found for name, found in breaches.items() if found} == {}


@pytest.mark.parametrize("told", [50, 55])
def test_a_good_chapter_keeps_the_rules(told):
    assert [breach for rule in edition.RULES for breach in rule(chapter(told))] == []


BREACHES = [
    *(
        (edition.the_time_is_told, 0, source)
        for source in (
            TITLE.format(45),
            TITLE.format(60),
            TITLE.format(51),
            TITLE.format(50).replace("to run ", ""),
            TITLE.format(50).replace("study.", "study, or so."),
            "# Learn",
        )
    ),
    (edition.the_time_is_told, 1, ""),
    (edition.it_is_no_longer_than_two_lectures, 8, "word " * 5_001),
    (edition.it_is_no_longer_than_two_lectures, 6, "x = 1\n" * 601),
    (edition.stops_cut_it_into_parts, 4, "> Stop."),
    (edition.stops_cut_it_into_parts, 4, f"Words.\n\n{STOP}"),
    (edition.stops_cut_it_into_parts, 1, "word " * 130 * 46),
    (edition.stops_cut_it_into_parts, 5, "word " * 130 * 46),
    *(
        (edition.captions_stand_under_their_pictures, 3, source)
        for source in (
            "You see it.\n\n*Figure 1. A picture.*",
            "**Figure 1.** A picture.",
            "*Figure 2. A picture.*",
            f"{CAPTION}\n\n*Figure 2. Another.*",
        )
    ),
    (edition.captions_stand_under_their_pictures, 5, "*Figure 2. Nothing.*"),
    (edition.captions_stand_under_their_pictures, 0, "*Figure 0. Nothing.*"),
]


@pytest.mark.parametrize(("rule", "index", "source"), BREACHES)
def test_each_rule_finds_its_breach(rule, index, source):
    book = chapter()
    book.cells[index].source = source
    assert list(rule(book))


def test_a_folded_cell_may_be_long():
    book = chapter()
    book.cells[7].source = "x = 1\n" * 601
    assert list(edition.it_is_no_longer_than_two_lectures(book)) == []


def test_a_caption_needs_the_picture_right_above():
    book = chapter()
    book.cells.insert(3, prose(0))
    assert list(edition.captions_stand_under_their_pictures(book))


def test_each_rule_is_tested():
    assert {rule for rule, *_ in BREACHES} == set(edition.RULES)
