"""Four GANs that are not the course's, restated small from their papers, in PyTorch.

Each function returns a :class:`Gan`: two networks, what its step takes, how the step calls them,
and which loss they play for. Widths and pictures are small; what makes each of them another case
for an examination is kept. Four more are in doctor_modules.py; doctor_trials.py plants the bugs.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import load_images

BATCH, CLASSES = 12, 10


def nothing(*_):
    """Add no term to a loss."""
    return 0.0


@dataclass
class Gan:
    """Two players and their rules.

    ``draw(G, batch)`` returns generated pictures; ``judge(D, x, batch)`` D's outputs, a tuple with
    the score first. ``d_extra(real, fake, x_real, x_fake, batch, D)`` and ``g_extra(fake, x_fake,
    batch)`` are terms beside the adversarial ones.
    """

    G: nn.Module
    D: nn.Module
    batch: tuple
    loss: str
    draw: Callable = lambda G, batch: G(batch[1])
    judge: Callable = lambda D, x, batch: (D(x),)
    d_extra: Callable = nothing
    g_extra: Callable = nothing
    real: int = 0
    rounds_of_d: int = 1
    rates: tuple = (2e-4, 2e-4)
    betas: tuple = (0.5, 0.999)
    traits: set = field(default_factory=set)
    bug: str = ""


@functools.cache
def street():
    """Return pictures (BATCH, 3, 32, 32) from -1 to 1 and their labels."""
    images = load_images("street")
    x = torch.from_numpy(images.scaled()[:BATCH]).permute(0, 3, 1, 2).contiguous()
    return x, torch.from_numpy(images.labels[:BATCH].astype(np.int64))


def pictures(size, channels=3):
    """Return the same pictures in another size, with all or some of their channels, and labels."""
    x, y = street()
    return F.interpolate(x[:, :channels], size=size, mode="bilinear", antialias=True), y


def normal_init(net, deviation=0.02):
    """Radford et al. 2015, section 4: weights from N(0, 0.02), a standard deviation."""
    for module in net.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0, deviation)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1, 0.02)
    return net


def up(i, o):
    """Double the size, DCGAN's way."""
    conv = nn.ConvTranspose2d(i, o, 4, 2, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(o), nn.ReLU())


def down(i, o, norm=nn.BatchNorm2d):
    """Halve the size, DCGAN's way."""
    return nn.Sequential(nn.Conv2d(i, o, 4, 2, 1, bias=norm is None), norm(o), nn.LeakyReLU(0.2))


def dcgan():
    """DCGAN at 64 x 64: Radford, Metz and Chintala 2015, section 3 and figure 1.

    Batch normalisation everywhere but in G's last and D's first layer, z uniform and 4-D.
    """
    w, (x, _) = 4, pictures(64)
    G = nn.Sequential(
        *(nn.ConvTranspose2d(100, 8 * w, 4, bias=False), nn.BatchNorm2d(8 * w), nn.ReLU()),
        *(up(8 * w, 4 * w), up(4 * w, 2 * w), up(2 * w, w)),
        *(nn.ConvTranspose2d(w, 3, 4, 2, 1), nn.Tanh()),
    )
    D = nn.Sequential(
        *(nn.Conv2d(3, w, 4, 2, 1), nn.LeakyReLU(0.2)),
        *(down(w, 2 * w), down(2 * w, 4 * w), down(4 * w, 8 * w)),
        *(nn.Conv2d(8 * w, 1, 4), nn.Flatten()),
    )
    z = torch.rand(BATCH, 100, 1, 1) * 2 - 1
    return Gan(normal_init(G), normal_init(D), (x, z), "cross-entropy", traits={"normal"})


def penalty(D, x_real, x_fake, bug=""):
    """10 (|gradient of D at a blend| - 1)^2: Gulrajani et al. 2017, equation 3; or a bug in it."""
    share = torch.rand(len(x_real), 1, 1, 1)
    if bug == "share of a blend from a normal":
        share = torch.randn(len(x_real), 1, 1, 1)
    if bug == "share of a blend for each pixel":
        share = torch.rand_like(x_real)
    blend = (share * x_real + (1 - share) * x_fake.detach()).requires_grad_()
    learn = bug != "create_graph forgotten"
    (slope,) = torch.autograd.grad(D(blend).sum(), blend, create_graph=learn)
    norm = slope.flatten(1).norm(dim=1)
    if bug == "norm over channels alone":
        norm = slope.norm(dim=1)
    if bug == "root without a small number":
        norm = slope.square().sum((1, 2, 3)).sqrt()
    return 10 * (norm - 1).square().mean()


def wgan_gp():
    """WGAN-GP with layer normalisation in the critic: Gulrajani et al. 2017, sections 4 and 5.

    The critic takes two steps for each of G's here, five in the paper.
    """
    w, (x, _) = 8, pictures(32)
    G = nn.Sequential(
        *(nn.Linear(32, 16 * 4 * w), nn.Unflatten(1, (4 * w, 4, 4)), nn.BatchNorm2d(4 * w)),
        *(nn.ReLU(), up(4 * w, 2 * w), up(2 * w, w), nn.ConvTranspose2d(w, 3, 4, 2, 1), nn.Tanh()),
    )
    D = nn.Sequential(
        *(nn.Conv2d(3, w, 4, 2, 1), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(w, 2 * w, 4, 2, 1), nn.LayerNorm([2 * w, 8, 8]), nn.LeakyReLU(0.2)),
        *(nn.Conv2d(2 * w, 4 * w, 4, 2, 1), nn.LayerNorm([4 * w, 4, 4]), nn.LeakyReLU(0.2)),
        *(nn.Flatten(), nn.Linear(16 * 4 * w, 1)),
    )
    gan = Gan(
        *(G, D, (x, torch.randn(BATCH, 32)), "Wasserstein"),
        d_extra=lambda real, fake, x_real, x_fake, batch, D: penalty(D, x_real, x_fake, gan.bug),
        rounds_of_d=2,
        rates=(1e-4, 1e-4),
        betas=(0.0, 0.9),
        traits={"penalty"},
    )
    return gan


class Embedded(nn.Module):
    """ACGAN's G: z and an embedding of the class side by side, then DCGAN."""

    def __init__(self, w):
        super().__init__()
        self.embed = nn.Embedding(CLASSES, 16)
        self.body = nn.Sequential(
            *(nn.Linear(48, 16 * 2 * w), nn.ReLU(), nn.Unflatten(1, (2 * w, 4, 4))),
            *(up(2 * w, w), nn.ConvTranspose2d(w, 3, 4, 2, 1), nn.Tanh()),
        )

    def forward(self, z, y):
        """Map z (N, 32) and labels (N,) to pictures (N, 3, 16, 16)."""
        return self.body(torch.cat([z, self.embed(y)], 1))


class Heads(nn.Module):
    """A body with several heads."""

    def __init__(self, body, *heads):
        super().__init__()
        self.body, self.heads = body, nn.ModuleList(heads)

    def forward(self, x):
        """Return one output for each head."""
        h = self.body(x)
        return tuple(head(h) for head in self.heads)


def acgan():
    """ACGAN: Odena, Olah and Shlens 2016, section 3 and appendix A (dropout 0.5 in D)."""
    w, (x, y) = 8, pictures(16)
    body = nn.Sequential(
        *(nn.Conv2d(3, w, 3, 2, 1), nn.LeakyReLU(0.2), nn.Dropout(0.5)),
        *(nn.Conv2d(w, 2 * w, 3, 1, 1), nn.BatchNorm2d(2 * w), nn.LeakyReLU(0.2), nn.Dropout(0.5)),
        *(nn.Conv2d(2 * w, 4 * w, 3, 2, 1), nn.BatchNorm2d(4 * w), nn.LeakyReLU(0.2)),
        *(nn.Dropout(0.5), nn.Flatten()),
    )
    D = Heads(body, nn.Linear(64 * w, 1), nn.Linear(64 * w, CLASSES))
    return Gan(
        *(Embedded(w), D, (x, torch.randn(BATCH, 32), y), "cross-entropy"),
        draw=lambda G, batch: G(batch[1], batch[2]),
        judge=lambda D, x, batch: D(x),
        d_extra=lambda real, fake, x_real, x_fake, batch, D: (
            F.cross_entropy(real[1], batch[2]) + F.cross_entropy(fake[1], batch[2])
        ),
        g_extra=lambda fake, x_fake, batch: F.cross_entropy(fake[1], batch[2]),
        traits={"labels in G", "classes"},
    )


def infogan():
    """InfoGAN on grey pictures: Chen et al. 2016, section 5 and appendix C.1 (leaky slope 0.1).

    62 + 10 + 2 inputs in one z; Q's head on D's body; the information term in both losses.
    """
    w, (x, _) = 8, pictures(28, 1)
    G = nn.Sequential(
        *(nn.Linear(74, 64), nn.BatchNorm1d(64), nn.ReLU()),
        *(nn.Linear(64, 49 * w), nn.BatchNorm1d(49 * w), nn.ReLU(), nn.Unflatten(1, (w, 7, 7))),
        *(up(w, w), nn.ConvTranspose2d(w, 1, 4, 2, 1), nn.Tanh()),
    )
    body = nn.Sequential(
        *(nn.Conv2d(1, w, 4, 2, 1), nn.LeakyReLU(0.1), nn.Conv2d(w, 2 * w, 4, 2, 1)),
        *(nn.BatchNorm2d(2 * w), nn.LeakyReLU(0.1), nn.Flatten()),
        *(nn.Linear(98 * w, 64), nn.BatchNorm1d(64), nn.LeakyReLU(0.1)),
    )
    q = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.LeakyReLU(0.1))
    code = nn.Sequential(q, nn.Linear(32, 10))
    D = Heads(body, nn.Linear(64, 1), code, nn.Linear(64, 2))

    def information(fake, batch):
        hidden = batch[1][:, 62:]
        told = F.cross_entropy(fake[1], hidden[:, :10].argmax(1))
        return told + 0.1 * F.mse_loss(fake[2], hidden[:, 10:])

    noise, turn = torch.rand(BATCH, 62) * 2 - 1, torch.rand(BATCH, 2) * 2 - 1
    z = torch.cat([noise, F.one_hot(torch.arange(BATCH) % 10, 10).float(), turn], 1)
    return Gan(
        *(G, D, (x, z), "cross-entropy"),
        judge=lambda D, x, batch: D(x),
        d_extra=lambda real, fake, x_real, x_fake, batch, D: information(fake, batch),
        g_extra=lambda fake, x_fake, batch: information(fake, batch),
        rates=(1e-3, 2e-4),
        traits={"classes"},
    )
