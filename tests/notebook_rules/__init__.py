"""What a notebook must keep so that `pytest --nbval` means something, and a reader finds his way.

Each rule takes a notebook and yields the breaches it finds, in words. `frame` looks at the
notebook as a reader does, `folded` at what it hides from him, `plain` at its code, `printed` at
the lines of its checks, `checked` at what each ignored cell is held to, with the data flow of
`flow`, `pictures` at which pictures are compared, and `modes` at what a function does to a network.
`edition` asks more of the chapters of the second edition.
"""

from notebook_rules import checked, folded, frame, modes, pictures, plain, printed
from notebook_rules.cells import FOLDED, IGNORE, code_cells, tags

# The chapters, in order. A chapter that is deleted or added changes this list, or fails.
CHAPTERS = (
    "00_start_here",
    "01_minmax_game",
    "02_optimal_discriminator",
    "03_transposed_convolution",
    "04_dcgan",
    "05_latent_space",
    "06_cgan",
    "07_acgan",
    "08_infogan",
    "09_evaluating_gans",
    "10_mode_collapse",
    "11_stable_training",
    "12_debugging_clinic",
)
RULES = (
    *frame.RULES,
    *folded.RULES,
    *plain.RULES,
    *printed.RULES,
    *checked.RULES,
    *modes.RULES,
    *pictures.RULES,
)

__all__ = ["CHAPTERS", "FOLDED", "IGNORE", "RULES", "code_cells", "tags"]
