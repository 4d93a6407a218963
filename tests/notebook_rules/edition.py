"""What a chapter of the second edition promises its reader: time, size, stops, and captions."""

import re

from chapters import code_lines, minutes_of_cells, shows_picture, told_minutes, words

# The chapters that keep these rules; whoever rewrites a chapter adds its name.
SECOND_EDITION = (
    "00_start_here",
    "01_minmax_game",
    "02_optimal_discriminator",
    "03_transposed_convolution",
    "04_dcgan",
    "05_latent_space",
    "06_cgan",
    "07_acgan",
    "08_infogan",
    "09_evaluating_gans",
    "10_mode_collapse",
)
LINE = re.compile(
    r"^About \d+ minutes? to run on two CPU cores, about \d+ minutes to study\.$", re.MULTILINE
)
ROUNDED = 5  # Minutes.
MOST_WORDS, MOST_CODE_LINES, LONGEST_PART = 5_000, 600, 45
STOP = "> **Stop.**"
CAPTION = re.compile(r"^\*+Figure (\d+)\.", re.MULTILINE)


def the_time_is_told(book):
    """The minutes to study are those that its length makes, up to five."""
    if not LINE.search(book.cells[0].source):
        yield "the first cell has no line About ... to run ..., about ... to study."
        return
    _, told = told_minutes(book)
    minutes = sum(minutes_of_cells(book))
    if told % ROUNDED or abs(told - minutes) >= ROUNDED:
        yield f"{told} minutes to study are told, and words, running and tasks make {minutes:.0f}"


def it_is_no_longer_than_two_lectures(book):
    for measure, most, what in (
        (words, MOST_WORDS, "words of prose"),
        (code_lines, MOST_CODE_LINES, "visible lines of code"),
    ):
        if (count := sum(map(measure, book.cells))) > most:
            yield f"{count} {what}, more than {most}"


def stops_cut_it_into_parts(book):
    part, since = 0.0, "the start"
    for cell, minutes in zip(book.cells, minutes_of_cells(book), strict=True):
        part += minutes
        if cell.cell_type == "markdown" and STOP in cell.source:
            if not cell.source.startswith(STOP):
                yield f"a stop that does not begin its cell: {cell.source[:60]!r}"
            yield from _too_long(part, since)
            part, since = 0.0, repr(cell.source[:60])
    yield from _too_long(part, since)


def _too_long(part, since):
    if part > LONGEST_PART:
        yield f"{part:.0f} minutes without a stop, from {since} on"


def captions_stand_under_their_pictures(book):
    numbers = []
    for before, cell in zip([None, *book.cells], book.cells, strict=False):
        captions = CAPTION.findall(cell.source) if cell.cell_type == "markdown" else []
        numbers += captions
        for number in captions:
            if not cell.source.startswith(f"*Figure {number}."):
                yield f"Figure {number}: its caption does not begin a cell as *Figure {number}."
            if before is None or not shows_picture(before):
                yield f"Figure {number}: the cell above its caption shows no picture"
    if numbers != [str(number) for number in range(1, len(numbers) + 1)]:
        yield f"figures are numbered {', '.join(numbers)}"


RULES = (
    the_time_is_told,
    it_is_no_longer_than_two_lectures,
    stops_cut_it_into_parts,
    captions_stand_under_their_pictures,
)
