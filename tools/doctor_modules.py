"""Four GANs with modules of their own, restated small from their papers, in PyTorch."""

import torch
import torch.nn.functional as F
from doctor_networks import BATCH, CLASSES, Gan, down, normal_init, pictures, up
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm


class ConditionalNorm(nn.Module):
    """Batch normalisation with a gain and a shift for each class: de Vries et al. 2017.

    All gains start at 1 and all shifts at 0, so an untrained G does not read its label.
    """

    def __init__(self, maps):
        super().__init__()
        self.norm = nn.BatchNorm2d(maps, affine=False)
        self.gain, self.shift = nn.Embedding(CLASSES, maps), nn.Embedding(CLASSES, maps)
        nn.init.ones_(self.gain.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, x, y):
        """Normalise (N, maps, H, W) for labels (N,)."""
        gain, shift = self.gain(y)[..., None, None], self.shift(y)[..., None, None]
        return gain * self.norm(x) + shift


class ResidualUp(nn.Module):
    """A residual block that doubles the size, as in Miyato and Koyama 2018."""

    def __init__(self, i, o, sn=lambda layer: layer):
        super().__init__()
        self.norms = nn.ModuleList([ConditionalNorm(i), ConditionalNorm(o)])
        self.one, self.two = sn(nn.Conv2d(i, o, 3, padding=1)), sn(nn.Conv2d(o, o, 3, padding=1))
        self.skip = sn(nn.Conv2d(i, o, 1))

    def forward(self, x, y):
        """Map (N, i, H, W) to (N, o, 2 H, 2 W)."""
        h = self.one(F.interpolate(self.norms[0](x, y).relu(), scale_factor=2))
        return self.two(self.norms[1](h, y).relu()) + self.skip(F.interpolate(x, scale_factor=2))


class ResidualDown(nn.Module):
    """A residual block of D that halves the size, with spectral normalisation."""

    def __init__(self, i, o):
        super().__init__()
        self.one = spectral_norm(nn.Conv2d(i, o, 3, padding=1))
        self.two = spectral_norm(nn.Conv2d(o, o, 3, padding=1))
        self.skip = spectral_norm(nn.Conv2d(i, o, 1))

    def forward(self, x):
        """Map (N, i, H, W) to (N, o, H / 2, W / 2)."""
        h = self.two(self.one(x.relu()).relu())
        return F.avg_pool2d(h, 2) + self.skip(F.avg_pool2d(x, 2))


class Attention(nn.Module):
    """Self-attention behind a gate that starts at 0: Zhang et al. 2018, section 3."""

    def __init__(self, maps):
        super().__init__()
        self.f, self.g = (spectral_norm(nn.Conv2d(maps, maps // 4, 1)) for _ in range(2))
        self.h, self.v = (spectral_norm(nn.Conv2d(maps, maps, 1)) for _ in range(2))
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        """Keep the shape (N, maps, H, W)."""
        f, g, h = (layer(x).flatten(2) for layer in (self.f, self.g, self.h))
        weights = (f.transpose(1, 2) @ g).softmax(dim=1)  # (N, seen, seeing)
        return x + self.gate * self.v((h @ weights).view_as(x))


class ProjectionG(nn.Module):
    """Residual blocks with conditional normalisation; optionally attention and spectral norms."""

    def __init__(self, w, attention=False):
        super().__init__()
        sn = spectral_norm if attention else lambda layer: layer
        self.dense = sn(nn.Linear(32, 16 * 2 * w))
        self.one, self.two = ResidualUp(2 * w, 2 * w, sn), ResidualUp(2 * w, w, sn)
        self.attend = Attention(w) if attention else nn.Identity()
        self.end = nn.Sequential(nn.BatchNorm2d(w), nn.ReLU(), sn(nn.Conv2d(w, 3, 3, padding=1)))

    def forward(self, z, y):
        """Map z (N, 32) and labels (N,) to pictures (N, 3, 16, 16)."""
        h = self.dense(z).unflatten(1, (-1, 4, 4))
        return self.end(self.attend(self.two(self.one(h, y), y))).tanh()


class ProjectionD(nn.Module):
    """Score = linear(h) + <embedding of y, h>: Miyato and Koyama 2018, section 3."""

    def __init__(self, w, attention=False):
        super().__init__()
        self.body = nn.Sequential(
            *(ResidualDown(3, w), Attention(w) if attention else nn.Identity()),
            *(ResidualDown(w, 2 * w), nn.ReLU()),
        )
        self.linear = spectral_norm(nn.Linear(2 * w, 1))
        self.embed = spectral_norm(nn.Embedding(CLASSES, 2 * w))

    def forward(self, x, y):
        """Map pictures and labels to scores (N, 1)."""
        h = self.body(x).sum((2, 3))
        return self.linear(h) + (self.embed(y) * h).sum(1, keepdim=True)


def projection(attention=False):
    """CGAN with projection discriminator: Miyato and Koyama 2018, sections 3 and 4, hinge loss."""
    w, (x, y) = 8, pictures(16)
    return Gan(
        *(ProjectionG(w, attention), ProjectionD(w, attention)),
        *((x, torch.randn(BATCH, 32), y), "hinge"),
        draw=lambda G, batch: G(batch[1], batch[2]),
        judge=lambda D, x, batch: (D(x, batch[2]),),
        rates=(2e-4, 2e-4),
        betas=(0.0, 0.9),
        traits={"labels in G", "labels in D", "pooled"},
    )


def sagan():
    """Self-attention GAN: Zhang, Goodfellow, Metaxas and Odena 2018, sections 3 and 4.

    Spectral normalisation in both players, unequal rates, hinge loss, projection.
    """
    gan = projection(attention=True)
    gan.rates = (1e-4, 4e-4)
    return gan


class Equalised(nn.Module):
    """A layer whose weights are N(0, 1) and scaled when used: Karras et al. 2018, section 4.1."""

    def __init__(self, layer, bias=0.0):
        super().__init__()
        self.layer = layer
        nn.init.normal_(layer.weight)
        nn.init.constant_(layer.bias, bias)
        self.scale = (2 / layer.weight[0].numel()) ** 0.5

    def forward(self, x):
        """Apply the layer with its scaled weight."""
        bias = self.layer.bias.reshape(-1, *[1] * (x.ndim - 2))
        return (self.layer(x) - bias) * self.scale + bias


class Styled(nn.Module):
    """Upsample, convolve, add noise, normalise each map, give it a style: Karras et al. 2019."""

    def __init__(self, i, o, grow=True):
        super().__init__()
        self.grow, self.maps = grow, o
        self.conv = Equalised(nn.Conv2d(i, o, 3, padding=1))
        self.strength = nn.Parameter(torch.zeros(o, 1, 1))
        self.norm = nn.InstanceNorm2d(o)
        self.style = Equalised(nn.Linear(32, 2 * o))

    def forward(self, x, w):
        """Map (N, i, H, W) and styles' source (N, 32) to (N, o, H', W')."""
        x = self.conv(F.interpolate(x, scale_factor=2) if self.grow else x)
        x = F.leaky_relu(x + self.strength * torch.randn(len(x), 1, *x.shape[2:]), 0.2)
        gain, shift = self.style(w)[..., None, None].chunk(2, dim=1)
        return (1 + gain) * self.norm(x) + shift


class StyleG(nn.Module):
    """A mapping network, a learned constant, three styled layers, no tanh."""

    def __init__(self, w):
        super().__init__()
        dense = (Equalised(nn.Linear(32, 32)) for _ in range(3))
        self.mapping = nn.Sequential(*(part for d in dense for part in (d, nn.LeakyReLU(0.2))))
        self.start = nn.Parameter(torch.ones(1, w, 4, 4))
        self.layers = nn.ModuleList([Styled(w, w, False), Styled(w, w), Styled(w, w)])
        self.colour = Equalised(nn.Conv2d(w, 3, 1))

    def forward(self, z):
        """Map z (N, 32) to pictures (N, 3, 16, 16)."""
        w = self.mapping(z * z.square().mean(1, keepdim=True).add(1e-8).rsqrt())
        x = self.start.expand(len(z), -1, -1, -1)
        for layer in self.layers:
            x = layer(x, w)
        return self.colour(x)


class Deviation(nn.Module):
    """Append the mean deviation over the batch as a map: Karras et al. 2018, section 3."""

    def forward(self, x):
        """Map (N, C, H, W) to (N, C + 1, H, W)."""
        deviation = (x.var(0, unbiased=False) + 1e-8).sqrt().mean()
        return torch.cat([x, deviation.expand(len(x), 1, *x.shape[2:])], 1)


def stylegan():
    """A small StyleGAN: Karras, Laine and Aila 2019, section 2 and appendix C.

    D sees the batch's deviation; non-saturating loss; R1 with gamma 10 (Mescheder et al. 2018).
    """
    w, (x, _) = 8, pictures(16)
    D = nn.Sequential(
        *(Equalised(nn.Conv2d(3, w, 3, padding=1)), nn.LeakyReLU(0.2), nn.AvgPool2d(2)),
        *(Equalised(nn.Conv2d(w, w, 3, padding=1)), nn.LeakyReLU(0.2), nn.AvgPool2d(2)),
        *(Deviation(), Equalised(nn.Conv2d(w + 1, w, 3, padding=1)), nn.LeakyReLU(0.2)),
        *(nn.Flatten(), Equalised(nn.Linear(16 * w, 1))),
    )

    def r1(real, fake, x_real, x_fake, batch, D):
        x = x_real.clone().requires_grad_()
        (slope,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
        return 10 / 2 * slope.square().sum((1, 2, 3)).mean()

    return Gan(
        *(StyleG(w), D, (x, torch.randn(BATCH, 32)), "cross-entropy"),
        d_extra=r1,
        rates=(1e-3, 1e-3),
        betas=(0.0, 0.99),
        traits={"no tanh"},
    )


class UNet(nn.Module):
    """pix2pix's G: down and up with skips, dropout in training and in use as the only noise."""

    def __init__(self, w):
        super().__init__()
        self.one = nn.Conv2d(3, w, 4, 2, 1)
        self.two, self.three = down(w, 2 * w), down(2 * w, 4 * w)
        self.up_one, self.up_two = up(4 * w, 2 * w), up(4 * w, w)
        self.end = nn.ConvTranspose2d(2 * w, 3, 4, 2, 1)

    def forward(self, x):
        """Map pictures (N, 3, 32, 32) to pictures."""
        one = F.leaky_relu(self.one(x), 0.2)
        two = self.two(one)
        h = F.dropout(self.up_one(self.three(two)), 0.5, training=True)
        h = self.up_two(torch.cat([h, two], 1))
        return self.end(torch.cat([h, one], 1)).tanh()


class PatchD(nn.Module):
    """pix2pix's D: a map of scores, one for each patch, of a pair of pictures."""

    def __init__(self, w):
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(6, w, 4, 2, 1), nn.LeakyReLU(0.2)),
            *(down(w, 2 * w), nn.Conv2d(2 * w, 1, 4, 1, 1)),
        )

    def forward(self, a, b):
        """Map a pair of pictures to scores (N, 1, 7, 7)."""
        return self.body(torch.cat([a, b], 1))


def pix2pix():
    """The pair of pix2pix: Isola, Zhu, Zhou and Efros 2017, section 3 (L1 with weight 100)."""
    w, (x, _) = 8, pictures(32)
    outline = (x - F.avg_pool2d(x, 5, 1, 2)).clamp(-1, 1)
    return Gan(
        *(normal_init(UNet(w)), normal_init(PatchD(w)), (outline, x), "cross-entropy"),
        draw=lambda G, batch: G(batch[0]),
        judge=lambda D, x, batch: (D(batch[0], x),),
        g_extra=lambda fake, x_fake, batch: 100 * F.l1_loss(x_fake, batch[1]),
        real=1,
        traits={"normal", "paired"},
    )
