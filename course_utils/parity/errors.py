"""What goes wrong when two models are no twins."""


class PairingError(ValueError):
    """Two layers that should be twins are not; the message names them."""
