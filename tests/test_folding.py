"""Folded cells: what they may hide, in the chapters and in examples of each kind."""

from pathlib import Path

import nbformat
import pytest
from notebook_rules import FOLDED, folded

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))

NEW = [
    "class G(nn.Module):\n    pass",
    "class G(torch.nn.Module):\n    pass",
    "class G(keras.Model):\n    pass",
    "class Noise(keras.layers.Layer):\n    pass",
    "class Base(nn.Module):\n    pass\n\n\nclass G(Base):\n    pass",
    "class Model(Other, nn.Module):\n    pass",
    "def make_generator_torch(size):\n    return size",
    "def make_d_step_tf(D):\n    return D",
    "def d_loss(real, fake):\n    return real - fake",
    "def d_loss_torch(real, fake):\n    return real - fake",
    "def g_losses_tf(logits):\n    return logits",
    "def loss(logits):\n    return logits",
    "def step(images):\n    return images",
    "def step_torch(images):\n    return images",
    "def d_step(images):\n    return images",
    "def healthy_step_tf(G, D):\n    return G",
    "def draw():\n    def d_step(images):\n        return images\n\n    return d_step",
    "g_loss = lambda logits: -logits.mean()",
    "G_torch = nn.Sequential(nn.Linear(1, 1))",
    "G_tf = keras.Sequential([keras.layers.Dense(1)])",
    "G_tf = keras.Model(z, x)",
]
PLUMBING = [
    "show_losses({'PyTorch': history}, 'Two curves.')",
    "d_loss = history['d_loss']\nplt.plot(d_loss)",
    "def draw(model, steps):\n    return model(steps)",
    "class Frames:\n    pass",
    "history = train(step_torch, batches, 10, 'PyTorch')",
    "def steps_taken(history):\n    return history.steps",
    "def lost_modes(samples):\n    return samples",
]


def book(source, hidden=True):
    cell = nbformat.v4.new_code_cell(source, metadata=FOLDED if hidden else {})
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A"), cell])


def breaches(*arguments):
    return list(folded.nothing_new_is_folded(*arguments))


@pytest.mark.parametrize("number", range(len(NOTEBOOKS)), ids=lambda n: NOTEBOOKS[n].stem)
def test_a_chapter_folds_nothing_new(number):
    """Chapter 00 draws from what the others build; each other takes over from those before it."""
    this, *others = (
        nbformat.read(path, as_version=4)
        for path in [NOTEBOOKS[number], *(NOTEBOOKS[:number] or NOTEBOOKS[1:])]
    )
    assert breaches(this, others) == []


@pytest.mark.parametrize("source", NEW)
def test_a_new_lesson_may_not_be_folded(source):
    assert breaches(book(f"# Draw Figure 3.\n{source}"))
    assert breaches(book(f"# Draw Figure 3.\n{source}", hidden=False)) == []


@pytest.mark.parametrize("source", PLUMBING)
def test_plumbing_may_be_folded(source):
    assert breaches(book(f"# Draw Figure 3.\n{source}")) == []
    assert list(folded.folded_cells_say_what_they_do(book(f"# Draw Figure 3.\n{source}"))) == []


@pytest.mark.parametrize("source", NEW)
def test_what_an_earlier_chapter_shows_may_be_folded_letter_for_letter(source):
    taken_over = book(f"# The same as in chapter 04.\n{source}")
    for original in (source, f"# PyTorch.\n{source}", f"# The same as in chapter 04.\n{source}"):
        assert breaches(taken_over, [book("1"), book(original, hidden=False)]) == []
    assert breaches(taken_over, [book(source)])  # Folded there, too: shown nowhere.
    for original in (f"{source}\n", f"{source}  # One.", f"x = 1\n{source}", source.upper()):
        assert breaches(taken_over, [book(original, hidden=False)])


@pytest.mark.parametrize("source", NEW)
def test_a_network_restated_from_another_source_may_be_folded_with_its_link(source):
    link = "https://github.com/someone/a-gan"
    assert breaches(book(f"# Restated from {link}: the generator.\n{source}")) == []
    for title in ("# Restated from a script: G.", f"# Restated from {link}", f"# As in {link}: G."):
        assert breaches(book(f"{title}\n{source}"))


def test_a_class_whose_base_another_cell_derives_from_a_network_is_one():
    two = book("# Draw Figure 3.\nclass G(Base):\n    pass")
    assert breaches(two) == []
    two.cells.insert(1, book("class Base(nn.Module):\n    pass", hidden=False).cells[1])
    assert len(breaches(two)) == 1
