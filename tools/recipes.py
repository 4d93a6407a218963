"""The recipes of the notebooks, and a peer's: networks, steps, batches and samples of each."""

import ast
import contextlib
import io
import os
import sys
from pathlib import Path

import nbformat
import numpy as np

import course_utils

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
KEPT = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign)
SAMPLES = 2000
DCGAN_STEPS = 2000
Z_SEED = 1000  # Not that of the streams: a sample shows no z that G was trained on.


def load_mnist():
    """Load MNIST from COURSE_DATA: 50,000 digits to learn from and 10,000 others."""
    root = os.environ.get("COURSE_DATA")
    if not root or not Path(root, "MNIST").is_dir():
        sys.exit(
            "MNIST is missing: set the environment variable COURSE_DATA to a folder that holds "
            f"MNIST/raw, as torchvision stores it. It is now {root!r}."
        )
    return course_utils.load_images("mnist", root=root).split(5 / 6, seed=0)


def from_notebook(notebook, stop, learned=None):
    """Run a notebook's imports, definitions and assignments up to the cell with ``stop``.

    Where the notebook loads the digits, it gets ``learned`` if that is given. Trainings are left
    out, and what needs their results fails and is left out, too: the recipes need none of it.
    Returns all names.
    """
    from IPython.core.interactiveshell import InteractiveShell

    load_images = course_utils.load_images
    if learned is not None:
        course_utils.load_images = lambda name="digits", **options: (
            learned if name in ("digits", "digits-blurred") else load_images(name, **options)
        )
    shell = InteractiveShell.instance()
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        if stop in cell.source:
            return shell.user_ns
        if "nbval-ignore-output" in cell.metadata.get("tags", []):
            continue
        for statement in ast.parse(cell.source).body:
            if isinstance(statement, KEPT):
                with contextlib.redirect_stdout(io.StringIO()):
                    shell.run_cell(ast.unparse(statement))  # It prints its error and goes on.
    raise ValueError(f"no cell of {notebook} contains {stop!r}")


def chapter_04(framework):
    """Return step, batches and sample() of chapter 04's DCGAN; its rates end with its steps."""
    stop = "step_torch, gan_torch = make_gan_torch("
    space = from_notebook(NOTEBOOKS / "04_dcgan.ipynb", stop, load_mnist()[0])
    short = "torch" if framework == "torch" else "tf"
    size, channels, width = (space[name] for name in ("SIZE", "CHANNELS", "WIDTH"))
    step, gan = space[f"make_gan_{short}"](size, channels, width, width, DCGAN_STEPS)
    z = np.random.default_rng(Z_SEED).normal(size=(SAMPLES, space["Z_SIZE"])).astype(np.float32)
    batches = space["stream"](framework, space["images"])
    return step, batches, lambda: space[f"sample_{short}"](gan["G_ema"], z)


def robust(framework):
    """Return step, batches and sample() of chapter 11's recipe, with rates that never fall."""
    space = from_notebook(
        NOTEBOOKS / "11_stable_training.ipynb", "digits_torch = train(", load_mnist()[0]
    )
    G, D, G_mean, step = space["make_digit_gan_torch"]()
    short = "torch"
    if framework == "tensorflow":
        short = "tf"
        _, _, G_mean, step = space["make_digit_gan_tf"](G, D)
    learned, _ = load_mnist()
    batches = space["digit_stream"](
        framework, learned, getattr(space["runtime"], f"{short}_device")
    )
    z = np.random.default_rng(Z_SEED).normal(size=(SAMPLES, space["Z_SIZE"])).astype(np.float32)
    return step, batches, lambda: space[f"draw_digits_{short}"](G_mean, z)


def peer(framework):
    """Return step, batches and sample() of the tutorial's recipe."""
    runtime = course_utils.setup(seed=0)
    learned, _ = load_mnist()
    make = peer_torch if framework == "torch" else peer_tf
    step, sample = make(
        np.random.default_rng(Z_SEED).normal(size=(SAMPLES, 100)).astype(np.float32)
    )
    device = runtime.torch_device if framework == "torch" else runtime.tf_device
    batches = ((x_real,) for x_real in learned.batches(framework, 256, 0, device))
    return step, batches, sample


def peer_tf(z_samples):
    """Build the tutorial's networks and step in TensorFlow.

    5 x 5 kernels, leaky ReLU with Keras' slope of 0.3, Keras' own first weights, dropout in D, Adam
    with 1e-4, and gradients of both players from one pass, before either has moved.
    """
    import keras
    import tensorflow as tf
    from keras import layers

    G = keras.Sequential([layers.Input((100,)), layers.Dense(7 * 7 * 256, use_bias=False)])
    for maps, stride in ((128, 1), (64, 2), (1, 2)):
        G.add(layers.BatchNormalization())
        G.add(layers.LeakyReLU())
        if maps == 128:
            G.add(layers.Reshape((7, 7, 256)))
        G.add(layers.Conv2DTranspose(maps, 5, stride, padding="same", use_bias=False))
    G.add(layers.Activation("tanh"))
    D = keras.Sequential([layers.Input((28, 28, 1))])
    for maps in (64, 128):
        D.add(layers.Conv2D(maps, 5, strides=2, padding="same"))
        D.add(layers.LeakyReLU())
        D.add(layers.Dropout(0.3))
    D.add(layers.Flatten())
    D.add(layers.Dense(1))
    adams = keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-4)

    def bce(target, logits):
        targets = tf.fill(tf.shape(logits), target)
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(targets, logits))

    @tf.function
    def step(x_real):
        with tf.GradientTape(persistent=True) as tape:
            x_fake = G(tf.random.normal((len(x_real), 100)), training=True)
            real_logits, fake_logits = D(x_real, training=True), D(x_fake, training=True)
            d_loss = bce(1.0, real_logits) + bce(0.0, fake_logits)
            g_loss = bce(1.0, fake_logits)
        for loss, network, adam in zip((g_loss, d_loss), (G, D), adams, strict=True):
            variables = network.trainable_variables
            adam.apply(tape.gradient(loss, variables), variables)
        return {"d_loss": d_loss, "g_loss": g_loss}

    return step, lambda: G(tf.constant(z_samples), training=False)


def peer_torch(z_samples):
    """Build the same in PyTorch, with Keras' first weights and batch normalisation."""
    import torch
    from torch import nn

    G_blocks = [nn.Linear(100, 7 * 7 * 256, bias=False)]
    for before, maps, stride in ((256, 128, 1), (128, 64, 2), (64, 1, 2)):
        features = 7 * 7 * 256 if before == 256 else before
        norm = nn.BatchNorm1d if before == 256 else nn.BatchNorm2d
        G_blocks += [norm(features, eps=1e-3, momentum=0.01), nn.LeakyReLU(0.3)]
        G_blocks += [nn.Unflatten(1, (256, 7, 7))] if before == 256 else []
        G_blocks += [nn.ConvTranspose2d(before, maps, 5, stride, 2, stride - 1, bias=False)]
    G = nn.Sequential(*G_blocks, nn.Tanh())
    D_blocks = []
    for before, maps in ((1, 64), (64, 128)):
        D_blocks += [nn.Conv2d(before, maps, 5, 2, 2), nn.LeakyReLU(0.3), nn.Dropout(0.3)]
    D = nn.Sequential(*D_blocks, nn.Flatten(), nn.Linear(7 * 7 * 128, 1))
    for layer in (*G, *D):
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.xavier_uniform_(layer.weight)
        if isinstance(layer, (nn.Linear, nn.Conv2d)) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    adams = [torch.optim.Adam(network.to(device).parameters(), 1e-4) for network in (G, D)]
    bce = nn.functional.binary_cross_entropy_with_logits

    def step(x_real):
        x_fake = G(torch.randn(len(x_real), 100, device=device))
        real_logits, fake_logits = D(x_real), D(x_fake)
        ones, zeros = torch.ones_like(real_logits), torch.zeros_like(real_logits)
        d_loss = bce(real_logits, ones) + bce(fake_logits, zeros)
        g_loss = bce(fake_logits, ones)
        weights = list(G.parameters()), list(D.parameters())
        gradients = (
            torch.autograd.grad(g_loss, weights[0], retain_graph=True),
            torch.autograd.grad(d_loss, weights[1]),
        )
        for parameters, values, adam in zip(weights, gradients, adams, strict=True):
            for parameter, value in zip(parameters, values, strict=True):
                parameter.grad = value
            adam.step()
        return {"d_loss": d_loss, "g_loss": g_loss}

    def sample():
        G.eval()
        with torch.no_grad():
            x_fake = G(torch.from_numpy(z_samples).to(device))
        G.train()
        return x_fake

    return step, sample


RECIPES = {"chapter 04": chapter_04, "robust": robust, "peer": peer}
