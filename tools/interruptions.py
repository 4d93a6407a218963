"""Kill and interrupt small trainings at random moments, let them go on, and compare bit for bit.

    python tools/interruptions.py torch         # 50 kills and 50 interrupts
    python tools/interruptions.py tensorflow --times 5

Each training is a small DCGAN with batch normalisation, Adam, a learning rate that falls, an
average of G's weights, and a stream of pictures and z. It runs in a process of its own. A signal,
SIGKILL or SIGINT, ends it at a random moment; a new process goes on from the checkpoint. What it
writes in the end, state and history, must equal what a run without interruption writes. Linux and
macOS only.
"""

import argparse
import contextlib
import io
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from safetensors import safe_open
from tqdm import tqdm

from course_utils import load_images, resumable, save_checkpoint, train

STEPS, EVERY, BATCH, Z_SIZE, KEEP = 60, 7, 16, 8, 0.9


@resumable
def stream(framework):
    """Yield pictures and z, as the chapters do."""
    rng = np.random.default_rng(3)
    images = load_images("digits", size=8)
    for x in images.batches(framework, BATCH, seed=3):
        yield x, rng.normal(size=(BATCH, Z_SIZE)).astype(np.float32)


def torch_run(seed):
    """Return (step, state) of a small GAN in PyTorch."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    torch.set_num_threads(1)

    def generator():
        upwards = nn.ConvTranspose2d(8, 1, 4, 2, 1)
        return nn.Sequential(
            nn.Linear(Z_SIZE, 128),
            nn.Unflatten(1, (8, 4, 4)),
            nn.BatchNorm2d(8),
            upwards,
            nn.Tanh(),
        )

    G, average = generator(), generator()
    D = nn.Sequential(nn.Conv2d(1, 8, 4, 2, 1), nn.Dropout(0.2), nn.Flatten(), nn.Linear(128, 1))
    average.load_state_dict(G.state_dict())
    adams = [torch.optim.Adam(net.parameters(), 1e-3, betas=(0.5, 0.999)) for net in (G, D)]
    falls = [torch.optim.lr_scheduler.ExponentialLR(adam, 0.97) for adam in adams]

    def step(x, z):
        fake = G(torch.from_numpy(z))
        d_loss = (
            nn.functional.softplus(-D(x)).mean() + nn.functional.softplus(D(fake.detach())).mean()
        )
        adams[1].zero_grad()
        d_loss.backward()
        adams[1].step()
        g_loss = nn.functional.softplus(-D(fake)).mean()
        adams[0].zero_grad()
        g_loss.backward()
        adams[0].step()
        for fall in falls:
            fall.step()
        with torch.no_grad():
            for mean, weight in zip(average.parameters(), G.parameters(), strict=True):
                mean.lerp_(weight, 1 - KEEP)
        return {"d_loss": d_loss, "g_loss": g_loss}

    state = {"G": G, "D": D, "average": average, "dropout": torch.default_generator}
    state |= {f"adam {i}": adam for i, adam in enumerate(adams)}
    return step, state | {f"fall {i}": fall for i, fall in enumerate(falls)}


def tensorflow_run(seed):
    """Return (step, state) of a small GAN in TensorFlow."""
    import keras
    import tensorflow as tf
    from keras import layers

    keras.utils.set_random_seed(seed)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    def generator():
        return keras.Sequential(
            [
                keras.Input((Z_SIZE,)),
                layers.Dense(128),
                layers.Reshape((4, 4, 8)),
                layers.BatchNormalization(),
                layers.Conv2DTranspose(1, 4, 2, "same", activation="tanh"),
            ]
        )

    G, average = generator(), generator()
    average.set_weights(G.get_weights())
    D = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(8, 4, 2, "same"),
            layers.Dropout(0.2, seed=seed),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    falls = keras.optimizers.schedules.ExponentialDecay(1e-3, 1, 0.97)
    adams = [keras.optimizers.Adam(falls, beta_1=0.5) for _ in range(2)]
    for adam, net in zip(adams, (G, D), strict=True):
        adam.build(net.trainable_variables)

    @tf.function
    def step(x, z):
        with tf.GradientTape(persistent=True) as tape:
            fake = G(z, training=True)
            d_loss = tf.reduce_mean(tf.nn.softplus(-D(x, training=True)))
            d_loss += tf.reduce_mean(tf.nn.softplus(D(tf.stop_gradient(fake), training=True)))
            g_loss = tf.reduce_mean(tf.nn.softplus(-D(fake, training=True)))
        for adam, net, loss in zip(adams, (G, D), (g_loss, d_loss), strict=True):
            adam.apply(tape.gradient(loss, net.trainable_variables), net.trainable_variables)
        for mean, weight in zip(average.trainable_variables, G.trainable_variables, strict=True):
            mean.assign(KEEP * mean + (1 - KEEP) * weight)
        return {"d_loss": d_loss, "g_loss": g_loss}

    state = {"G": G, "D": D, "average": average}
    return step, state | {f"adam {i}": adam for i, adam in enumerate(adams)}


RUNS = {"torch": torch_run, "tensorflow": tensorflow_run}


def work(framework, file, result, started):
    """Train from the checkpoint, if there is one, to the end; then write what there is."""
    # From another seed, so that only the checkpoint can lead to the same end.
    step, state = RUNS[framework](seed=1 if file.exists() else 0)
    batches = stream(framework)

    def told(*batch):
        record = step(*batch)
        started.set()  # After the first step, which in TensorFlow takes most of the time.
        time.sleep(0.01)
        return record

    with contextlib.redirect_stdout(io.StringIO()):
        history = train(told, batches, STEPS, checkpoint=file, state=state, checkpoint_every=EVERY)
    if not history.stopped:
        save_checkpoint(result, state, history)


def contents(file):
    """Return all that a checkpoint holds."""
    with safe_open(file, framework="numpy") as opened:
        arrays = {key: opened.get_tensor(key).tobytes() for key in opened.keys()}  # noqa: SIM118
        return arrays, opened.metadata()


def begin(processes, framework, folder):
    """Start a process; return it and the event that says that it trains."""
    started = processes.Event()
    arguments = framework, folder / "run.safetensors", folder / "result.safetensors", started
    process = processes.Process(target=work, args=arguments)
    process.start()
    return process, started


def once(processes, framework, kind, moment):
    """Send a signal after some seconds of training, and go on.

    Return whether it was in time, whether a checkpoint was there, and what came out.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process, started = begin(processes, framework, folder)
        started.wait()
        time.sleep(moment)
        os.kill(process.pid, kind)
        process.join()
        in_time = not (folder / "result.safetensors").exists()
        resumed = in_time and (folder / "run.safetensors").exists()
        process, _ = begin(processes, framework, folder)
        process.join()
        return in_time, resumed, contents(folder / "result.safetensors")


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python tools/interruptions.py", description=__doc__)
    parser.add_argument("framework", choices=RUNS)
    parser.add_argument("--times", type=int, default=50)
    chosen = parser.parse_args()
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([chosen.framework, "course_utils"])
    rng, failed = random.Random(0), False
    with tempfile.TemporaryDirectory() as folder:
        process, _ = begin(processes, chosen.framework, Path(folder))
        process.join()
        whole = contents(Path(folder) / "result.safetensors")
    for kind in (signal.SIGKILL, signal.SIGINT):
        same = stopped = from_file = 0
        for _ in tqdm(range(chosen.times), kind.name, file=sys.stdout):
            in_time, resumed, result = once(processes, chosen.framework, kind, rng.uniform(0, 0.6))
            same, stopped = same + (result == whole), stopped + in_time
            from_file += resumed
        print(
            f"{kind.name}: {stopped} of {chosen.times} came in time, {from_file} of them went on "
            f"from a file and the others anew; {same} of {chosen.times} ended equal"
        )
        failed |= same < chosen.times
    sys.exit(failed)


if __name__ == "__main__":
    main()
