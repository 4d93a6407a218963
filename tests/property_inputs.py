"""Inputs that nobody thought of, and what a function of the course may do with them."""

import copy
import traceback
import warnings
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import course_utils

HOME = Path(course_utils.__file__).parent
tried = Counter()  # How many inputs each function got.
DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint64")
DTYPES += ("float16", "float32", "float64", "complex64", "U2", "O")
HARSH = [np.nan, np.inf, -np.inf, 1e30, -1e31, 1e300, -1e300, 5e-324, 0.0, -0.0, 1.0, -1.0, 1.5]


def shapes(least=0, most=5, sides=(0, 5)):
    return hnp.array_shapes(min_dims=least, max_dims=most, min_side=sides[0], max_side=sides[1])


@st.composite
def wild_arrays(draw, shape=None):
    """Arrays of any kind, shape and content, sliced views among them."""
    kind = draw(st.sampled_from(DTYPES))
    shape = draw(shapes() if shape is None else shape)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    if kind == "O":
        return np.full(shape, None)
    if kind == "U2":
        return rng.integers(0, 9, shape).astype("U2")
    if np.dtype(kind).kind in "biu":
        high = draw(st.sampled_from([1, 3, 127, 1 << 7 * np.dtype(kind).itemsize]))
        return rng.integers(-high if np.dtype(kind).kind == "i" else 0, high, shape).astype(kind)
    array = rng.uniform(-1, 1, shape)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = array.astype(kind)
        if array.size and draw(st.booleans()):
            array.flat[rng.integers(array.size)] = draw(st.sampled_from(HARSH))
    return array[..., ::-1] if array.ndim and draw(st.booleans()) else array


@st.composite
def features(draw, width):
    """Arrays that are features of some kind, as often good as bad."""
    if draw(st.integers(0, 3)) == 0:
        return draw(wild_arrays())
    shape = draw(st.tuples(st.integers(1, 8), width))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = draw(st.sampled_from([0.0, 1e-300, 1e-12, 1.0, 1e6, 2e19, 1e21]))
    kind = draw(st.sampled_from(["float32", "float64"]))
    return np.clip(rng.normal(size=shape) * size, -3e38, 3e38).astype(kind)


def wild_scalars():
    """Values that a scalar argument may get by a slip."""
    return st.one_of(
        st.sampled_from([None, True, False, 0, 1, 2, 3, -1, 2.0, 0.5, 1e300, 10**400, 2**63]),
        st.sampled_from([np.nan, np.inf, -np.inf, "", "1", "nan", b"1", 1j, np.int64(3)]),
        st.sampled_from([np.float32(2), np.array([1, 2]), [], [1], (), {}, set(), object, len]),
        st.integers(-5, 20),
        st.floats(-2, 2),
        st.text(max_size=5),
    )


def wild_things():
    """Scalars, arrays, and lists and dicts of them."""
    inner = st.one_of(wild_scalars(), wild_arrays())
    names = st.one_of(st.text(max_size=3), st.integers(0, 3))
    return st.one_of(inner, st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3))


def attempt(function, *arguments, allowed=(), **options):
    """Call a function; return ``[result]`` if it gave one, ``[]`` if it refused as it should.

    As it should: a ``ValueError``, a ``TypeError`` or what its docstring names, raised by the
    course's own code and with a message; the arguments are as before and no figure is open.
    A warning is an error here.
    """
    tried[getattr(function, "__qualname__", repr(function))] += 1
    before = [copy.deepcopy(x) for x in (*arguments, *options.values()) if plain(x)]
    figures = set(plt.get_fignums())
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found.append(function(*arguments, **options))
        except (ValueError, TypeError, *allowed) as error:
            where = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
            assert HOME in where.parents, f"{function} left it to a library to refuse: {error!r}"
            assert len(str(error)) > 15, f"{function} says too little: {error!r}"
    after = [x for x in (*arguments, *options.values()) if plain(x)]
    assert all(same(one, other) for one, other in zip(before, after, strict=True))
    left = set(plt.get_fignums()) - figures
    assert not left, f"{function} left a figure open"
    return found


def plain(thing):
    return isinstance(thing, (np.ndarray, list, dict, tuple, int, float, str))


def same(one, other):
    if isinstance(one, np.ndarray):
        nans = one.dtype.kind in "fc"
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=nans)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other)
