"""Kernels under spectral normalisation: what a layer uses is not what it stores."""


class SpectralWeight:
    """The kernel a spectrally normalised layer uses; written, it becomes the stored kernel."""

    def __init__(self, layer):
        self._layer = layer
        self.shape = layer.parametrizations.weight.original.shape

    def detach(self):
        """Return the kernel in use, without a step of the power iteration."""
        training = self._layer.training
        self._layer.eval()
        value = self._layer.weight.detach()
        self._layer.train(training)
        return value

    def copy_(self, array):
        """Store a kernel."""
        self._layer.parametrizations.weight.original.copy_(array)


def make_spectral_norms_exact(torch_module):
    """Choose v so that u W v = 1: then PyTorch uses the copied kernel as it is, as Keras does."""
    import torch

    for module in torch_module.modules():
        if hasattr(module, "parametrizations") and hasattr(module.parametrizations.weight[0], "_u"):
            norm = module.parametrizations.weight[0]
            with torch.no_grad():
                matrix = norm._reshape_weight_to_matrix(module.parametrizations.weight.original)
                direction = matrix.T @ norm._u
                norm._v.copy_(direction / direction.dot(direction))
