"""How large the terms are that a gradient is summed from: the scale of its rounding.

A weight's gradient is a sum over pictures and positions. Where the terms cancel, what is left is
rounding of their size: before batch norm a bias has no effect, its gradient is exactly 0, and
float32 finds 1e-8 times its terms, another 1e-8 in each framework and on each processor.
"""


class WatchedLayers:
    """Watches the layers of a PyTorch module while it runs forth and back once.

    Parameters
    ----------
    layers : iterable of (str, torch.nn.Module)
        Layers with weights and their names.
    """

    def __init__(self, layers):
        self._layers = dict(layers)
        self._calls = []

    def __enter__(self):
        self._hooks = [
            layer.register_forward_hook(self._remember(name))
            for name, layer in self._layers.items()
        ]
        return self

    def __exit__(self, *_):
        for hook in self._hooks:
            hook.remove()

    def _remember(self, name):
        def watch(_layer, given, output):
            if output.requires_grad:
                output.register_hook(
                    lambda delta: self._calls.append((name, given[0].detach(), delta.detach()))
                )

        return watch

    def sums_of_sizes(self):
        """Sum the sizes of the terms of each parameter's gradient, after the run.

        Returns
        -------
        dict of str to float
            Layer's name and parameter's name with a dot, to the largest sum in its array.
        """
        sums = {}
        for name, given, delta in self._calls:
            for key, sizes in _sizes(self._layers[name], given, delta.abs()).items():
                sums[f"{name}.{key}"] = sums.get(f"{name}.{key}", 0) + sizes
        return {name: float(sizes.max()) for name, sizes in sums.items()}


def _sizes(layer, given, delta):
    """Sum |terms| for each of a layer's parameters, from its input and its output's |gradient|."""
    import torch

    if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
        of_batch = layer.training or layer.running_mean is None
        normal = torch.nn.functional.batch_norm(
            given,
            None if of_batch else layer.running_mean,
            None if of_batch else layer.running_var,
            training=of_batch,
            eps=layer.eps,
        )
        axes = [axis for axis in range(given.ndim) if axis != 1]
        return {"weight": (delta * normal.abs()).sum(axes), "bias": delta.sum(axes)}
    # The other layers are linear in their parameters: a term is an input times a gradient.
    parameters = dict(layer.named_parameters(recurse=False))
    if not parameters:
        return {}
    with torch.enable_grad():
        output = layer(given.abs() if given.is_floating_point() else given)
    sums = torch.autograd.grad(output, list(parameters.values()), delta)
    return dict(zip(parameters, sums, strict=True))
