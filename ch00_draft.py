# ---
# jupyter:
#   kernelspec:
#     name: python3
#     display_name: Python 3
#     language: python
# ---

# %% [markdown]
# # Start here: see what a GAN makes, and check your machine
#
# About 1 minute to run on two CPU cores, about 25 minutes to study.
#
# **You will**
#
# 1. draw digits that nobody wrote, from generators that come with the course;
# 2. know what a generative model is, and where GANs stand beside other kinds;
# 3. meet the game of two networks that made them;
# 4. see what PyTorch and TensorFlow find on your machine;
# 5. run one computation in both frameworks and see that it is the same.
#
# **You need** Python and the idea of a neural network that is trained by gradient descent. You do
# not need a GPU, and you do not need a network connection.

# %% [markdown]
# Run the next cell first, here and in every chapter. Click into it and press Shift+Enter. It
# imports both frameworks, gives both the same seed, and shows what each of them sees. The first
# import takes some seconds.

# %%
from course_utils import Explorer, as_images, assert_twins, check, copy_weights, load_checkpoint
from course_utils import load_images, setup, show_figure, show_samples, show_twins, tile

runtime = setup(seed=0)

# %%
import math
from importlib.resources import files

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
import torch
from keras import layers
from torch import nn

# %% [markdown]
# Each row of the table is one framework. *Trains on* names the graphics card if the framework can
# use it, else the CPU. The two rows may differ: on Windows, for example, PyTorch can often use a
# graphics card that TensorFlow cannot. The course works either way, because every chapter is sized
# for two CPU cores. The last line says how long a chapter's minutes are here: `setup` times a matrix
# product and a convolution in each framework, and compares them with the machine on which the minutes
# were measured.
#
# ## Digits that nobody wrote
#
# A *generator* is a network that turns random numbers into a picture. Two trained ones come with the
# course. The next two cells are folded: they build the generator of chapter 04, once in each
# framework. You will write it yourself there, so skip it now.

# %% jupyter={"source_hidden": true}
# The generator of chapter 04 in PyTorch.
def make_generator_torch(size=28, channels=1, width=32, z_size=16):
    doublings = math.ceil(math.log2(size / 4))
    maps = width * 2 ** (doublings - 1)
    blocks = [
        nn.Linear(z_size, 4 * 4 * maps, bias=False),
        nn.Unflatten(1, (maps, 4, 4)),
        nn.BatchNorm2d(maps),
        nn.ReLU(),
    ]
    for _ in range(doublings - 1):
        blocks += [
            nn.ConvTranspose2d(maps, maps // 2, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(maps // 2),
            nn.ReLU(),
        ]
        maps = maps // 2
    cut = (4 * 2**doublings - size) // 2  # pixels to leave out at each side
    blocks += [nn.ConvTranspose2d(maps, channels, 4, stride=2, padding=1 + cut), nn.Tanh()]
    return nn.Sequential(*blocks)

# %% jupyter={"source_hidden": true}
# The generator of chapter 04 in TensorFlow.
def batch_norm_tf():
    return layers.BatchNormalization(epsilon=1e-5, momentum=0.9)  # PyTorch's defaults


def make_generator_tf(size=28, channels=1, width=32, z_size=16):
    doublings = math.ceil(math.log2(size / 4))
    maps = width * 2 ** (doublings - 1)
    blocks = [layers.Dense(4 * 4 * maps, use_bias=False), layers.Reshape((4, 4, maps))]
    blocks += [batch_norm_tf(), layers.ReLU()]
    for _ in range(doublings - 1):
        blocks += [
            layers.Conv2DTranspose(maps // 2, 4, strides=2, padding="same", use_bias=False),
            batch_norm_tf(),
            layers.ReLU(),
        ]
        maps = maps // 2
    cut = (4 * 2**doublings - size) // 2  # pixels to leave out at each side
    blocks += [
        layers.Conv2DTranspose(channels, 4, strides=2, padding="same"),
        layers.Cropping2D(cut),
        layers.Activation("tanh"),
    ]
    return keras.Sequential([layers.Input((z_size,)), *blocks])

# %% [markdown]
# Fill PyTorch's generator with the weights from the file, copy them to TensorFlow's, and give it 64
# vectors of sixteen random numbers:

# %%
G_torch, G_tf = make_generator_torch(), make_generator_tf()
load_checkpoint(files("course_utils") / "weights" / "generator_digits.safetensors", {"G": G_torch})
copy_weights(G_torch, G_tf)
z = np.random.default_rng(0).normal(size=(64, 16)).astype(np.float32)
G_torch.eval()
with torch.no_grad():
    digits_torch = G_torch(torch.from_numpy(z))
digits_tf = G_tf(z, training=False)

# %%
digits = load_images("digits")
show_samples(
    {"written by people": digits.images[:64], "made by a generator": digits_torch},
    "Sixty-four real handwritten digits, and sixty-four generated ones: all ten digits, thin and "
    "thick, upright and slanted, about as clear as the real ones.",
)

# %% [markdown]
# *Figure 1. Left: real handwriting. Right: the output of a network for 64 random vectors.*
#
# Notice how varied they are. Is any of them a copy? Below each of eight generated digits stands the
# real digit that is nearest to it, pixel by pixel:

# %%
from sklearn.neighbors import NearestNeighbors

generated, real = as_images(digits_torch), as_images(digits.images)
flat = real.reshape(len(real), -1)
search = NearestNeighbors(n_neighbors=2).fit(flat)
distances, nearest = search.kneighbors(generated.reshape(64, -1))
show_samples(
    {"generated": generated[:8], "nearest real digit": real[nearest[:8, 0]]},
    "Eight generated digits, and below them the real digits that are nearest: alike, but none "
    "the same.",
    columns=8,
)

# %% [markdown]
# *Figure 2. Generated digits (above), and the nearest real ones (below).*
#
# None is a copy. As a measure take the mean squared difference of a pixel, from 0 to 1. Two real
# digits that are nearest to each other differ by about as much:

# %%
to_real = distances[:, 0] ** 2 / flat.shape[1]
among_real = search.kneighbors(flat)[0][:, 1] ** 2 / flat.shape[1]  # the nearest of all is itself
check("generated to nearest real digit, smallest", to_real.min(), at_least=0.005)
check("the same, mean", to_real.mean(), at_least=0.01, at_most=0.1)
check("real to nearest other real digit, mean", among_real.mean(), at_least=0.01, at_most=0.1)

# %% [markdown]
# Move the slider: each number is another set of random vectors, and each draws digits that have not
# been seen before.

# %%
def draw_digits(seed):
    z = np.random.default_rng(seed).normal(size=(32, 16)).astype(np.float32)
    pictures = tile(as_images(G_tf(z, training=False)), columns=8)
    figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
    axis.imshow(pictures, cmap="gray")
    axis.axis("off")
    return figure


Explorer(draw_digits, "Thirty-two generated digits.", sliders={"seed": (0, 200, 1)})

# %% [markdown]
# The same kind of network makes colour pictures. This one learned house numbers:

# %%
G_street = make_generator_torch(size=32, channels=3)
load_checkpoint(files("course_utils") / "weights" / "generator_street.safetensors", {"G": G_street})
G_street.eval()
with torch.no_grad():
    street_generated = G_street(torch.from_numpy(z))
street = load_images("street")
show_samples(
    {"real": street.images[:32], "generated": street_generated[:32]},
    "House numbers in colour: real ones, and generated ones with digits of the same kinds.",
)

# %% [markdown]
# *Figure 3. House numbers, real and generated.*
#
# Both frameworks hold the same generator, as everywhere in this course. The same vectors give the
# same digits:

# %%
difference = np.abs(as_images(digits_torch) - as_images(digits_tf)).max()
check("largest difference between the frameworks' digits", difference, at_most=1e-4)
print(assert_twins(G_torch, G_tf, z[:8]))

# %% [markdown]
# ## What is a generative model?
#
# A classifier gets a picture and names it. A *generative model* gets many pictures and learns to make
# more of the same kind. In the language of probability, the pictures are samples of an unknown
# distribution $p_\text{data}$, and the model learns to draw samples from a distribution $p_G$ that is
# close to it. There are several ways to learn one.
#
# | Kind | It learns by | One sample takes | Strong at | Weak at |
# |---|---|---|---|---|
# | autoregressive models ([PixelRNN, 2016](https://arxiv.org/abs/1601.06759)) | predicting the next pixel or token | as many passes as there are pixels | exact likelihood | speed |
# | variational autoencoders ([2013](https://arxiv.org/abs/1312.6114)) | squeezing pictures into a code and restoring them | one pass | a code for each picture, stable training | blurred samples |
# | normalising flows ([Real NVP, 2016](https://arxiv.org/abs/1605.08803)) | an invertible map to a normal density | one pass | exact likelihood | needs large networks |
# | **GANs** ([2014](https://arxiv.org/abs/1406.2661)) | a game against a critic that learns, too | one pass | sharp samples, speed | training is a balance; no likelihood; modes can get lost |
# | diffusion models ([2020](https://arxiv.org/abs/2006.11239)) | removing noise, step by step | tens of passes | quality, variety, stable training | speed |
#
# The large text-to-picture systems of today are diffusion models or autoregressive ones. Why learn
# GANs, then?
#
# * *One step.* A GAN draws a sample in a single pass. The fastest diffusion models get down to one to
#   four steps by training with a discriminator: adversarial diffusion distillation
#   ([Sauer et al. 2023](https://arxiv.org/abs/2311.17042)), distribution matching distillation
#   ([Yin et al. 2024](https://arxiv.org/abs/2405.14867)).
# * *Sharp details.* Super-resolution uses them ([SRGAN, 2016](https://arxiv.org/abs/1609.04802);
#   [Real-ESRGAN, 2021](https://arxiv.org/abs/2107.10833)). So does the autoencoder inside latent
#   diffusion ([Rombach et al. 2021](https://arxiv.org/abs/2112.10752)): it is trained with an
#   adversarial loss.
# * *The idea.* A loss that is learned by a second network, and two networks that train against each
#   other, are worth knowing beyond pictures.
#
# ## The forger and the guard
#
# How did the generator learn? There is a party tonight, and you have no ticket. You have never seen a
# real ticket either. But you own a printer, so you become a *forger*.
#
# At the door stands a *guard*. He has seen some real tickets, and he compares. He looks at your
# paper and says how likely he finds it that it is real. You go home, change what he disliked, and
# come back. He remembers your last attempt and looks more closely. Neither of you is good at the
# start. Each gets better because the other does. If the game goes well, it ends when your tickets
# are so good that the guard can only toss a coin.
#
# A *generative adversarial network*, GAN for short, is this game played by two neural networks:
#
# * the **generator** $G$ is the forger. It turns a random vector $z$, the *latent vector*, into a
#   picture $G(z)$. It never sees a real picture;
# * the **discriminator** $D$ is the guard. It turns a picture $x$ into one number $D(x)$ between 0
#   and 1: how probable it finds it that $x$ is real.

# %% jupyter={"source_hidden": true}
# Draw Figure 4: what flows forward, and where the two gradients go.
boxes = {
    "random\nvector z": (0.06, 0.35, "#eeeeee"),
    "generator G\n(the forger)": (0.24, 0.35, "#f3dcea"),
    "fake\npictures": (0.43, 0.35, "#f3dcea"),
    "real\npictures": (0.43, 0.85, "#cdeee2"),
    "discriminator D\n(the guard)": (0.66, 0.6, "#dddddd"),
    "D(x): real?\n0 to 1": (0.91, 0.6, "#eeeeee"),
}
forward = [((0.11, 0.35), (0.165, 0.35)), ((0.315, 0.35), (0.38, 0.35)), ((0.48, 0.38), (0.6, 0.5))]
forward += [((0.48, 0.83), (0.6, 0.7)), ((0.745, 0.6), (0.85, 0.6))]
of_d = [((0.91, 0.73), (0.66, 0.74), 0.35)]
of_g = [((0.91, 0.47), (0.68, 0.46), -0.3), ((0.64, 0.46), (0.45, 0.22), -0.25)]
of_g += [((0.41, 0.22), (0.26, 0.22), -0.3)]
figure, axis = plt.subplots(figsize=(10, 3.6))
for text, (x, y, colour) in boxes.items():
    frame = {"boxstyle": "round,pad=0.5", "facecolor": colour, "edgecolor": "0.3"}
    axis.text(x, y, text, ha="center", va="center", fontsize=11, color="black", bbox=frame)

# %% jupyter={"source_hidden": true}
# Draw the arrows of Figure 4.
for start, end in forward:
    axis.annotate("", end, start, arrowprops={"arrowstyle": "->", "lw": 1.5, "color": "0.2"})
for arrows, colour in ((of_d, "#0072b2"), (of_g, "#cc3377")):
    for start, end, bend in arrows:
        style = {"arrowstyle": "->", "ls": "--", "lw": 1.5, "color": colour}
        axis.annotate("", end, start, arrowprops=style | {"connectionstyle": f"arc3,rad={bend}"})
axis.text(0.79, 0.95, "D's gradient: stops at D", color="#0072b2", ha="center")
axis.text(0.6, 0.08, "G's gradient: through D, to the fake pictures, to G", color="#cc3377", ha="center")
axis.set(xlim=(0, 1), ylim=(0, 1))
axis.axis("off")
show_figure(
    figure,
    "Diagram: a random vector z enters the generator, the forger, which makes fake pictures. Fake and "
    "real pictures enter the discriminator, the guard, which says how real each is. D's gradient "
    "flows from its answer back into D. G's gradient flows from D's answer through D and the fake "
    "pictures back into G.",
)

# %% [markdown]
# *Figure 4. The game. Solid arrows carry pictures and numbers forward, dashed ones carry gradients
# back.*
#
# Follow the dashed arrows. $D$ learns from its own answers, on real and on fake pictures. $G$ learns
# *only* through $D$: its gradient says how each pixel of a fake should change to look more real to $D$,
# and passes on from the pixels into $G$. That is why $D$ must neither be too weak, since it then has
# nothing to teach, nor sure of everything, since its answer then hardly changes with the picture.
# Chapters 01 and 02 put numbers on this.

# %% [markdown]
# ## The map
#
# | Chapter | You make | Minutes to run | to study |
# |---|---|---|---|
# | 00 Start here | digits from ready generators; one computation, twice | 1 | 30 |
# | 01 The min-max game | the game in one and two dimensions, played and drawn | 1 | 75 |
# | 02 The optimal discriminator | the best D, by counting, by training and by proof | 1 | 50 |
# | 03 Transposed convolution | the layer that enlarges, by hand and in both frameworks | 1 | 70 |
# | 04 DCGAN | a generator of digits and one of house numbers, from nothing | 4 | 45 |
# | 05 Latent space | walks between digits, arithmetic with them | 2 | 35 |
# | 06 CGAN | digits of the class you ask for | 2 | 35 |
# | 07 ACGAN | the same with a classifier inside D | 2 | 30 |
# | 08 InfoGAN | a generator that finds the classes without labels | 2 | 40 |
# | 09 Evaluating GANs | scores, their floors, and tricks that fool them | 2 | 40 |
# | 10 Stable training | collapses, counted and cured | 3 | 70 |
# | 11 Debugging clinic | twelve broken GANs, repaired | 2 | 45 |
#
# Read 00 to 04 in this order. After 04, take what you need: 05, 09 and 10 stand alone; 06 comes before
# 07 and 08. The minutes to run are for two CPU cores.

# %% [markdown]
# ## Real pictures, without a download
#
# The forger needs something to imitate. `load_images("digits")` gives you 1,797 real handwritten
# digits. They come with the scikit-learn package, so nothing is downloaded. They were
# stored as 8 × 8 counts of ink, and the course draws strokes of 28 × 28 pixels from these, the size of the
# famous MNIST pictures.

# %%
digits = load_images("digits")
print(digits)
print("pixels:", digits.images.dtype, "from", digits.images.min(), "to", digits.images.max())
print("pictures of each class:", np.bincount(digits.labels))

# %% [markdown]
# The shape of the whole set is (pictures, height, width, channels). A grey picture has one
# channel, a colour picture has three. Here are the first ten pictures and, below them, ten of the
# colour set `street`, which the course composes from the same digits.

# %%
street = load_images("street", size=28)
show_samples(
    {"digits": digits.images[:10], "street": street.images[:10]},
    columns=5,
    description="The ten digits 0 to 9 in white on black, and the same ten digits in colour "
    "on coloured walls with their neighbours cut off, like house numbers.",
)

# %% [markdown]
# *Figure 5. The first ten pictures of the two sets that need no network.*
#
# Notice the strokes: flat inside, with a soft edge one pixel wide. Thin loops are sometimes open, where 8 × 8 counts
# did not hold the gap. Your GANs will imitate that as well, because for them it is part of what "real" means.

# %% [markdown]
# ## One computation, two frameworks
#
# Everything in this course is written twice, in PyTorch and in TensorFlow. Before you trust that
# two long trainings are the same, check something small. A *convolution* slides a small array of
# weights, the *kernel*, over a picture. At each place it multiplies and sums. This kernel responds
# to strokes that are bright on the right and dark on the left:

# %%
kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
x = digits.scaled()[:5]
print("x:", x.shape, "from", x.min(), "to", x.max())


# %% [markdown]
# The pictures are now float numbers in $[-1, 1]$, as GANs use them. One thing differs between the
# frameworks at once. PyTorch wants the channels before height and width: (N, C, H, W), called
# *NCHW*. TensorFlow wants them last: (N, H, W, C), called *NHWC*. The weights are ordered
# differently, too. The two functions below do the same thing, each in its own layout.

# %%
def edges_torch(x):
    x = torch.from_numpy(x).permute(0, 3, 1, 2)  # NHWC to NCHW
    weights = torch.from_numpy(kernel)[None, None]  # (out, in, height, width)
    return torch.nn.functional.conv2d(x, weights, padding=1)


# %%
def edges_tf(x):
    x = tf.constant(x)  # NHWC already
    weights = tf.constant(kernel)[..., None, None]  # (height, width, in, out)
    return tf.nn.conv2d(x, weights, strides=1, padding="SAME")


# %% [markdown]
# Two columns make it easy to compare them line by line:

# %%
show_twins(edges_torch, edges_tf)

# %% [markdown]
# The prose predicts shapes of (5, 1, 28, 28) and (5, 28, 28, 1). After moving the channels, the
# numbers should agree up to rounding. A `float32` keeps about seven decimal digits.

# %%
y_torch, y_tf = edges_torch(x), edges_tf(x)
print("PyTorch:", tuple(y_torch.shape), " TensorFlow:", tuple(y_tf.shape))
difference = np.abs(y_torch.permute(0, 2, 3, 1).numpy() - y_tf.numpy()).max()
check("largest difference between the frameworks", difference, at_most=1e-5)

# %%
show_samples(
    {"PyTorch": y_torch / 8, "TensorFlow": y_tf / 8},
    columns=5,
    description="The same five digits as grey relief in both frameworks: left edges of "
    "the strokes are bright, right edges are dark.",
)

# %% [markdown]
# *Figure 6. The same convolution in both frameworks, divided by 8 to fit into $[-1, 1]$.*
#
# Notice the bars at the left and right margins. Padding adds zeros around the picture, but the
# background is $-1$: to the kernel, that is an edge. Chapter 03 looks at padding closely.
#
# The pictures of the two frameworks are equal. This is the pattern of the whole course: *write it twice, then prove it
# equal, then use it*. A `check` line prints what was measured and, in brackets, the bound that
# must hold. The measured number depends on your processor; the bound holds everywhere.

# %% [markdown]
# ## Gradients agree, too
#
# Training needs gradients. Take the mean of all squared responses,
# $L = \frac{1}{n}\sum_i y_i^2$, and ask both frameworks for its gradient with respect to the
# pictures. In PyTorch you mark the input, compute, and call `backward`. In TensorFlow you compute
# inside a `GradientTape`.

# %%
x_torch = torch.from_numpy(x).permute(0, 3, 1, 2).requires_grad_()
weights = torch.from_numpy(kernel)[None, None]
loss_torch = torch.nn.functional.conv2d(x_torch, weights, padding=1).square().mean()
loss_torch.backward()
gradient_torch = x_torch.grad.permute(0, 2, 3, 1).numpy()

# %%
x_tf = tf.constant(x)
weights = tf.constant(kernel)[..., None, None]
with tf.GradientTape() as tape:
    tape.watch(x_tf)
    loss_tf = tf.reduce_mean(tf.square(tf.nn.conv2d(x_tf, weights, strides=1, padding="SAME")))
gradient_tf = tape.gradient(loss_tf, x_tf).numpy()

# %%
print(f"L: PyTorch {loss_torch.item():.4f}, TensorFlow {float(loss_tf):.4f}")
check(
    "largest difference of the gradients", np.abs(gradient_torch - gradient_tf).max(), at_most=1e-6
)

# %% [markdown]
# ## How to read the side-by-side cells
#
# * A PyTorch cell comes first, its TensorFlow *twin* directly after it. They have the same names,
#   the same order and the same structure. Read one, then look for what differs in the other.
# * Names end in `_torch` or `_tf` where both live in one notebook: `G_torch`, `G_tf`. The field's
#   usual names stand for the same things everywhere: `z`, `x_real`, `x_fake`, `d_loss`, `g_loss`.
# * Colours are fixed: PyTorch is orange-red, TensorFlow is blue, real data is green, generated
#   data is pink. They were chosen so that colour-blind readers can tell them apart.
# * After a formula comes a cell that computes it. After a training comes a cell with `check`
#   lines: it fails if the result is not good enough. The bounds come from twenty runs (ten from
#   chapter 04 on): other seeds, other numbers of threads, other processors.
# * You may change any cell and run it again. *Kernel > Restart Kernel and Run All Cells* brings
#   you back to a clean state.
#
# The small package `course_utils` holds the plumbing: loading pictures, drawing figures, the
# progress bar. It holds no GAN. Every network and every training step stands in the notebooks,
# where you can see and change it. Add a question mark to read about a helper: `load_images?`.

# %% [markdown]
# ## When something fails
#
# An error message of the course says what you gave, what it expected, and what to do. Read its
# last line first. Here is one, made on purpose: a name with a typing mistake.

# %%
try:
    load_images("digit")
except ValueError as error:
    print(error)

# %% [markdown]
# ## Common failures
#
# | What you see | Why | What to do |
# |---|---|---|
# | `ModuleNotFoundError: course_utils` | Jupyter runs in another Python | start it with the README's first command |
# | `TensorFlow was imported before setup()` | a cell imported TensorFlow first | restart the kernel, run the set-up cell first |
# | the kernel dies without a message | memory is full | close other notebooks (*Kernel > Shut Down All Kernels*) |
# | everything is suddenly ten times slower | two notebooks train at once | let one finish, or shut its kernel down |
# | `NameError` | a cell above was not run | *Run > Run All Above Selected Cell* |
# | `could not be downloaded` | no network | use `digits` or `street`, which need none |
# | a loss `became nan at step ...` | the training diverged | run the cell again with a smaller learning rate |
# | a slider shows only a picture | no kernel is running | run the cell once |
#
# If your copy is beyond repair, `git stash` puts your changes aside and `git pull` fetches ours.

# %% [markdown]
# ## Recap
#
# 1. A GAN is a game: $G$ makes pictures from random vectors, $D$ judges them, and each learns from
#    the other.
# 2. The device table says what each framework sees. Neither needs a GPU here.
# 3. `digits` and `street` are real handwriting that works offline.
# 4. A convolution and its gradient are the same in both frameworks, up to layout and rounding.
# 5. Twin cells share names and order, `check` cells state bounds, and errors say what to do.

# %% [markdown]
# ## On your own
#
# 1. Transpose `kernel` with `kernel.T` and run everything below it again. Which strokes light up
#    now?
# 2. Change the padding in the PyTorch twin only, to `padding=0`. Read the error that the
#    comparison gives. What does it tell you about shapes?
# 3. Load your own pictures: `load_images("folder", root="path/to/pictures", size=28)`. The folder
#    needs one sub-folder for each class.

# %% [markdown]
# ## Further reading
#
# * Goodfellow et al. (2014), *Generative Adversarial Nets*: the paper that started it; chapter 01
#   follows its sections 3 and 4.
# * Alpaydin and Kaynak (1998), *Optical Recognition of Handwritten Digits*, UCI Machine Learning
#   Repository: where the digits come from.
# * LeCun, Cortes and Burges, *The MNIST database of handwritten digits*: the larger set that you
#   can switch to by one line.
#
# Next: **01 Play the min-max game**.
