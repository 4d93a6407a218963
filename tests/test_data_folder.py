"""Your own pictures: a folder that holds one folder a class."""

import shutil

import numpy as np
import pytest
from image_files import cut
from PIL import Image

from course_utils import load_images
from course_utils.data.resizing import resize


def picture(path, mode="L", size=(40, 40), colour=200):
    path.parent.mkdir(parents=True, exist_ok=True)
    fill = colour if mode in ("L", "1", "P") else (colour, 100, 50, 255)[: len(mode)]
    Image.new(mode, size, fill).save(path)


@pytest.mark.parametrize(
    ("modes", "channels"),
    [(("L", "L"), 1), (("1", "L"), 1), (("RGB", "RGB"), 3), (("L", "RGB"), 3), (("RGBA", "P"), 3)],
)
def test_a_folder_is_grey_only_if_every_picture_is(tmp_path, modes, channels):
    for name, mode in zip("ab", modes, strict=True):
        picture(tmp_path / name / "one.png", mode)
    image_set = load_images("folder", root=tmp_path)
    assert image_set.images.shape == (2, 32, 32, channels)
    assert image_set.class_names == ("a", "b")


def test_a_folder_in_every_known_format_nested_and_in_order(tmp_path):
    for number, suffix in enumerate(["png", "jpg", "JPEG", "bmp", "gif", "webp", "tif", "TIFF"]):
        picture(tmp_path / "zebra" / "deep" / "down" / f"{number}.{suffix}")
    picture(tmp_path / "ant" / "x.png")
    (tmp_path / "ant" / "notes.txt").write_text("ignored")
    (tmp_path / "readme.md").write_text("ignored")
    image_set = load_images("folder", size=8, root=str(tmp_path))
    assert image_set.class_names == ("ant", "zebra")
    assert image_set.labels.tolist() == [0] + [1] * 8


@pytest.mark.parametrize("size", [(64, 32), (32, 64), (33, 90), (9, 8)])
def test_pictures_that_are_not_square_are_cut_in_the_middle(tmp_path, size):
    """A white square in the middle of black borders fills the whole result."""
    width, height = size
    side = min(size)
    page = Image.new("L", size, 0)
    page.paste(255, ((width - side) // 2, (height - side) // 2,
                     (width - side) // 2 + side, (height - side) // 2 + side))  # fmt: skip
    (tmp_path / "a").mkdir()
    page.save(tmp_path / "a" / "one.png")
    assert (load_images("folder", size=16, root=tmp_path).images == 255).all()


def test_what_systems_leave_behind_is_passed_over_at_every_depth(tmp_path, capsys):
    """JupyterLab's checkpoints and macOS's archives hold second copies of the pictures."""
    for place in ("", ".ipynb_checkpoints", "__MACOSX", ".hidden/deep"):
        picture(tmp_path / "cats" / place / "one.png")
        picture(tmp_path / place / "cats" / "two" / "one.png")
    for place in ("cats", "__MACOSX/cats"):
        (tmp_path / place / "._one.png").write_bytes(b"not a picture")
    image_set = load_images("folder", root=tmp_path)
    assert image_set.class_names == ("cats",)
    assert len(image_set) == 2
    assert "Passed over" not in capsys.readouterr().out


def test_what_is_skipped_is_counted_in_one_line(tmp_path, capsys):
    picture(tmp_path / "a" / "one.png")
    picture(tmp_path / "loose.png")
    for name in ("a/x.heic", "a/deep/Y.HEIC", "a/notes", "readme.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("no picture")
    assert len(load_images("folder", root=tmp_path)) == 1
    line = "Passed over 5 files: 2 .heic, 2 outside the class folders, 1 without a suffix.\n"
    assert line in capsys.readouterr().out


def test_folders_and_files_sort_as_people_count(tmp_path):
    for level, name in enumerate(["1/1", "1/2", "1/10", "2/b", "10/B2", "10/b10", "Ten/x"]):
        picture(tmp_path / f"{name}.png", colour=10 * level)
    image_set = load_images("folder", root=tmp_path)
    assert image_set.class_names == ("1", "2", "10", "Ten")
    assert image_set.labels.tolist() == [0, 0, 0, 1, 2, 2, 3]
    assert (image_set.images[:, 0, 0, 0] == 10 * np.arange(7)).all()


def test_the_home_of_the_user_is_expanded(tmp_path, monkeypatch):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    picture(tmp_path / "pictures" / "a" / "one.png")
    assert len(load_images("folder", root="~/pictures")) == 1


@pytest.mark.parametrize("trouble", [cut, lambda data: b"", lambda data: b"no picture at all"])
def test_an_unreadable_picture_is_named(tmp_path, trouble):
    picture(tmp_path / "a" / "good.png")
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(256, size=(40, 40, 3), dtype=np.uint8))
    noise.save(tmp_path / "a" / "bad.png")
    bad = tmp_path / "a" / "bad.png"
    bad.write_bytes(trouble(bad.read_bytes()))
    with pytest.raises(OSError, match="bad.png is not a readable picture.*Mend or remove"):
        load_images("folder", root=tmp_path)


def test_missing_and_empty_folders_are_named(tmp_path):
    with pytest.raises(ValueError, match="needs root="):
        load_images("folder")
    with pytest.raises(FileNotFoundError, match="There is no folder .*nowhere"):
        load_images("folder", root=tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="one folder a class"):
        load_images("folder", root=tmp_path)
    picture(tmp_path / "loose.png")
    with pytest.raises(FileNotFoundError, match="one folder a class"):
        load_images("folder", root=tmp_path)
    picture(tmp_path / "full" / "one.png")
    (tmp_path / "hollow").mkdir()
    with pytest.raises(FileNotFoundError, match="No pictures in .*hollow"):
        load_images("folder", root=tmp_path)
    shutil.rmtree(tmp_path / "hollow")
    assert len(load_images("folder", root=tmp_path)) == 1


def test_a_picture_of_a_folder_is_resized_as_every_other(tmp_path):
    (tmp_path / "a").mkdir()
    for size_now in (8, 64):
        noise = np.random.default_rng(0).integers(256, size=(size_now, size_now), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "a" / "one.png")
        image = load_images("folder", size=16, root=tmp_path).images[0, ..., 0]
        assert np.array_equal(image, resize(noise, 16))


@pytest.mark.parametrize("size", [8, 512])
def test_the_smallest_and_the_largest_size_are_possible(tmp_path, size):
    picture(tmp_path / "a" / "one.png")
    assert load_images("folder", size=size, root=tmp_path).size == size
