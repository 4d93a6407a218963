"""The author's command: what it stores, what it refuses, and what it leaves alone."""

import base64
import io
import subprocess
import sys

import build
import nbformat
import pytest
from bs4 import BeautifulSoup
from build import METADATA, BuildError, execute, normalise
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from PIL import Image
from private import forbidden
from tqdm import tqdm

v4 = nbformat.v4


def notebook(*sources, **metadata):
    cells = [v4.new_code_cell(source) for source in sources]
    return v4.new_notebook(cells=[v4.new_markdown_cell("# A title"), *cells], metadata=metadata)


def stream(text, name="stdout"):
    return v4.new_output("stream", name=name, text=text)


def bar(share):
    """Return a progress bar as tqdm draws it."""
    return f"\rtrain: {share:3}%|███       | {share}/100 [00:01<00:02, 33.30step/s]"


def displayed(**data):
    data = {key.replace("_", "/", 1): value for key, value in data.items()}
    return v4.new_output("display_data", data, metadata={"image/png": {"width": 3}})


def normalised(*outputs, **metadata):
    """Return the stored outputs of a cell that gave these."""
    book = notebook("pass", **metadata)
    book.cells[1].outputs = list(outputs)
    book.cells[1].metadata = {"tags": ["keep"], "execution": {"iopub.status.busy": "2026-11-21"}}
    normalise(book)
    nbformat.validate(book)
    return book.cells[1].outputs


# --- normalise -----------------------------------------------------------------------------------


def test_only_tags_and_folding_remain_of_the_metadata():
    book = notebook("1", "2", widgets={"state": {"huge": 1}}, authors=["someone"])
    book.metadata["kernelspec"] = {"name": "my-env", "display_name": "My environment"}
    book.cells[1].metadata = {"tags": ["nbval-ignore-output"], "execution": {"started": "now"}}
    book.cells[2].metadata = {"collapsed": True}
    normalise(book)
    assert set(book.metadata) == {"kernelspec", "language_info"}
    assert book.metadata.kernelspec.name == "python3"
    assert book.cells[1].metadata == {"tags": ["nbval-ignore-output"]}
    assert book.cells[2].metadata == {}
    assert [cell.id for cell in book.cells] == ["cell-000", "cell-001", "cell-002"]
    nbformat.validate(book)


@pytest.mark.parametrize(
    ("metadata", "kept"),
    [
        ({"source_hidden": True}, {"jupyter": {"source_hidden": True}}),
        ({"source_hidden": True, "outputs_hidden": True}, {"jupyter": {"source_hidden": True}}),
        ({"source_hidden": False}, {}),
        ({"source_hidden": "true"}, {}),
        ({"outputs_hidden": True}, {}),
    ],
)
def test_a_code_cell_stays_folded_and_a_markdown_cell_does_not(metadata, kept):
    book = notebook("# Draw it.\n1")
    for cell in book.cells:
        cell.metadata = nbformat.from_dict({"jupyter": metadata, "collapsed": True})
    normalise(book)
    assert [cell.metadata for cell in book.cells] == [{}, kept]
    nbformat.validate(book)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a fact\n", "a fact\n"),
        ("within 95% of\n[00:05] is no bar\n", "within 95% of\n[00:05] is no bar\n"),
        ("{0}{50}{100}\nPyTorch: done\n", "PyTorch: done\n"),
        ("one\n{0}{100}\ntwo\n", "one\ntwo\n"),
        ("{0}\r   \r", None),
        ("{100}\n{100}\n", None),
        ("{50}\r         \ra fact\n", "a fact\n"),
        ("\rcount: 3it [00:01,  2.90it/s]\n", None),
        ("\rlong: 100%|##| 9/9 [1:02:03<00:00,  2.90it/s]\n", None),
        ("\rcut: 100%|##| 9/9 [00:03<00:00,  2.90it/s, D(x) 0.9, D(G\ntrained\n", "trained\n"),
    ],
)
def test_progress_bars_are_removed(text, kept):
    for share in (0, 50, 100):
        text = text.replace(f"{{{share}}}", bar(share))
    assert [output.text for output in normalised(stream(text))] == ([kept] if kept else [])


def test_a_bar_is_what_tqdm_draws(capsys):
    for _ in tqdm(range(3), "train", file=sys.stdout):
        pass
    print("trained")
    assert [o.text for o in normalised(stream(capsys.readouterr().out))] == ["trained\n"]


@pytest.mark.parametrize("cuts", [[3], [1, 4, 5], [2, 9, 20, 60]])
def test_where_the_kernel_cut_a_stream_makes_no_difference(cuts):
    text = f"{bar(0)}{bar(100)}\nPyTorch: done\n"
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]
    assert [output.text for output in normalised(*map(stream, pieces))] == ["PyTorch: done\n"]
    shown = displayed(text_plain="between")
    outputs = normalised(stream("one"), shown, stream("two"))
    assert [output.get("text") for output in outputs] == ["one", None, "two"]


def test_widgets_and_output_metadata_are_removed_and_pictures_kept():
    widget = {build.WIDGET_VIEW.replace("/", "_", 1): {"model_id": "random"}}
    (output,) = normalised(displayed(**widget, image_png="abc", text_plain="A line."))
    assert output.data == {"image/png": "abc", "text/plain": "A line."}
    assert output.metadata == {}


def test_a_live_picture_is_removed_moving_or_still():
    widget = {build.WIDGET_VIEW.replace("/", "_", 1): {"model_id": "random"}}
    for data in (widget, {"image_png": "abc"}, {"text_html": ""}):
        shown = displayed(**data)
        shown.metadata[build.LIVE] = True
        assert normalised(shown, stream("trained\n"))[0].text == "trained\n"


def test_what_a_picture_shows_in_words_is_kept():
    shown = displayed(image_png="abc", text_plain="A line.")
    shown.metadata["image/png"]["alt"] = "A line."
    (output,) = normalised(shown)
    assert output.metadata == {"image/png": {"alt": "A line."}}


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (stream("warning", "stderr"), "Cell 1 writes to stderr.*warning"),
        (stream("saved in /home/me/x.png"), "prints an absolute path, '/home/me/x.png'"),
        (stream("C:\\Users\\me"), "an absolute path"),
        (displayed(text_plain="<Thing at 0x7fb6f895f1b0>"), "prints a memory address"),
        (displayed(text_html="<p>/tmp/x</p>"), "an absolute path"),
    ],
)
def test_what_differs_between_machines_is_refused(output, message):
    with pytest.raises(BuildError, match=message):
        normalised(output)


PATHS = [
    "/home/me",
    "/root/x",
    "/tmp/x.png",
    "/opt/conda/lib",
    "/mnt/c/Users/me",
    "/content/drive/MyDrive",
    "/Volumes/disk/x",
    "/usr/lib/python3",
    "/var/folders/ab/x",
    "/private/var/x",
    "/media/me/stick",
    "/srv/data",
    "/kaggle/input/mnist",
    "/workspace/gan",
    "/Users/me/gan",
    "/any-root/of-a-cluster/me",
    "file:///home/me/x",
    "C:\\Users\\me",
    "c:\\data",
    "D:/data/me",
    r"E:\\data\\me",
    "\\\\server\\share\\me",
    r"'\\\\server\\share'",
]
AROUND = [
    "{}",
    "saved in {}",
    "'{}'",
    '<a href="{}">',
    "({})",
    "PATH={}",
    "File {}, line 3",
    "a:{}",
]


@pytest.mark.parametrize("path", PATHS)
def test_an_absolute_path_is_found_on_every_system(path):
    found = [list(forbidden(around.format(path))) for around in AROUND]
    assert all(found), list(zip(AROUND, found, strict=True))
    assert {what for pieces in found for what, _ in pieces} == {"an absolute path"}


NO_PATHS = [
    "and/or",
    "7/14/28",
    "https://example.org/home/x",
    "https://example.org:8080/opt/x?y=/a",
    "x/tmp/y",
    "../docs/usr/x",
    "~/data/mnist",
    "$COURSE_DATA/mnist/raw",
    "0xff",
    "a / b / c",
    "(p + q)/m/n",
    "[p]/q/r",
    "D(x)/D(y)/2",
    "<td>1</td><td>2</td>",
    'src="data:image/png;base64,iVBO/ab/cd+/ef/gh//ij/kl=="',
    r"$G:\mathbb{R}^z \to \mathbb{R}^x$",
    r"$f:\Omega\to\mathbb{R}$",
    r"$$G:\mathbb{R}^z\\ D:\mathbb{R}^x$$",
    "\\begin{aligned}a &= b \\\\\nc:\\alpha\\beta\\\\x\\y\\end{aligned}",
    r"\frac{a}{b}",
    "D: 3, G: 4",
    "PyTorch:\\n",
    "real/fake, D/G",
    "28 x 28",
    "text/html, image/png",
]


@pytest.mark.parametrize("text", NO_PATHS)
def test_what_only_looks_like_a_path_or_an_address_is_kept(text):
    assert list(forbidden(text)) == []
    assert normalised(stream(text))[0].text == text


# --- execute -------------------------------------------------------------------------------------

CELLS = (
    "import sys\nfrom tqdm import tqdm\nfor _ in tqdm(range(3), file=sys.stdout):\n    pass\n"
    "print('trained')",
    "2 + 2",
    "import ipywidgets\nipywidgets.IntSlider()",
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "small.ipynb"


def test_execute_stores_results_counted_from_one_and_is_repeatable(path):
    nbformat.write(notebook(*CELLS), path)
    execute(path)
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    assert [cell.execution_count for cell in book.cells[1:]] == [1, 2, 3]
    assert book.cells[1].outputs[0].text == "trained\n"
    assert book.cells[2].outputs[0].data == {"text/plain": "4"}
    assert "widgets" not in book.metadata
    assert "model_id" not in path.read_text(encoding="utf-8")
    first = path.read_bytes()
    execute(path)
    assert path.read_bytes() == first
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import sys\nprint('oops', file=sys.stderr)", "stderr"),
        ("import os\nprint(os.path.abspath('x'))", "absolute path"),
        ("object()", "memory address"),
    ],
)
def test_a_notebook_that_fails_is_left_as_it_was(path, source, message):
    nbformat.write(notebook("1", source), path)
    before = path.read_bytes()
    with pytest.raises(BuildError, match=message):
        execute(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_an_authors_backend_hides_no_figure(path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    nbformat.write(notebook("import matplotlib.pyplot as plt\n\nplt.subplots();"), path)
    execute(path)
    *_, cell = nbformat.read(path, as_version=4).cells
    assert ["image/png" in output.data for output in cell.outputs] == [True]


def test_the_command_line_ends_with_one_clear_error(path, tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit, match="error: .*small.ipynb"):
        build.main(["execute", str(path)])
    path.write_text("no notebook")
    with pytest.raises(SystemExit, match="error: .*small.ipynb"):
        build.main(["execute", str(path)])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        build.main(["execute"])
    assert "no notebooks in ./notebooks" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        build.main([])


def test_what_is_stored_is_what_the_kernel_says_of_itself():
    """JupyterLab asks the kernel, too; what differs marks a notebook as changed."""
    book = notebook()
    NotebookClient(book, kernel_name="python3").execute()
    assert book.metadata.language_info == METADATA["language_info"]
    spec = KernelSpecManager().get_kernel_spec("python3")
    assert METADATA["kernelspec"] == {
        "name": "python3",
        "display_name": spec.display_name,
        "language": spec.language,
    }


def test_normalise_runs_nothing_and_leaves_a_normal_notebook_alone(path, monkeypatch):
    monkeypatch.setattr(build, "NotebookClient", None)
    book = notebook("1 + 1")
    book.cells[1].outputs = [stream("stored\n")]
    nbformat.write(book, path)
    build.main(["normalise", str(path)])
    book = nbformat.read(path, as_version=4)
    assert book.metadata == METADATA
    assert book.cells[1].outputs[0].text == "stored\n"
    state = path.stat().st_mtime_ns, path.stat().st_ino, path.read_bytes()
    build.main(["normalise", str(path)])
    assert (path.stat().st_mtime_ns, path.stat().st_ino, path.read_bytes()) == state


def test_normalise_refuses_what_execute_refuses(path):
    book = notebook("1")
    book.cells[1].outputs = [stream("saved in /home/me/x")]
    nbformat.write(book, path)
    before = path.read_bytes()
    with pytest.raises(SystemExit, match="absolute path"):
        build.main(["normalise", str(path)])
    assert path.read_bytes() == before


def test_the_command_line_executes_what_it_is_given(path, root):
    nbformat.write(notebook("6 * 7"), path)
    command = [sys.executable, str(root / "tools" / "build.py"), "execute", str(path)]
    child = subprocess.run(command, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    assert nbformat.read(path, as_version=4).cells[1].outputs[0].data["text/plain"] == "42"


# --- html ----------------------------------------------------------------------------------------


def test_a_page_describes_each_picture_and_its_replay_moves(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    build.main(["html", str(root / "notebooks" / "04_dcgan.ipynb")])
    page = (tmp_path / "build" / "html" / "04_dcgan.html").read_text(encoding="utf-8")
    pictures = BeautifulSoup(page, "html.parser").find_all("img")
    stored = [
        output
        for cell in nbformat.read(root / "notebooks" / "04_dcgan.ipynb", as_version=4).cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert [picture["alt"] for picture in pictures] == [o.data["text/plain"] for o in stored]
    codes = [base64.b64decode(picture["src"].partition(",")[2]) for picture in pictures]
    frames = [Image.open(io.BytesIO(code)).n_frames for code in codes]
    assert max(frames) >= 5
    assert min(frames) == 1


def test_a_page_folds_what_jupyterlab_folds(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = root / "notebooks" / "02_optimal_discriminator.ipynb"
    build.main(["html", str(path)])
    page = (tmp_path / "build" / "html" / f"{path.stem}.html").read_text(encoding="utf-8")
    folded = BeautifulSoup(page, "html.parser").find_all("details")
    sources = [c.source for c in nbformat.read(path, as_version=4).cells if build.is_folded(c)]
    titles = [source.splitlines()[0].removeprefix("# ") for source in sources]
    assert [fold.summary.text for fold in folded] == titles != []
    codes = [fold.find("pre").text.strip() for fold in folded]
    assert codes == [source.strip() for source in sources]
    assert not any("open" in fold.attrs or fold.find("img") for fold in folded)
