"""One picture file as the course needs it: upright, opaque, square, 8 bits a channel."""

import contextlib
import warnings
from operator import index

import numpy as np
from PIL import Image, ImageColor, ImageOps

# By suffix; the decoder is chosen among these formats only, so a PostScript file that calls itself
# .png never starts an outside program.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
FITS = ("crop", "pad", "stretch")
# What a phone or camera takes; a larger file is more likely made to fill the memory.
MOST_PIXELS = 80_000_000
# The range of numbers that a picture with these modes can hold is not 0 to 255.
SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
WIDE = ("I", "F")
GREY = ("1", "L", "LA", "La", *SIXTEEN_BITS, *WIDE)


class PictureReader:
    """Read pictures from files and bring them to one size.

    Parameters
    ----------
    size : int
        Height and width of the result, in pixels.
    fit : {"crop", "pad", "stretch"}
        What happens to a picture that is not square: its middle is cut out, it is laid on the
        background, or it is distorted.
    background : str or tuple
        The colour behind transparent pixels and beside padded pictures, as Pillow's ``ImageColor``
        takes it.
    """

    def __init__(self, size, fit, background):
        if fit not in FITS:
            raise ValueError(f"fit must be one of {', '.join(FITS)}, but got {fit!r}.")
        self.size, self.fit = size, fit
        self.background = _colour(background)

    def is_grey(self, path):
        """Say whether a file holds a grey picture; reads no pixels."""
        with _opened(path) as picture:
            if picture.mode == "P":
                palette = np.reshape(picture.getpalette("RGB"), (-1, 3))
                return bool((palette == palette[:, :1]).all())
            return picture.mode in GREY

    def read(self, path, channels):
        """Read a file.

        Parameters
        ----------
        path : path
            The file; of several pages it gives the first.
        channels : {1, 3}
            Grey or colour.

        Returns
        -------
        pixels : numpy.ndarray
            uint8 of shape (size, size, channels).
        cut : float
            The share of the picture's area that was cut off, 0 to 1.
        """
        with _opened(path) as picture:
            picture = ImageOps.exif_transpose(picture)
            picture = self._opaque(_eight_bits(picture), "L" if channels == 1 else "RGB")
        cut = 0.0
        if self.fit == "crop":
            picture, cut = _middle(picture)
        if self.fit == "pad":
            background = self._background(picture.mode)
            picture = ImageOps.pad(picture, (self.size, self.size), color=background)
        picture = picture.resize((self.size, self.size), Image.Resampling.BICUBIC)
        return np.asarray(picture).reshape(self.size, self.size, channels), cut

    def _opaque(self, picture, mode):
        """Lay a picture on the background; return it in a mode without transparency."""
        if not picture.has_transparency_data:
            return picture.convert(mode)
        # A colour that a file declares transparent needs the palette or the three channels.
        picture = picture.convert("LA" if picture.mode in ("LA", "La") else "RGBA")
        page = Image.new(mode, picture.size, self._background(mode))
        page.paste(picture.convert(mode), mask=picture.getchannel("A"))
        return page

    def _background(self, mode):
        if mode == "RGB":
            return self.background
        return Image.new("RGB", (1, 1), self.background).convert("L").getpixel((0, 0))


@contextlib.contextmanager
def _opened(path):
    """Open a picture file; every failure in the block is one ``OSError`` that names the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Odd metadata are nothing that a student could mend.
            with Image.open(path, formats=FORMATS) as picture:
                width, height = picture.size
                if width * height > MOST_PIXELS:
                    raise ValueError(
                        f"{width} x {height} pixels, and at most {MOST_PIXELS // 10**6} million "
                        "are read"
                    )
                yield picture
    except Exception as error:  # Decoders have many ways to fail on a damaged file.
        raise OSError(f"{path} is not a readable picture ({error}). Mend or remove it.") from error


def _colour(background):
    """Return a colour as red, green and blue, 0 to 255."""
    try:
        named = isinstance(background, str)
        red, green, blue, *_ = map(index, ImageColor.getrgb(background) if named else background)
        if not all(0 <= part <= 255 for part in (red, green, blue)):
            raise ValueError("a part of a colour is 0 to 255")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f'background must be a colour such as "white", "#ff8000" or (255, 128, 0), but got '
            f"{background!r}."
        ) from error
    return red, green, blue


def _eight_bits(picture):
    """Scale 16 bits by their own range, other wide numbers by the lowest and highest of them."""
    if picture.mode in SIXTEEN_BITS:
        values = np.asarray(picture, dtype=np.float64) / 257
    elif picture.mode in WIDE:
        values = np.asarray(picture, dtype=np.float64)
        if not np.isfinite(values).all():
            raise ValueError("it holds values that are not finite")
        values = 255 * (values - values.min()) / max(np.ptp(values), np.finfo(float).tiny)
    else:
        return picture
    return Image.fromarray(values.round().astype(np.uint8))


def _middle(picture):
    """Cut out the largest centred square; return it and the share that was cut off."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side))
    return square, 1 - side**2 / (picture.width * picture.height)
