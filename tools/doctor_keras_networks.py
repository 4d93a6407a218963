"""Four of the eight GANs once more, in Keras: the same rules, pictures (N, H, W, C).

See doctor_networks.py and doctor_modules.py for the papers' sections; here only what is written
another way is told.
"""

import keras
import numpy as np
import tensorflow as tf
from doctor_networks import BATCH, CLASSES, Gan, pictures
from keras import layers

SLOPE = 0.2


def tensors(size):
    """Return the pictures of doctor_networks as (N, H, W, C), and labels."""
    x, y = pictures(size)
    return tf.constant(x.permute(0, 2, 3, 1).numpy()), tf.constant(y.numpy())


def noise(*shape):
    """Return normal numbers, the same each time."""
    return tf.constant(np.random.default_rng(0).normal(size=(BATCH, *shape)).astype(np.float32))


def start(deviation=0.02):
    """Return N(0, 0.02), a standard deviation; each layer needs one of its own."""
    return keras.initializers.RandomNormal(0, deviation)


def norm():
    """Return batch normalisation with PyTorch's settings."""
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)


def up(maps, deviation=0.02):
    """Return the layers that double the size."""
    kernel = start(deviation)
    conv = layers.Conv2DTranspose(maps, 4, 2, "same", use_bias=False, kernel_initializer=kernel)
    return [conv, norm(), layers.ReLU()]


def down(maps, normalise=norm, deviation=0.02):
    """Return the layers that halve the size; ``normalise`` may be None."""
    conv = layers.Conv2D(maps, 4, 2, "same", kernel_initializer=start(deviation))
    return [conv, *([normalise()] if normalise else []), layers.LeakyReLU(SLOPE)]


def dcgan(deviation=0.02):
    """DCGAN at 64 x 64: Radford, Metz and Chintala 2015, section 3 and figure 1."""
    w, (x, _) = 4, tensors(64)
    G = [keras.Input((100,)), layers.Reshape((1, 1, 100))]
    first = {"use_bias": False, "kernel_initializer": start(deviation)}
    G += [layers.Conv2DTranspose(8 * w, 4, **first), norm(), layers.ReLU()]
    G += [part for maps in (4 * w, 2 * w, w) for part in up(maps, deviation)]
    last = {"activation": "tanh", "kernel_initializer": start(deviation)}
    G += [layers.Conv2DTranspose(3, 4, 2, "same", **last)]
    D = [keras.Input((64, 64, 3)), *down(w, None, deviation)]
    D += [part for maps in (2 * w, 4 * w, 8 * w) for part in down(maps, norm, deviation)]
    D += [layers.Conv2D(1, 4, kernel_initializer=start(deviation)), layers.Flatten()]
    pair = keras.Sequential(G), keras.Sequential(D)
    return Gan(*pair, (x, noise(100)), "cross-entropy", traits={"normal"})


def wgan_gp():
    """WGAN-GP: Gulrajani et al. 2017, sections 4 and 5, layer normalisation in the critic."""
    w, (x, _) = 8, tensors(32)
    G = [keras.Input((32,)), layers.Dense(64 * w), layers.Reshape((4, 4, 4 * w)), norm()]
    G += [layers.ReLU(), *up(2 * w), *up(w)]
    G += [layers.Conv2DTranspose(3, 4, 2, "same", activation="tanh")]

    def over_all():
        return layers.LayerNormalization(axis=(1, 2, 3))

    D = [keras.Input((32, 32, 3)), *down(w, None, 0.1), *down(2 * w, over_all, 0.1)]
    D += [*down(4 * w, over_all, 0.1), layers.Flatten(), layers.Dense(1)]
    return Gan(
        *(keras.Sequential(G), keras.Sequential(D), (x, noise(32)), "Wasserstein"),
        rounds_of_d=2,
        rates=(1e-4, 1e-4),
        betas=(0.0, 0.9),
        traits={"penalty"},
    )


def acgan():
    """ACGAN: Odena, Olah and Shlens 2016, section 3 and appendix A; functional models."""
    w, (x, y) = 8, tensors(16)
    z, label = keras.Input((32,)), keras.Input((), dtype="int64")
    h = layers.Concatenate()([z, layers.Embedding(CLASSES, 16)(label)])
    h = layers.Reshape((4, 4, 2 * w))(layers.Dense(32 * w, activation="relu")(h))
    for layer in (*up(w), layers.Conv2DTranspose(3, 4, 2, "same", activation="tanh")):
        h = layer(h)
    G = keras.Model([z, label], h)
    picture = h = keras.Input((16, 16, 3))
    for maps, stride in ((w, 2), (2 * w, 1), (4 * w, 2)):
        h = layers.Conv2D(maps, 3, stride, "same")(h)
        h = h if maps == w else norm()(h)
        h = layers.Dropout(0.5)(layers.LeakyReLU(SLOPE)(h))
    h = layers.Flatten()(h)
    D = keras.Model(picture, [layers.Dense(1)(h), layers.Dense(CLASSES)(h)])
    return Gan(
        *(G, D, (x, noise(32), y), "cross-entropy"),
        draw=lambda G, batch: G([batch[1], batch[2]], training=True),
        judge=lambda D, x, batch: D(x, training=True),
        traits={"labels in G", "classes"},
    )


class UNet(keras.Model):
    """pix2pix's G, as a subclass; dropout in training and in use as the only noise."""

    def __init__(self, w, deviation):
        super().__init__()
        self.one = keras.Sequential(down(w, None, deviation))
        self.two = keras.Sequential(down(2 * w, norm, deviation))
        self.three = keras.Sequential(down(4 * w, norm, deviation))
        self.up_one = keras.Sequential(up(2 * w, deviation))
        self.up_two = keras.Sequential(up(w, deviation))
        self.drop = layers.Dropout(0.5)
        kernel = start(deviation)
        last = {"activation": "tanh", "kernel_initializer": kernel}
        self.end = layers.Conv2DTranspose(3, 4, 2, "same", **last)

    def call(self, x, training=None):
        """Map pictures (N, 32, 32, 3) to pictures."""
        one = self.one(x, training=training)
        two = self.two(one, training=training)
        h = self.up_one(self.three(two, training=training), training=training)
        h = self.up_two(tf.concat([self.drop(h, training=True), two], -1), training=training)
        return self.end(tf.concat([h, one], -1))


def pix2pix(deviation=0.02):
    """The pair of pix2pix: Isola, Zhu, Zhou and Efros 2017, section 3 (L1 with weight 100)."""
    w, (x, _) = 8, tensors(32)
    outline = tf.clip_by_value(x - tf.nn.avg_pool2d(x, 5, 1, "SAME"), -1, 1)
    a, b = keras.Input((32, 32, 3)), keras.Input((32, 32, 3))
    h = layers.Concatenate()([a, b])
    last = layers.Conv2D(1, 4, kernel_initializer=start(deviation))
    for layer in (*down(w, None, deviation), *down(2 * w, norm, deviation), last):
        h = layer(h)
    G = UNet(w, deviation)
    G(outline)
    return Gan(
        *(G, keras.Model([a, b], h), (outline, x), "cross-entropy"),
        draw=lambda G, batch: G(batch[0], training=True),
        judge=lambda D, x, batch: (D([batch[0], x], training=True),),
        real=1,
        traits={"normal", "paired"},
    )


GANS = {
    "DCGAN 64": dcgan,
    "WGAN-GP, layer norm": wgan_gp,
    "ACGAN": acgan,
    "pix2pix": pix2pix,
}
