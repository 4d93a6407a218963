"""The eight GANs in PyTorch, and the bugs that can be planted in them."""

import torch
import torch.nn.functional as F
from doctor_bugs import (
    ARRIVES,
    BLENDS,
    COMPARE,
    LEFT,
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
from doctor_modules import pix2pix, projection, sagan, stylegan
from doctor_networks import acgan, dcgan, infogan, normal_init, wgan_gp
from doctor_steps import make_step
from torch import nn

__all__ = ["BUGS", "GANS", "ONLY_MEANT", "make", "make_step", "planted"]

ONLY_MEANT = False  # Whether a planted bug is shown only to the instruments meant for it.
GANS = {
    "DCGAN 64": dcgan,
    "WGAN-GP, layer norm": wgan_gp,
    "CGAN, projection": projection,
    "ACGAN": acgan,
    "InfoGAN": infogan,
    "self-attention GAN": sagan,
    "StyleGAN-like": stylegan,
    "pix2pix": pix2pix,
}


def make(name):
    """Return a GAN with weights and batch that are the same each time."""
    torch.manual_seed(0)
    return GANS[name]()


def planted(name, bug):
    """Return a GAN with a bug, or whole if ``bug`` is None."""
    gan = make(name)
    if bug is not None:
        BUGS[bug].plant(gan)
        gan.bug = bug
    return gan


def norms(net):
    """Return the batch normalisations of a network."""
    return [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


def told(gan):
    """Return whether a layer of either network has two modes."""
    return any(isinstance(m, nn.Dropout) for m in gan.D.modules()) or normed(gan)


def normed(gan):
    """Return whether either network has batch normalisation."""
    return bool(norms(gan.G) + norms(gan.D))


def company(gan):
    """Return whether D's answers depend on the batch."""
    return bool(norms(gan.D)) or any(type(m).__name__ == "Deviation" for m in gan.D.modules())


class Changed(nn.Module):
    """A network behind or before which something is changed."""

    def __init__(self, net, before=lambda *x: x, after=lambda y: y):
        super().__init__()
        self.net, self.before, self.after = net, before, after

    def forward(self, *inputs):
        """Change what goes in, call the network, change what comes out."""
        return self.after(self.net(*self.before(*inputs)))


def change_g(**changes):
    """Return a planter of changes around G."""

    def plant(gan):
        gan.G = Changed(gan.G, **changes)

    return plant


def change_d(**changes):
    """Return a planter of changes around D."""

    def plant(gan):
        gan.D = Changed(gan.D, **changes)

    return plant


def set_norms(**settings):
    """Return a planter of settings in every batch normalisation."""

    def plant(gan):
        for module in norms(gan.G) + norms(gan.D):
            for name, value in settings.items():
                setattr(module, name, value)

    return plant


def evaluate(gan):
    """Leave both networks in evaluation mode."""
    gan.G.eval()
    gan.D.eval()


def shrink(gan):
    """Take 0.02 for a variance's root once more: weights from N(0, 0.02^2)."""
    for net in (gan.G, gan.D):
        normal_init(net, 0.02**2)


def score_only(change):
    """Apply a function to the score, and leave other heads."""
    return lambda out: (change(out[0]), *out[1:]) if isinstance(out, tuple) else change(out)


def softmaxed(out):
    """Apply a softmax to the head of classes."""
    return out[0], out[1].softmax(1), *out[2:]


def two_pictures(z, *rest):
    """Replace each z by one of two opposite ones."""
    one = torch.linspace(-1, 1, z[0].numel()).view_as(z[:1])
    return torch.where(z.sum(1, keepdim=True) > 0, one, -one), *rest


def wrong_sign(gan):
    """Let G lower the probability of its class."""
    extra = gan.g_extra
    gan.g_extra = lambda *given: -extra(*given)


BUGS = {
    "fakes detached in G's step": Bug({ARRIVES, MOVES}),
    "G's optimiser holds D": Bug({TRAINS}),
    "D's optimiser never steps": Bug({MOVES, TRAINS}),
    "zero_grad of D forgotten": Bug({LEFT}),
    "fakes not detached, cleared too early": Bug({LEFT}),
    "one graph for two losses": Bug({RUNS}),
    "targets swapped in D's step": Bug({"players are opponents"}),
    "both sides smoothed": Bug({VALUE}, cross_entropy),
    "target below 0": Bug({VALUE}, cross_entropy),
    "sigmoid before a loss on logits": Bug({VALUE}, plant=change_d(after=score_only(F.sigmoid))),
    "(B,) against (B, 1)": Bug(
        {"labels and answers line up"}, lambda gan: cross_entropy(gan) and uses_z(gan)
    ),
    "softmax before cross-entropy": Bug({"class heads"}, has("classes"), change_d(after=softmaxed)),
    "batch size in the labels": Bug({"short batch"}),
    "real and fake in one batch": Bug({"real and generated apart"}, company),
    "networks left in eval mode": Bug({"layers are told to train"}, told, evaluate),
    "batch statistics at inference": Bug(
        {"neighbours"},
        lambda gan: norms(gan.G) and uses_z(gan),
        set_norms(track_running_stats=False, running_mean=None, running_var=None),
    ),
    "dropout at inference": Bug(
        {"neighbours"}, uses_z, change_g(before=lambda z, *y: (F.dropout(z, 0.5), *y))
    ),
    "BatchNorm(n, 0.8)": Bug({SETTINGS, "signal survives"}, normed, set_norms(eps=0.8)),
    "BatchNorm's momentum 0.99": Bug({SETTINGS}, normed, set_norms(momentum=0.99)),
    "Adam's eps 0.8": Bug({SETTINGS}),
    "rate 1000 times too high": Bug({SETTINGS}),
    "weights N(0, 0.02^2), deviation 0.0004": Bug({"signal survives"}, has("normal"), shrink),
    "real pictures from 0 to 1": Bug(
        {COMPARE}, lambda gan: "no tanh" not in gan.traits, real_pictures(lambda x: (x + 1) / 2)
    ),
    "real pictures from 0 to 255": Bug({COMPARE}, plant=real_pictures(lambda x: (x + 1) * 127.5)),
    "real pictures of twice the size": Bug(
        {COMPARE, RUNS}, plant=real_pictures(lambda x: F.interpolate(x, scale_factor=2))
    ),
    "z drawn once": Bug({"G's input is fresh"}, uses_z),
    "G ignores z": Bug(
        {READ, "samples differ"}, uses_z, change_g(before=lambda z, *y: (0 * z, *y))
    ),
    "G reads half of z": Bug(
        {READ},
        uses_z,
        change_g(
            before=lambda z, *y: (
                z * (torch.arange(z.shape[1]) % 2).view(1, -1, *[1] * (z.ndim - 2)),
                *y,
            )
        ),
    ),
    "G draws two pictures": Bug({"samples differ"}, uses_z, change_g(before=two_pictures)),
    "G ignores the label": Bug(
        {READ}, has("labels in G"), change_g(before=lambda z, y: (z, 0 * y))
    ),
    "D ignores the label": Bug(
        {READ}, has("labels in D"), change_d(before=lambda x, y: (x, 0 * y))
    ),
    "D ignores the condition": Bug({READ}, has("paired"), change_d(before=lambda a, b: (0 * a, b))),
    "share of a blend from a normal": Bug({BLENDS}, has("penalty")),
    "share of a blend for each pixel": Bug({BLENDS}, has("penalty")),
    "norm over channels alone": Bug({"gradient penalty"}, has("penalty")),
    "create_graph forgotten": Bug({"gradient penalty"}, has("penalty")),
    "root without a small number": Bug({"gradient of a flat D"}, has("penalty")),
    "labels of other pictures": Bug(
        set(), lambda gan: len(gan.batch) > 2, wrong_labels(lambda y: y.roll(3))
    ),
    "class term with the wrong sign in G": Bug({"heads agree"}, has("classes"), wrong_sign),
}
