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
GENERATOR_TORCH

# %% jupyter={"source_hidden": true}
GENERATOR_TF

# %% [markdown]
# Fill PyTorch's generator with the weights from the file, copy them to TensorFlow's, and give it 64
# vectors of ten random numbers:

# %%
G_torch, G_tf = make_generator_torch(), make_generator_tf()
load_checkpoint(files("course_utils") / "weights" / "generator_digits.safetensors", {"G": G_torch})
copy_weights(G_torch, G_tf)
z = np.random.default_rng(0).uniform(-1, 1, (64, 10)).astype(np.float32)
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
generated, real = as_images(digits_torch)[:8], as_images(digits.images)
distances = np.square(generated[:, None] - real[None]).sum(axis=(2, 3, 4))
nearest = distances.argmin(axis=1)
show_samples(
    {"generated": generated, "nearest real digit": real[nearest]},
    "Eight generated digits, and below them the real digits that are nearest: alike, but none "
    "the same.",
    columns=8,
)

# %%
check("generated digits with an equal real one", np.sum(distances.min(axis=1) < 1), at_most=0)

# %% [markdown]
# *Figure 2. No copies: each differs from its nearest real digit.*
#
# Move the slider: each number is another set of random vectors, and each draws digits that have not
# been seen before.

# %%
def draw_digits(seed):
    z = np.random.default_rng(seed).uniform(-1, 1, (32, 10)).astype(np.float32)
    pictures = tile(as_images(G_tf(z, training=False)), columns=8)
    figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
    axis.imshow(pictures, cmap="gray")
    axis.axis("off")
    return figure


Explorer(draw_digits, "Thirty-two generated digits.", sliders={"seed": (0, 200, 1)})

# %% [markdown]
# The same kind of network makes colour pictures. This one learned house numbers:

# %%
G_street = make_generator_torch(size=32, channels=3, width=16)
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
#
# ## The map
#
# | Chapter | You make | Minutes to run | to study |
# |---|---|---|---|
# MAP
