"""The alternating step of the eight GANs in PyTorch, with the line that a planted bug changes."""

import torch
import torch.nn.functional as F


def bce(score, target):
    """Cross-entropy of logits against one target for all."""
    return F.binary_cross_entropy_with_logits(score, torch.full_like(score, float(target)))


# D's loss from its scores of real and generated pictures, and G's loss.
LOSSES = {
    "cross-entropy": (lambda real, fake: bce(real, 1) + bce(fake, 0), lambda fake: bce(fake, 1)),
    "hinge": (
        lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean(),
        lambda fake: -fake.mean(),
    ),
    "Wasserstein": (lambda real, fake: fake.mean() - real.mean(), lambda fake: -fake.mean()),
}


def own_bce(logits, labels):
    """Cross-entropy by hand: log(1 + e^s) - y s."""
    return (F.softplus(logits) - labels * logits).mean()


def broadcast_loss(real, fake):
    """Take logits (2 B,) and labels (2 B, 1) together: the bug of that name."""
    logits = torch.cat([real, fake]).squeeze()
    labels = torch.cat([torch.ones(len(real), 1), torch.zeros(len(fake), 1)])
    return 2 * own_bce(logits, labels)


def d_loss_of(gan):
    """Return D's adversarial loss, with the bug that the GAN has."""
    size = len(gan.batch[gan.real])
    honest = LOSSES[gan.loss][0]
    return {
        "targets swapped in D's step": lambda real, fake: honest(fake, real),
        "both sides smoothed": lambda real, fake: bce(real, 0.9) + bce(fake, 0.1),
        "target below 0": lambda real, fake: bce(real, 1) + bce(fake, -0.1),
        "(B,) against (B, 1)": broadcast_loss,
        "batch size in the labels": lambda real, fake: (
            honest(real, fake)
            + 0 * (torch.ones(size, *real.shape[1:]) * real).mean()  # Labels made once, for all.
        ),
    }.get(gan.bug, honest)


def make_step(gan):
    """Return ``step(*batch)``: D's steps and G's step, with the bug that the GAN has."""
    G, D, bug = gan.G, gan.D, gan.bug
    eps = 0.8 if bug == "Adam's eps 0.8" else 1e-8
    rate = 1000 if bug == "rate 1000 times too high" else 1
    trained = D if bug == "G's optimiser holds D" else G

    def adam(parameters, lr):
        return torch.optim.Adam(parameters, lr=lr * rate, betas=gan.betas, eps=eps)

    g_adam, d_adam = adam(trained.parameters(), gan.rates[0]), adam(D.parameters(), gan.rates[1])
    d_adversarial, g_adversarial = d_loss_of(gan), LOSSES[gan.loss][1]

    def judge_both(x_real, x_fake, batch):
        if bug != "real and fake in one batch":
            return gan.judge(D, x_real, batch), gan.judge(D, x_fake, batch)
        twice = tuple(torch.cat([part, part]) for part in batch)
        outputs = gan.judge(D, torch.cat([x_real, x_fake]), twice)
        return [o[: len(x_real)] for o in outputs], [o[len(x_real) :] for o in outputs]

    first = gan.batch

    def step(*batch):
        if bug == "z drawn once":
            batch = (batch[0], first[1][: len(batch[0])], *batch[2:])
        x_real = batch[gan.real]
        for _ in range(gan.rounds_of_d):
            x_fake = gan.draw(G, batch)
            detached = x_fake if bug == "fakes not detached, cleared too early" else x_fake.detach()
            if bug == "fakes not detached, cleared too early":
                g_adam.zero_grad()
            real, fake = judge_both(x_real, detached, batch)
            d_loss = d_adversarial(real[0], fake[0])
            d_loss = d_loss + gan.d_extra(real, fake, x_real, detached, batch, D)
            if bug != "zero_grad of D forgotten":
                d_adam.zero_grad()
            d_loss.backward(retain_graph=bug == "one graph for two losses")
            if bug != "D's optimiser never steps":
                d_adam.step()
        if bug == "fakes not detached, cleared too early":
            x_fake = gan.draw(G, batch)
        if bug == "fakes detached in G's step":
            x_fake = x_fake.detach()
        shared = bug == "one graph for two losses"
        g_outputs = fake if shared else gan.judge(D, x_fake, batch)
        g_loss = g_adversarial(g_outputs[0]) + gan.g_extra(g_outputs, x_fake, batch)
        if bug != "fakes not detached, cleared too early":
            g_adam.zero_grad()
        g_loss.backward()
        g_adam.step()
        return {"d_loss": d_loss.item(), "g_loss": g_loss.item()}

    return step
