"""Four GANs in Keras, their step, and the bugs that can be planted in them."""

import keras
import tensorflow as tf
from doctor_bugs import (
    ARRIVES,
    BLENDS,
    COMPARE,
    MOVES,
    READ,
    RUNS,
    SETTINGS,
    TRAINS,
    VALUE,
    Bug,
    cross_entropy,
    has,
    real_pictures,
    uses_z,
    wrong_labels,
)
from doctor_keras_networks import GANS
from keras import layers

__all__ = ["BUGS", "GANS", "ONLY_MEANT", "make", "make_step", "planted"]

ONLY_MEANT = True  # Whether a planted bug is shown only to the instruments meant for it.


def make(name):
    """Return a GAN with weights and batch that are the same each time."""
    keras.utils.set_random_seed(0)
    return GANS[name]()


def planted(name, bug):
    """Return a GAN with a bug, or whole if ``bug`` is None."""
    keras.utils.set_random_seed(0)
    gan = GANS[name](0.02**2) if bug == SMALL else make(name)
    if bug is not None:
        gan.bug = bug
        BUGS[bug].plant(gan)
    if "classes" not in gan.traits and "paired" not in gan.traits:
        mode = None if bug == "training=True not passed" else True
        gan.draw = lambda G, batch: G(batch[1], training=mode)
        gan.judge = lambda D, x, batch: (D(x, training=mode),)
    return gan


# --- losses and the step -------------------------------------------------------------------------


def bce(score, target):
    """Cross-entropy of logits against one target for all."""
    targets = tf.fill(tf.shape(score), tf.cast(target, score.dtype))
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(targets, score))


def forgotten(score, target):
    """Keras' loss without from_logits=True."""
    return keras.losses.BinaryCrossentropy()(tf.fill(tf.shape(score), float(target)), score)


def broadcast_loss(real, fake):
    """Take logits (2 B,) and labels (2 B, 1) together: the bug of that name."""
    logits = tf.squeeze(tf.concat([real, fake], 0))
    labels = tf.concat([tf.ones_like(real), tf.zeros_like(fake)], 0)
    return 2 * tf.reduce_mean(tf.nn.softplus(logits) - labels * logits)


def losses_of(gan):
    """Return D's and G's adversarial loss, with the bug that the GAN has."""
    if gan.loss == "Wasserstein":
        mean = tf.reduce_mean
        honest, g = lambda real, fake: mean(fake) - mean(real), lambda fake: -mean(fake)
    else:
        cost = forgotten if gan.bug == "from_logits forgotten" else bce
        honest = lambda real, fake: cost(real, 1) + cost(fake, 0)  # noqa: E731
        g = lambda fake: cost(fake, 1)  # noqa: E731
    size = len(gan.batch[gan.real])
    d = {
        "targets swapped in D's step": lambda real, fake: honest(fake, real),
        "both sides smoothed": lambda real, fake: bce(real, 0.9) + bce(fake, 0.1),
        "target below 0": lambda real, fake: bce(real, 1) + bce(fake, -0.1),
        "(B,) against (B, 1)": broadcast_loss,
        "batch size in the labels": lambda real, fake: (
            honest(real, fake) + 0 * tf.reduce_mean(tf.ones((size, *real.shape[1:])) * real)
        ),
    }.get(gan.bug, honest)
    return d, g


def penalty(D, x_real, x_fake, bug):
    """10 (|gradient of D at a blend| - 1)^2: Gulrajani et al. 2017, equation 3; or a bug in it."""
    shape = (len(x_real), 1, 1, 1)
    share = tf.random.uniform(shape)
    if bug == "share of a blend from a normal":
        share = tf.random.normal(shape)
    if bug == "share of a blend for each pixel":
        share = tf.random.uniform(tf.shape(x_real))
    blend = share * x_real + (1 - share) * x_fake
    with tf.GradientTape() as tape:
        tape.watch(blend)
        score = D(blend, training=True)
    slope = tape.gradient(score, blend)
    if bug == "tape's gradient stopped":
        slope = tf.stop_gradient(slope)
    axes = 3 if bug == "norm over channels alone" else (1, 2, 3)
    small = 0 if bug == "root without a small number" else 1e-12
    norm = tf.sqrt(tf.reduce_sum(tf.square(slope), axes) + small)
    return 10 * tf.reduce_mean(tf.square(norm - 1))


def classes(outputs, labels):
    """Cross-entropy of the head of classes."""
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, outputs[1]))


def make_step(gan, compiled=True):
    """Return ``step(*batch)``: D's steps and G's step, with the bug that the GAN has."""
    G, D, bug = gan.G, gan.D, gan.bug
    eps = 0.8 if bug == "Adam's eps 0.8" else 1e-8
    rate = 1000 if bug == "rate 1000 times too high" else 1
    first, with_classes = gan.batch, "classes" in gan.traits
    d_adversarial, g_adversarial = losses_of(gan)
    sign = -1 if bug == "class term with the wrong sign in G" else 1

    def adam(lr):
        return keras.optimizers.Adam(lr * rate, *gan.betas, epsilon=eps)

    g_adam, d_adam = adam(gan.rates[0]), adam(gan.rates[1])

    def update(optimiser, tape, loss, net):
        weights = net.trainable_variables
        optimiser.apply(tape.gradient(loss, weights), weights)

    def judge_both(x_real, x_fake, batch):
        if bug != "real and fake in one batch":
            return gan.judge(D, x_real, batch), gan.judge(D, x_fake, batch)
        twice = tuple(tf.concat([part, part], 0) for part in batch)
        outputs = gan.judge(D, tf.concat([x_real, x_fake], 0), twice)
        return tuple(zip(*(tf.split(output, 2) for output in outputs), strict=True))

    def d_step(batch):
        x_real = batch[gan.real]
        x_fake = tf.stop_gradient(gan.draw(G, batch))
        with tf.GradientTape() as tape:
            real, fake = judge_both(x_real, x_fake, batch)
            loss = d_adversarial(real[0], fake[0])
            if with_classes:
                loss += classes(real, batch[2]) + classes(fake, batch[2])
            if "penalty" in gan.traits:
                loss += penalty(D, x_real, x_fake, bug)
        if bug != "D's optimiser never steps":
            update(d_adam, tape, loss, D)
        return loss

    def step(*batch):
        if bug == "z drawn once":
            batch = (batch[0], first[1][: len(batch[0])], *batch[2:])
        for _ in range(gan.rounds_of_d):
            d_loss = d_step(batch)
        with tf.GradientTape() as tape:
            x_fake = gan.draw(G, batch)
            if bug == "fakes detached in G's step":
                x_fake = tf.stop_gradient(x_fake)
            outputs = gan.judge(D, x_fake, batch)
            g_loss = g_adversarial(outputs[0])
            if with_classes:
                g_loss += sign * classes(outputs, batch[2])
            if "paired" in gan.traits:
                g_loss += 100 * tf.reduce_mean(tf.abs(x_fake - batch[1]))
        update(g_adam, tape, g_loss, D if bug == "G's optimiser holds D" else G)
        return {"d_loss": d_loss, "g_loss": g_loss}

    return tf.function(step) if compiled else step


# --- bugs of networks and of the batch -----------------------------------------------------------


class Changed(keras.Model):
    """A network behind or before which something is changed."""

    def __init__(self, net, before=lambda x: x, after=lambda y: y):
        super().__init__()
        self.net, self.before, self.after = net, before, after

    def call(self, inputs, training=None):
        """Change what goes in, call the network, change what comes out."""
        return self.after(self.net(self.before(inputs), training=training))


def change(player, **changes):
    """Return a planter of changes around G or D."""

    def plant(gan):
        setattr(gan, player, Changed(getattr(gan, player), **changes))

    return plant


def of_first(function):
    """Apply a function to the first of several inputs or outputs."""

    def changed(x):
        return [function(x[0]), *x[1:]] if isinstance(x, (list, tuple)) else function(x)

    return changed


def norms(gan):
    """Return the batch normalisations of both networks."""
    found = [layer for net in (gan.G, gan.D) for layer in net._flatten_layers()]
    return [layer for layer in found if isinstance(layer, layers.BatchNormalization)]


def set_norms(**settings):
    """Return a planter of settings in every batch normalisation."""

    def plant(gan):
        for layer in norms(gan):
            for name, value in settings.items():
                setattr(layer, name, value)

    return plant


def always_training(gan):
    """Let each batch normalisation of G take the batch's statistics, whatever it is told."""
    for layer in norms(gan):
        if layer in list(gan.G._flatten_layers()):
            own = layer.call
            layer.call = lambda x, own=own, **_: own(x, training=True)


def in_d(gan):
    """Return whether D has batch normalisation."""
    return any(isinstance(part, layers.BatchNormalization) for part in gan.D._flatten_layers())


def silent(gan):
    """Call both networks without training=True."""
    if "classes" in gan.traits:
        gan.draw = lambda G, batch: G([batch[1], batch[2]])
        gan.judge = lambda D, x, batch: D(x)
    if "paired" in gan.traits:
        gan.draw = lambda G, batch: G(batch[0])
        gan.judge = lambda D, x, batch: (D([batch[0], x]),)


def half(z):
    """Set each second column to 0."""
    return z * tf.cast(tf.range(z.shape[1]) % 2, z.dtype)


def two(z):
    """Replace each z by one of two opposite ones."""
    one = tf.linspace(-1.0, 1.0, z.shape[1])[None]
    return tf.where(tf.reduce_sum(z, 1, keepdims=True) > 0, one, -one)


def twice(x):
    """Enlarge pictures."""
    return tf.repeat(tf.repeat(x, 2, 1), 2, 2)


def before_first(function):
    """Return a planter that changes the first input of G."""
    return change("G", before=of_first(function))


SMALL = "weights N(0, 0.02^2), deviation 0.0004"
after_score = change("D", after=of_first(tf.sigmoid))
softmaxed = change("D", after=lambda out: (out[0], tf.nn.softmax(out[1])))
penalised = has("penalty")

BUGS = {
    "fakes detached in G's step": Bug({RUNS, ARRIVES, MOVES}),
    "G's optimiser holds D": Bug({TRAINS}),
    "D's optimiser never steps": Bug({MOVES, TRAINS}),
    "targets swapped in D's step": Bug({"players are opponents"}),
    "both sides smoothed": Bug({VALUE}, cross_entropy),
    "target below 0": Bug({VALUE}, cross_entropy),
    "from_logits forgotten": Bug({VALUE}, cross_entropy),
    "sigmoid before a loss on logits": Bug({VALUE}, plant=after_score),
    "(B,) against (B, 1)": Bug(
        {"labels and answers line up"}, lambda gan: cross_entropy(gan) and uses_z(gan)
    ),
    "softmax before cross-entropy": Bug({"class heads"}, has("classes"), softmaxed),
    "batch size in the labels": Bug({"short batch"}),
    "real and fake in one batch": Bug({"real and generated apart"}, in_d),
    "training=True not passed": Bug({"layers are told to train"}, plant=silent),
    "batch statistics at inference": Bug({"neighbours"}, uses_z, always_training),
    "dropout at inference": Bug(
        {"neighbours"}, uses_z, before_first(lambda z: tf.nn.dropout(z, 0.5))
    ),
    "eps 0.8": Bug({SETTINGS, "signal survives"}, plant=set_norms(epsilon=0.8)),
    "momentum 0.1": Bug({SETTINGS}, plant=set_norms(momentum=0.1)),
    "Adam's eps 0.8": Bug({SETTINGS}),
    "rate 1000 times too high": Bug({SETTINGS}),
    SMALL: Bug({"signal survives"}, has("normal")),
    "real pictures from 0 to 1": Bug({COMPARE}, plant=real_pictures(lambda x: (x + 1) / 2)),
    "real pictures from 0 to 255": Bug({COMPARE}, plant=real_pictures(lambda x: (x + 1) * 127.5)),
    "real pictures of twice the size": Bug({COMPARE, RUNS}, plant=real_pictures(twice)),
    "z drawn once": Bug({"G's input is fresh"}, uses_z),
    "G ignores z": Bug({READ, "samples differ"}, uses_z, before_first(lambda z: 0 * z)),
    "G reads half of z": Bug({READ}, uses_z, before_first(half)),
    "G draws two pictures": Bug({"samples differ"}, uses_z, before_first(two)),
    "G ignores the label": Bug(
        {READ}, has("labels in G"), change("G", before=lambda x: [x[0], 0 * x[1]])
    ),
    "D ignores the condition": Bug(
        {READ}, has("paired"), change("D", before=of_first(lambda a: 0 * a))
    ),
    "share of a blend from a normal": Bug({BLENDS}, penalised),
    "share of a blend for each pixel": Bug({BLENDS}, penalised),
    "norm over channels alone": Bug({"gradient penalty"}, penalised),
    "tape's gradient stopped": Bug({"gradient penalty"}, penalised),
    "root without a small number": Bug({"gradient of a flat D"}, penalised),
    "labels of other pictures": Bug(
        set(), has("classes"), wrong_labels(lambda y: tf.roll(y, 3, 0))
    ),
    "class term with the wrong sign in G": Bug({"heads agree"}, has("classes")),
}
