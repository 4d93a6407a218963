"""The doctor: sound GANs pass, each planted bug is named by its instrument, nothing is changed."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
import torch.nn.functional as F
from keras import layers
from torch import nn

from course_utils.doctor import INSTRUMENTS, Finding, Report, examine
from course_utils.doctor.formulas import ANSWERS, fit

B = 16
X = np.random.default_rng(0).uniform(-1, 1, (B, 1, 4, 4)).astype(np.float32)
Z = np.random.default_rng(1).normal(size=(B, 4)).astype(np.float32)


def pair_torch(**options):
    torch.manual_seed(0)
    G = nn.Sequential(
        *(nn.Linear(4, 32), nn.BatchNorm1d(32, eps=options.get("eps", 1e-5)), nn.ReLU()),
        *(nn.Linear(32, 16), nn.Unflatten(1, (1, 4, 4)), nn.Tanh()),
    )
    D = nn.Sequential(
        *(nn.Flatten(), nn.Linear(16, 32), options.get("norm", nn.Identity()), nn.LeakyReLU(0.2)),
        *(nn.Dropout(0.3), nn.Linear(32, 1), options.get("end", nn.Identity())),
    )
    return G, D


def bce_torch(logits, target):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(target)))


def step_torch(G, D, bug="", targets=(1, 0, 1), optimiser=torch.optim.Adam):
    g_adam = optimiser((D if bug == "holds D" else G).parameters(), 2e-4)
    d_adam = optimiser(D.parameters(), 2e-4)
    real_target, fake_target, g_target = targets

    def step(x_real, z):
        x_fake = G(z).detach() if bug == "detached" else G(z)
        if bug == "mixed":
            real, fake = D(torch.cat([x_real, x_fake.detach()])).chunk(2)
        else:
            real, fake = D(x_real), D(x_fake.detach())
        d_loss = bce_torch(real, real_target) + bce_torch(fake, fake_target)
        if bug == "broadcast":
            logits = torch.cat([real, fake]).squeeze()
            labels = torch.cat([torch.ones(len(real), 1), torch.zeros(len(fake), 1)])
            d_loss = (F.softplus(logits) - labels * logits).mean()
        if bug == "short":
            d_loss = d_loss + 0 * (real * torch.ones(B, 1)).mean()
        if bug != "no zero_grad":
            d_adam.zero_grad()
        d_loss.backward()
        d_adam.step()
        g_loss = bce_torch(D(x_fake), g_target)
        g_adam.zero_grad()
        g_loss.backward()
        g_adam.step()
        return {"d_loss": d_loss.item(), "g_loss": g_loss.item()}

    return step


def batch_torch(x=X):
    return torch.from_numpy(x), torch.from_numpy(Z)


def examine_torch(bug="", batch=None, targets=(1, 0, 1), **options):
    G, D = pair_torch(**options)
    return examine(G, D, step_torch(G, D, bug, targets), batch or batch_torch())


def test_a_sound_gan_passes():
    report = examine_torch()
    assert report.sound and report.exit_code == 0, str(report)
    report.assert_sound()
    assert len(report.findings) == len(INSTRUMENTS)
    assert not [f for f in report.findings if f.measured.startswith("Could not")]
    assert report["loss at its known value"].value == pytest.approx(2 * np.log(2), abs=1e-5)


def test_a_compiled_step_passes():
    G, D = pair_torch()
    plain = step_torch(G, D, optimiser=torch.optim.SGD)  # Faster to trace than Adam.
    step = torch.compile(plain, backend="eager")
    report = examine(G, D, step, batch_torch())
    assert report.sound and report["who trains whom"].verdict == "sound", str(report)


TORCH_BUGS = {
    "gradient arrives": {"bug": "detached"},
    "who trains whom": {"bug": "holds D"},
    "nothing is left in .grad": {"bug": "no zero_grad"},
    "labels and answers line up": {"bug": "broadcast"},
    "short batch": {"bug": "short"},
    "real and generated apart": {"bug": "mixed", "norm": nn.BatchNorm1d(32)},
    "players are opponents": {"targets": (0, 1, 1)},
    "loss at its known value": {"end": nn.Sigmoid()},
    "settings": {"eps": 0.8},
    "pictures are comparable": {"batch": batch_torch((X + 1) / 2)},
}


@pytest.mark.parametrize("name", TORCH_BUGS)
def test_a_bug_is_named(name):
    report = examine_torch(**TORCH_BUGS[name])
    assert name in [finding.name for finding in report.ill], str(report)
    assert report[name].advice and report.exit_code == 1
    with pytest.raises(AssertionError, match=name):
        report.assert_sound()


@pytest.mark.parametrize(
    ("targets", "said"),
    [((0.9, 0.1, 1), "Smooth that of real ones alone"), ((1, -0.1, 1), "outside 0 to 1")],
)
def test_wrong_targets_are_named(targets, said):
    assert said in examine_torch(targets=targets)["loss at its known value"].advice


def test_smoothing_of_real_pictures_is_sound():
    finding = examine_torch(targets=(0.9, 0, 1))["loss at its known value"]
    assert finding.verdict == "sound" and "target 0.90" in finding.measured


def test_dropout_is_named_as_dropout_and_batch_norm_as_batch_norm():
    said = examine_torch()["neighbours"].measured
    assert "G in training: batch normalisation in G.1" in said
    assert "D in training: dropout in D.4 (Dropout)" in said
    assert "G in inference: stands alone" in said and "D in inference: stands alone" in said


class Always(nn.Module):
    def forward(self, x):
        return F.dropout(x, 0.5, training=True)


class FromBatch(nn.Module):
    def forward(self, x):
        return x - x.mean(0, keepdim=True)


@pytest.mark.parametrize(
    ("layer", "said"), [(Always(), "dropout"), (FromBatch(), "statistics or mixing of the batch")]
)
def test_what_a_picture_depends_on_at_inference_is_named(layer, said):
    G, D = pair_torch()
    G.insert(3, layer)
    finding = examine(G, D, step_torch(G, D), batch_torch())["neighbours"]
    assert finding.verdict == "ill" and said in finding.advice
    assert "batch norm" not in finding.advice


def test_networks_left_in_eval_mode_are_told():
    G, D = pair_torch()
    G.eval()
    finding = examine(G, D, step_torch(G, D), batch_torch())["layers are told to train"]
    assert finding.verdict == "ill" and "G.1" in finding.measured
    assert not G.training and D.training


def test_an_error_of_the_step_is_a_finding():
    G, D = pair_torch()

    def step(x_real, z):
        loss = D(G(z)).mean()
        loss.backward()
        loss.backward()

    report = examine(G, D, step, batch_torch())
    assert [finding.name for finding in report.ill][0] == "step runs"
    assert "One graph" in report["step runs"].advice


def test_a_step_without_losses_is_examined_too():
    G, D = pair_torch()
    step = step_torch(G, D)
    report = examine(G, D, lambda *batch: step(*batch) and None, batch_torch())
    assert report.sound
    assert report["loss at its known value"].verdict == "not applicable"
    assert "step returns nothing" in report["loss at its known value"].measured


def wasserstein_step(G, D, root):
    adams = [torch.optim.Adam(net.parameters(), 1e-4, (0.0, 0.9)) for net in (D, G)]

    def step(x_real, z):
        x_fake = G(z)
        share = torch.rand(len(x_real), 1, 1, 1)
        blend = (share * x_real + (1 - share) * x_fake.detach()).requires_grad_()
        (slope,) = torch.autograd.grad(D(blend).sum(), blend, create_graph=True)
        penalty = 10 * (root(slope) - 1).square().mean()
        d_loss = D(x_fake.detach()).mean() - D(x_real).mean() + penalty
        for adam, loss in zip(adams, (lambda: d_loss, lambda: -D(x_fake).mean()), strict=True):
            value = loss()
            adam.zero_grad()
            value.backward()
            adam.step()
        return {"d_loss": d_loss, "g_loss": value}

    return step


@pytest.mark.parametrize(
    ("root", "name"),
    [
        (lambda slope: slope.flatten(1).norm(dim=1), None),
        (lambda slope: slope.square().sum((1, 2, 3)).sqrt(), "gradient of a flat D"),
        (lambda slope: slope.norm(dim=2), "gradient penalty"),
        (lambda slope: slope.detach().flatten(1).norm(dim=1), "gradient penalty"),
    ],
    ids=["sound", "root", "axis", "cut"],
)
def test_a_gradient_penalty_is_examined(root, name):
    G, D = pair_torch()
    report = examine(G, D, wasserstein_step(G, D, root), batch_torch())
    assert [finding.name for finding in report.ill] == ([name] if name else []), str(report)
    assert report["blends"].verdict == "sound"
    if name is None:
        assert "w = 10;" in report["gradient penalty"].measured


def test_nothing_is_changed():
    states = []
    for examined in (True, False):
        G, D = pair_torch()
        step = step_torch(G, D)
        step(*batch_torch())
        before = {**G.state_dict(), **{f"D{k}": v for k, v in D.state_dict().items()}}
        before = {key: value.clone() for key, value in before.items()}
        grads = [p.grad.clone() for net in (G, D) for p in net.parameters()]
        np.random.seed(3)
        if examined:
            examine(G, D, step, batch_torch())
            now = {**G.state_dict(), **{f"D{k}": v for k, v in D.state_dict().items()}}
            assert all(map(torch.equal, before.values(), now.values()))
            after = [p.grad for net in (G, D) for p in net.parameters()]
            assert all(map(torch.equal, grads, after))
        # The optimisers go on as if nothing had been: so do the random numbers.
        losses = [step(*batch_torch()) for _ in range(3)]
        states.append((losses, np.random.random(), torch.rand(1).item()))
    assert states[0] == states[1]


def pair_keras(end=None):
    keras.utils.set_random_seed(0)
    G = keras.Sequential(
        [
            keras.Input((4,)),
            *(layers.Dense(32), layers.BatchNormalization(), layers.ReLU()),
            *(layers.Dense(16, activation="tanh"), layers.Reshape((4, 4, 1))),
        ]
    )
    D = keras.Sequential(
        [
            *(keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(32), layers.LeakyReLU(0.2)),
            *(layers.Dropout(0.3), layers.Dense(1, activation=end)),
        ]
    )
    return G, D


def step_keras(G, D, bug=""):
    g_adam, d_adam = keras.optimizers.Adam(2e-4), keras.optimizers.Adam(2e-4)
    bce = keras.losses.BinaryCrossentropy(from_logits=bug != "from_logits")
    mode = None if bug == "mode" else True

    def step(x_real, z):
        with tf.GradientTape() as g_tape:
            x_fake = G(z, training=mode)
            if bug == "stopped":
                x_fake = tf.stop_gradient(x_fake)
            with tf.GradientTape() as d_tape:
                real, fake = D(x_real, training=mode), D(tf.stop_gradient(x_fake), training=mode)
                d_loss = bce(tf.ones_like(real), real) + bce(tf.zeros_like(fake), fake)
            weights = D.trainable_variables
            d_adam.apply(d_tape.gradient(d_loss, weights), weights)
            fake = D(x_fake, training=mode)
            g_loss = bce(tf.ones_like(fake), fake)
        weights = G.trainable_variables
        g_adam.apply(g_tape.gradient(g_loss, weights), weights)
        return {"d_loss": d_loss, "g_loss": g_loss}

    return step


def batch_keras():
    return tf.constant(X.transpose(0, 2, 3, 1)), tf.constant(Z)


def values(*nets):
    return [variable.numpy() for net in nets for variable in net.variables]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "tf.function"])
def test_a_sound_gan_in_keras_passes_and_is_not_changed(compiled):
    G, D = pair_keras()
    step = step_keras(G, D)
    step = tf.function(step) if compiled else step
    before = values(G, D)
    report = examine(G, D, step, batch_keras())
    report.assert_sound()
    assert not [f for f in report.findings if f.measured.startswith("Could not")]
    assert all(map(np.array_equal, before, values(G, D)))
    assert not tf.config.functions_run_eagerly()
    said = report["neighbours"].measured
    assert "G in training: batch normalisation in G.batch_normalization" in said
    assert "D in training: dropout in D.dropout" in said


@pytest.mark.parametrize(
    ("bug", "name"),
    [
        ("stopped", "gradient arrives"),
        ("from_logits", "loss at its known value"),
        ("mode", "layers are told to train"),
    ],
)
def test_a_bug_in_keras_is_named(bug, name):
    G, D = pair_keras()
    step = tf.function(step_keras(G, D, bug))
    report = examine(G, D, step, batch_keras(), only=[name])
    assert [finding.name for finding in report.ill] == [name], str(report)


# --- formulas, report, refusals ------------------------------------------------------------------

S = np.array(ANSWERS)


@pytest.mark.parametrize(
    ("values", "family", "weight", "target"),
    [
        (np.logaddexp(0, S) - 0.9 * S, "cross-entropy on logits", 1, 0.9),
        (0.5 * np.logaddexp(0, S), "cross-entropy on logits", 0.5, 0),
        ((S - 1) ** 2, "least squares", 1, 1),
        (3 * np.maximum(0, 1 - S), "hinge", 3, 1),
        (np.maximum(0, 1 + S), "hinge", 1, -1),
        (-2 * S + 5, "Wasserstein", 2, None),
        (-np.log(np.clip(S, 1e-7, 1 - 1e-7)), "cross-entropy on probabilities", 1, 1),
        (np.sin(3 * S), None, 0, None),
        (np.full(5, 7.0), None, 0, None),
    ],
)
def test_a_loss_is_recognised_by_its_values(values, family, weight, target):
    found = fit(ANSWERS, values)
    assert found.family == family
    assert found.weight == pytest.approx(weight, abs=1e-6)
    assert found.target == (None if target is None else pytest.approx(target, abs=1e-6))


def test_a_report_is_read_asserted_and_exited_with():
    ill = Finding("who moves", "ill", "G: 0 of 3", 3.0, "each array", "Look | at the optimiser.")
    sound = Finding("settings", "sound", "nothing strange", 0.0, "small eps")
    report = Report((sound, ill))
    assert report.ill == (ill,) and not report.sound and report.exit_code == 1
    assert str(report).startswith("Examined: 1 ill, 1 sound, 0 not applicable.\nILL: who moves")
    assert "| settings | sound | nothing strange |" in report._repr_markdown_()
    assert "Look \\| at" in report._repr_markdown_()
    with pytest.raises(AssertionError, match="(?s)1 of 2 findings are ill.*who moves.*optimiser"):
        report.assert_sound()
    with pytest.raises(KeyError, match="No instrument is called 'x'. There are: settings, who"):
        report["x"]
    assert Report((sound,)).exit_code == 0


G0, D0 = pair_torch()


@pytest.mark.parametrize(
    ("arguments", "options", "error", "said"),
    [
        ((G0, pair_keras()[1], print, batch_torch()), {}, TypeError, "must be two torch.nn.Module"),
        ((nn.Linear, D0, print, batch_torch()), {}, TypeError, "but got type and Sequential"),
        ((G0, D0, None, batch_torch()), {}, ValueError, "step must be a function"),
        ((G0, D0, print, torch.ones(4, 2)), {}, ValueError, "batch must be the tuple that step"),
        ((G0, D0, print, ()), {}, ValueError, "with real pictures at 0, but got 0 parts"),
        ((G0, D0, print, (3, torch.ones(4))), {}, ValueError, "must be a tensor of two or more"),
        ((G0, D0, print, batch_torch()), {"losses": "d"}, ValueError, "losses must be 2 str"),
        ((G0, D0, print, batch_torch()), {"steps": 0}, ValueError, "steps must be at least 1"),
        ((G0, D0, print, batch_torch()), {"real": 2}, ValueError, "with real pictures at 2"),
    ],
)
def test_bad_input_is_refused(arguments, options, error, said):
    with pytest.raises(error, match=said):
        examine(*arguments, **options)


def test_the_doctor_imports_no_framework(run_python, root):
    code = (
        "import sys, course_utils.doctor; print({'torch', 'tensorflow', 'keras'} & {*sys.modules})"
    )
    child = run_python(code, PYTHONPATH=str(root))
    assert child.stdout.strip() == "set()", child.stderr
