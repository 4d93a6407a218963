"""Every link of the notebooks and of README leads somewhere, and no network is needed to know."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbconvert.filters import markdown2html

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("notebooks/**/*.ipynb")])
PAGES = [page for page in PAGES if ".ipynb_checkpoints" not in page.parts]
ATTACHED = "attached:"
VAGUE = {"here", "this", "link", "click here", "this link", "this page", "see here", "page", "more"}
HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}")
# A word of a host's name that only package registries and their mirrors have.
REGISTRIES = {"pypi", "pythonhosted", "conda", "anaconda", "registry", "npm", "npmjs", "download"}


def html_of(page):
    """Return the Markdown of a page as a browser gets it, and its attachments."""
    if page.suffix != ".ipynb":
        return BeautifulSoup(markdown2html(page.read_text(encoding="utf-8")), "html.parser"), set()
    cells = nbformat.read(page, as_version=4).cells
    cells = [cell for cell in cells if cell.cell_type == "markdown"]
    attached = {name for cell in cells for name in cell.get("attachments", {})}
    # Under another name, or nbconvert puts the attached picture in the place of the link.
    texts = [cell.source.replace("attachment:", ATTACHED) for cell in cells]
    html = "\n".join(map(markdown2html, texts))
    return BeautifulSoup(html, "html.parser"), attached


def anchors_of(page):
    """Return what may follow a # in a link to a page.

    JupyterLab takes a heading's text with a stroke for each blank. GitHub, which shows README,
    takes small letters and leaves punctuation out.
    """
    html, _ = html_of(page)
    anchors = {tag["id"] for tag in html.find_all(id=True) if not re.match(r"h\d", tag.name)}
    for heading in html.find_all(re.compile(r"^h[1-6]$")):
        for mark in heading.find_all("a", class_="anchor-link"):
            mark.decompose()
        text = heading.get_text()
        if page.suffix != ".ipynb":
            text = re.sub(r"[^\w\- ]", "", text.strip().lower())
        anchors.add(text.replace(" ", "-"))
    return anchors


def problems(page, root=ROOT):
    """Yield what is wrong with the links and pictures of a page."""
    html, attached = html_of(page)
    for tag in html.find_all(["a", "img"]):
        if "anchor-link" in tag.get("class", []):
            continue
        target = tag.get("href" if tag.name == "a" else "src")
        if not target:
            yield f"no target: {tag}"
            continue
        if tag.name == "img" and len(tag.get("alt", "").split()) < 2:
            yield f"{target}: no description"
        if tag.name == "a" and not tag.find("img"):
            text = tag.get_text().strip().rstrip(".").lower()
            if not text or text in VAGUE:
                yield f"{target}: the text {tag.get_text()!r} says nothing"
        if target.startswith(ATTACHED):
            if unquote(target.removeprefix(ATTACHED)) not in attached:
                yield f"{target}: not attached"
        elif problem := _problem_of(target, page, root):
            yield f"{target}: {problem}"


def _problem_of(target, page, root):
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        if parts.scheme != "https":
            return "not https"
        if not HOST.fullmatch(parts.netloc) or re.search(r"[\s\\<>\"{}]", target):
            return "not well formed"
        if REGISTRIES & set(parts.netloc.split(".")):
            return "a package registry"
        return ""
    path = unquote(parts.path)
    if path.startswith("/") or "\\" in path:
        return "not relative"
    file = (page.parent / path).resolve() if path else page
    if not file.is_relative_to(root):
        return "outside of the repository"
    if not _exists(file, root):
        return "no such file"
    if parts.fragment and unquote(parts.fragment) not in anchors_of(file):
        return "no such heading"
    return ""


def _exists(file, root):
    """Whether a file exists under exactly this name: not every system knows A from a."""
    steps = [file, *file.parents]
    below = steps[: steps.index(root)]
    return file.exists() and all(
        step.name in {entry.name for entry in step.parent.iterdir()} for step in below
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_link_leads_somewhere(page):
    assert list(problems(page)) == []


# --- tests of the test ---------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a README, a notebook and a picture."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "curve.png").write_bytes(b"")
    (tmp_path / "README.md").write_text("# A title\n\n## What you need, and how\n")
    cells = [nbformat.v4.new_markdown_cell("# Learn a thing\n\n## What it costs: $V(D, G)$")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks" / "one.ipynb")
    return tmp_path


GOOD = [
    "[chapter 1](one.ipynb)",
    "[what it costs](one.ipynb#Learn-a-thing)",
    "[below](#Learn-a-thing)",
    "[the needs](../README.md#what-you-need-and-how)",
    "![a curve that falls](../curve.png)",
    '<img src="../curve.png" alt="a curve that falls">',
    "[Goodfellow et al. (2014)](https://arxiv.org/abs/1406.2661)",
    "<https://arxiv.org/abs/1406.2661>",
    "[a paper](https://proceedings.mlr.press/v70/arjovsky17a.html#top)",
    "`[no link](nowhere.ipynb)`",
]
BAD = [
    "[chapter 2](two.ipynb)",
    "[chapter 1](One.ipynb)",
    "[chapter 1](notebooks/one.ipynb)",
    "[what it costs](one.ipynb#learn-a-thing)",
    "[below](#Learn-another-thing)",
    "[the needs](../README.md#What-you-need,-and-how)",
    "![a curve that falls](curve.png)",
    "![](../curve.png)",
    "![curve](../curve.png)",
    '<img src="../nothing.png" alt="a curve that falls">',
    '<a href="nowhere.html">a page</a>',
    "![a curve that falls](attachment:curve.png)",
    "[Goodfellow et al. (2014)](http://arxiv.org/abs/1406.2661)",
    "[a paper](https://arxiv/abs/1406.2661)",
    "[a paper](https://me:secret@example.org/x)",
    "[a paper](//example.org/x)",
    "[a packet](https://pypi.example.org/x)",
    "[a wheel](https://download.example.org/x)",
    "[here](one.ipynb)",
    "[This link](one.ipynb).",
    "[](one.ipynb)",
    "[the root](/README.md)",
    "[mine](../../elsewhere.md)",
    "[mine](file:///etc/hosts)",
    "[write to me](mailto:me@example.org)",
]


def of_page(folder, text):
    """Return the problems of a text, as a notebook's cell and as a Markdown file."""
    path = folder / "notebooks" / "one.ipynb"
    book = nbformat.read(path, as_version=4)
    book.cells.append(nbformat.v4.new_markdown_cell(text))
    nbformat.write(book, path)
    return list(problems(path, folder.resolve()))


@pytest.mark.parametrize("text", GOOD)
def test_a_good_link_passes(folder, text):
    assert of_page(folder, text) == []


@pytest.mark.parametrize("text", BAD)
def test_a_bad_link_fails(folder, text):
    assert of_page(folder, text)
