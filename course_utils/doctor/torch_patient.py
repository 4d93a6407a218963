"""A GAN written in PyTorch, as the instruments see it."""

import contextlib
import copy

import numpy as np
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from ..arrays import to_numpy
from .patient import Patient
from .records import Event, Layer, Update, exchange, tensors

SAME = 1e-4  # Of a gradient's size: float32 sums in another order differ by a hundredth of it.


class TorchPatient(Patient):
    """G and D are ``torch.nn.Module``; a compiled one is examined by what it was compiled from."""

    def __init__(self, G, D, step):
        G, D = (getattr(net, "_orig_mod", net) for net in (G, D))
        on_cuda = torch.cuda.is_available()
        self._rng = torch.get_rng_state(), torch.cuda.get_rng_state_all() if on_cuda else []
        super().__init__(G, D, step)

    # --- what there is -------------------------------------------------------------------------

    def layers(self, player):
        """Yield (module, Layer) of each layer; parametrisations of weights are none."""
        for name, module in self.players[player].named_modules():
            if "parametrizations" in name:
                continue
            inner = [child for child, _ in module.named_children() if child != "parametrizations"]
            role = ""
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                role = "batch normalisation"
            elif isinstance(module, nn.modules.dropout._DropoutNd):
                role = "dropout"
            parameters = module.parameters() if not inner else module.parameters(recurse=False)
            weighs = any(p.ndim > 1 for p in parameters)
            title = f"{player}.{name}" if name else player
            yield module, Layer(title, type(module).__name__, role, not inner, weighs)

    def settings(self, player):
        """Yield (layer's name, setting, value) of what is easily set wrong."""
        for module, layer in self.layers(player):
            if "Norm" in layer.kind and isinstance(eps := getattr(module, "eps", None), float):
                yield layer.name, "eps", eps
            if isinstance(module, nn.LeakyReLU):
                yield layer.name, "slope", float(module.negative_slope)
            if layer.role == "dropout":
                yield layer.name, "rate", float(module.p)
            keeps = layer.role == "batch normalisation" and module.track_running_stats
            if keeps and module.momentum is not None:  # None: the mean of all batches.
                yield layer.name, "weight of the new batch", float(module.momentum)

    def optimiser_settings(self, optimiser):
        """Return rate, betas and eps, as far as the optimiser has them."""
        group = optimiser.param_groups[0]
        betas = group.get("betas", (None, None))
        found = {"rate": group.get("lr"), "eps": group.get("eps")}
        found |= {"beta1": betas[0], "beta2": betas[1]}
        return {key: float(value) for key, value in found.items() if value is not None}

    def norm_gain(self, layer):
        """Return the root mean square of a batch normalisation's gains; 1 without any."""
        module = next(m for m, found in self.layers(layer.name[0]) if found == layer)
        weight = module.weight
        return 1.0 if weight is None else float(weight.detach().square().mean().sqrt())

    def weights(self):
        """Return copies of all parameters by name."""
        return {n: np.array(to_numpy(p)) for n, p in self._named()}

    def frozen(self):
        """Return the names of parameters that are to have no gradient."""
        return {name for name, parameter in self._named() if not parameter.requires_grad}

    def _named(self):
        for player, net in self.players.items():
            for name, parameter in net.named_parameters():
                yield f"{player}.{name}", parameter

    # --- state ---------------------------------------------------------------------------------

    def keep(self):
        """Return the state of both networks, of what they train and of what trains them."""
        nets = [(net, copy.deepcopy(net.state_dict())) for net in self.players.values()]
        modes = [(m, m.training) for net in self.players.values() for m in net.modules()]
        parameters = [parameter for _, parameter in self._named()]
        grads = [
            (p, None if p.grad is None else p.grad.clone(), p.requires_grad) for p in parameters
        ]
        return nets, modes, grads, {key: self._state(o) for key, (o, _) in self.optimisers.items()}

    def put_back(self, state):
        """Put a state of :meth:`keep` back."""
        nets, modes, grads, optimisers = state
        for net, values in nets:
            net.load_state_dict(values)
        for module, mode in modes:
            module.training = mode
        for parameter, grad, required in grads:
            parameter.grad = None if grad is None else grad.clone()
            parameter.requires_grad_(required)
        for key, (optimiser, first) in self.optimisers.items():
            # A copy: the optimiser would go on in these very tensors.
            optimiser.load_state_dict(copy.deepcopy(optimisers.get(key, first)))
        with torch.no_grad():
            for parameter, value in self.others.values():
                parameter.copy_(value)

    @staticmethod
    def _state(optimiser):
        return copy.deepcopy(optimiser.state_dict())

    def seed(self, seed):
        """Seed what the step or a network may draw from, and clear gradients."""
        torch.manual_seed(seed)
        np.random.seed(seed)
        for _, parameter in self._named():
            parameter.grad = None

    def leave(self):
        """Restore, PyTorch's random generator included."""
        super().leave()
        torch.set_rng_state(self._rng[0])
        if self._rng[1]:
            torch.cuda.set_rng_state_all(self._rng[1])

    # --- tensors -------------------------------------------------------------------------------

    def tensor(self, array):
        """Return an array as a tensor where the networks are."""
        parameter = next((p for _, p in self._named()), torch.empty(0))
        return torch.as_tensor(array, device=parameter.device)

    def constant(self, tensor):
        """Return a tensor without its gradient's path."""
        return tensor.detach()

    def row_sums(self, tensor):
        """Return the sums over all axes but the first."""
        return tensor.flatten(1).sum(1)

    def like(self, tensor, other):
        """Return a tensor in the shape of another one."""
        return tensor.reshape(other.shape)

    # --- watching ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def watching(self, run, alter, frozen):
        """Record calls, updates and modes of a step, which is carried out eagerly."""
        ledger = Ledger(self._named(), follow=not frozen)
        with contextlib.ExitStack() as undo:
            undo.enter_context(torch.compiler.set_stance("force_eager"))
            undo.callback(ledger.close)
            for player, net in self.players.items():

                def called(module, args, kwargs, outputs, player=player):
                    mode = module.training
                    return self.record_call(run, alter, player, args, kwargs, mode, outputs)

                undo.callback(net.register_forward_hook(called, with_kwargs=True).remove)
                for module, layer in self.layers(player):
                    if layer.role:

                        def mode(module, _, name=layer.name):
                            run.modes.setdefault(name, set()).add(module.training)

                        undo.callback(module.register_forward_pre_hook(mode).remove)

            def stepping(optimiser, *_):
                self._note(optimiser)
                run.updates.append(ledger.update(optimiser))

            if frozen:
                for optimiser, _ in self.optimisers.values():
                    undo.enter_context(_held(optimiser, stepping))
            else:
                undo.callback(register_optimizer_step_pre_hook(stepping).remove)
            yield

    def _note(self, optimiser):
        """Remember the first state of an optimiser and of weights that only it knows."""
        if id(optimiser) in self.optimisers:
            return
        self.optimisers[id(optimiser)] = optimiser, self._state(optimiser)
        ours = {id(parameter) for _, parameter in self._named()}
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                if id(parameter) not in ours:
                    self.others.setdefault(id(parameter), (parameter, parameter.detach().clone()))

    @contextlib.contextmanager
    def traced(self, player, events):
        """Write down what goes into and comes out of each layer."""
        with contextlib.ExitStack() as undo:
            for module, layer in self.layers(player):

                def into(_, args, layer=layer):
                    events.append(Event("in", layer, self.first_rows(args)))

                def out(_, args, outputs, layer=layer):
                    events.append(Event("out", layer, self.first_rows(outputs)))

                undo.callback(module.register_forward_pre_hook(into).remove)
                undo.callback(module.register_forward_hook(out).remove)
            yield

    def call(self, player, args, kwargs, training):
        """Call a player without a gradient, in a mode."""
        with torch.no_grad(), torch.compiler.set_stance("force_eager"):
            return self.players[player].train(training)(*args, **kwargs)

    def input_gradients(self, call, training):
        """Return for each input the gradient of a weighting of all outputs, None for whole numbers.

        The weights are normal numbers, so that no two outputs cancel.
        """
        inputs = [self.tensor(array) for array in call.inputs]
        inputs = [t.requires_grad_() if t.is_floating_point() else t for t in inputs]
        args, kwargs = exchange((call.args, call.kwargs), inputs)
        self.seed(0)
        with torch.compiler.set_stance("force_eager"):
            outputs = tensors(self.players[call.player].train(training)(*args, **kwargs))
        rng = np.random.default_rng(0)
        total = sum((y * self.tensor(rng.normal(size=y.shape)).to(y.dtype)).sum() for y in outputs)
        floats = [tensor for tensor in inputs if tensor.requires_grad]
        found = iter(torch.autograd.grad(total, floats, allow_unused=True) if floats else ())
        gradients = [next(found) if tensor.requires_grad else None for tensor in inputs]
        self.restore()
        return [
            None if not i.requires_grad else np.zeros(i.shape) if g is None else to_numpy(g)
            for i, g in zip(inputs, gradients, strict=True)
        ]

    @contextlib.contextmanager
    def changed(self, player, change, layer=None):
        """Exchange weights by ``change(array)``, those of a layer or all, within a block."""
        modules = {found: module for module, found in self.layers(player)}
        module = modules[layer] if layer else self.players[player]
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.copy_(self.tensor(change(self.numpy(parameter))))
        with self.as_it_is():
            yield


class Ledger:
    """Which gradient came into each parameter in which phase; an optimiser's step ends a phase.

    A backward pass *adds* to ``.grad``. So what an optimiser finds there should be the sum of
    what came in since the last step of any optimiser. If it is not, but is that sum with what
    earlier phases left, somebody did not clear the gradients.
    """

    def __init__(self, named, follow=True):
        self.names, self.hooks, self.came, self.phase = {}, [], {}, 0
        for name, parameter in named:
            self.names[id(parameter)] = name
            if follow and parameter.requires_grad:
                self._follow(parameter)

    def _follow(self, parameter):
        pending = []

        def coming(gradient):
            pending[:] = [gradient.detach().clone()]

        def arrived(parameter):  # Only backward() ends here; torch.autograd.grad does not.
            phases = self.came.setdefault(id(parameter), {})
            phases[self.phase] = phases.get(self.phase, 0) + pending[0]

        self.hooks.append(parameter.register_hook(coming))
        self.hooks.append(parameter.register_post_accumulate_grad_hook(arrived))

    def update(self, optimiser):
        """Return the update that an optimiser is about to make; a new phase begins."""
        held = [p for group in optimiser.param_groups for p in group["params"]]
        names = [self.names.get(id(p), "other") for p in held]
        gradients = {
            name: None if p.grad is None else np.array(to_numpy(p.grad))
            for name, p in zip(names, held, strict=True)
        }
        leftover = self._leftover([p for p in held if id(p) in self.names])
        self.phase += 1
        return Update(optimiser, names, gradients, leftover)

    def _leftover(self, held):
        """Return the share of what is in ``.grad`` that came in before this phase."""
        held = [p for p in held if p.grad is not None]
        phases = sorted({phase for p in held for phase in self.came.get(id(p), {})})
        if not phases:
            return 0.0

        def since(first):
            parts = (self._sum(p, first) for p in held)
            return torch.cat([part.flatten() for part in parts])

        applied = torch.cat([p.grad.flatten() for p in held])
        last = since(phases[-1])
        if (missing := _beyond(applied, last)) < SAME:
            return 0.0
        explained = min((_beyond(applied, since(first)) for first in phases[:-1]), default=1.0)
        return missing if explained < SAME else 0.0

    def _sum(self, parameter, first):
        came = self.came.get(id(parameter), {})
        parts = [gradient for phase, gradient in came.items() if phase >= first]
        return sum(parts) if parts else torch.zeros_like(parameter)

    def close(self):
        """Take all hooks away."""
        for hook in self.hooks:
            hook.remove()


def _beyond(applied, came):
    """Return the share of an applied gradient that is no multiple of what came in."""
    applied, came = applied.double(), came.double()
    factor = (applied @ came) / (came @ came).clamp_min(1e-300)  # Clipping and scaling make one.
    return float((applied - factor * came).norm() / applied.norm().clamp_min(1e-300))


@contextlib.contextmanager
def _held(optimiser, stepping):
    """Keep an optimiser from moving anything."""

    def step(closure=None, *_, **__):
        loss = closure() if callable(closure) else None
        stepping(optimiser)
        return loss

    own = vars(optimiser).get("step")  # A learning-rate schedule puts one there.
    optimiser.step = step
    try:
        yield
    finally:
        if own is None:
            del optimiser.step
        else:
            optimiser.step = own
