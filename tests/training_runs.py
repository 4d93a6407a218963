"""Small trainings in both frameworks with everything that a checkpoint must hold."""

import itertools

import keras
import numpy as np
import tensorflow as tf
import torch
from safetensors.numpy import load_file

from course_utils import ImageSet, save_checkpoint

nothing = itertools.repeat(None)


PICTURES = ImageSet(
    "noise",
    np.random.default_rng(0).integers(256, size=(24, 8, 8, 1), dtype=np.uint8),
    np.zeros(24, np.int64),
    ("noise",),
)


def torch_run(seed):
    """Return (step, batches, snapshot, state): Adam, batch norm, dropout and noise of its own."""
    torch.manual_seed(seed)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 4, 2, 1),
        torch.nn.BatchNorm2d(4),
        torch.nn.Flatten(),
        torch.nn.Dropout(0.5),
        torch.nn.Linear(64, 1),
    )
    optimizer = torch.optim.Adam(net.parameters(), 1e-2, betas=(0.5, 0.999))
    generator = torch.Generator().manual_seed(seed)

    def step(images):
        images = images + torch.randn(images.shape, generator=generator)
        optimizer.zero_grad()
        loss = net(images).square().mean()
        loss.backward()
        optimizer.step()
        return {"loss": loss}

    state = {
        "net": net,
        "optimizer": optimizer,
        "noise": generator,
        "dropout": torch.default_generator,
    }
    return step, PICTURES.batches("torch", 5), lambda: net[0].weight, state


def keras_run(seed):
    """Do the same in Keras; its dropout has a generator of its own."""
    keras.utils.set_random_seed(seed)
    net = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 4, 2, "same"),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(1),
        ]
    )
    optimizer = keras.optimizers.Adam(1e-2, beta_1=0.5)
    optimizer.build(net.trainable_variables)
    generator = tf.random.Generator.from_seed(seed)
    scale = tf.Variable(1.0)

    def step(images):
        with tf.GradientTape() as tape:
            noisy = images + scale * generator.normal(images.shape)
            loss = tf.reduce_mean(net(noisy, training=True) ** 2)
        gradients = tape.gradient(loss, net.trainable_variables)
        optimizer.apply(gradients, net.trainable_variables)
        scale.assign(scale * 0.9)
        return {"loss": loss}

    state = {"net": net, "optimizer": optimizer, "noise": generator, "scale": scale}
    return step, PICTURES.batches("tensorflow", 5), lambda: net.layers[0].kernel, state


def everything(state, tmp_path):
    """Return all arrays of a state, by way of a file."""
    save_checkpoint(tmp_path / "compare.safetensors", state)
    return load_file(tmp_path / "compare.safetensors")
