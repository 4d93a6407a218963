"""Examine eight GANs from papers, whole and with planted bugs; print what the doctor found.

    python tools/doctor_trials.py
    python tools/doctor_trials.py --framework torch --only DCGAN

Each bug is one small change of a step, a network or a batch. "found" means by an instrument that
is meant for it; "elsewhere", only by another one; "missed", by none. A whole network with an ill
finding is a false alarm, and makes the exit code 1; so does an instrument that could not be used
because it failed. In Keras, whose eager steps are far slower, a planted bug is shown only to the
instruments that are meant for it.
"""

import argparse
import importlib
import sys
import time

from course_utils.doctor import examine
from course_utils.imports import import_frameworks

MODULES = {"torch": "doctor_torch", "keras": "doctor_keras"}


def examined(gan, step, only=None):
    """Return the report on a GAN, and the instruments that failed."""
    report = examine(gan.G, gan.D, step, gan.batch, real=gan.real, only=only)
    failed = [f.name for f in report.findings if f.measured.startswith("Could not")]
    return report, failed


def trial(module, name, bug):
    """Examine one GAN with one bug, or whole.

    Returns
    -------
    (str, list of str)
        What the table says; the ill findings and failed instruments.
    """
    gan = module.planted(name, bug)
    meant = set() if bug is None else module.BUGS[bug].instruments
    only = sorted(meant) if meant and module.ONLY_MEANT else None
    report, failed = examined(gan, module.make_step(gan), only)
    ill = [finding.name for finding in report.ill]
    if bug is None:
        return ("FALSE ALARM" if ill or failed else "sound"), ill + failed
    right = set(ill) & meant
    return ("found" if right else "elsewhere" if ill else "missed"), ill


def table(module, title, only):
    """Print the table of a framework; return the counts of its cells."""
    names = [name for name in module.GANS if only in name]
    print(f"\n## {title}\n")
    print("| bug | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 1) + "|")
    counts, notes = {}, []
    for bug in (None, *module.BUGS):
        cells = []
        for name in names:
            if bug is not None and not module.BUGS[bug].applies(module.make(name)):
                cells.append("")
                continue
            cell, seen = trial(module, name, bug)
            cells.append(cell)
            counts[cell] = counts.get(cell, 0) + 1
            if cell in ("FALSE ALARM", "elsewhere"):
                notes.append(f"{name}, {bug or 'whole'}: {', '.join(seen)}")
        print(f"| {bug or 'none: the whole network'} | " + " | ".join(cells) + " |", flush=True)
    print("\n" + "\n".join(notes))
    return counts


def main():
    """Parse the command, print the tables, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--framework", choices=MODULES, help="one of the two")
    parser.add_argument("--only", default="", help="only GANs whose name has this in it")
    options = parser.parse_args()
    started, total = time.perf_counter(), {}
    import_frameworks()  # In the order that does not crash.
    for framework, name in MODULES.items():
        if options.framework in (None, framework):
            module = importlib.import_module(name)
            for cell, count in table(module, framework, options.only).items():
                total[cell] = total.get(cell, 0) + count
    used = time.process_time()
    summary = ", ".join(f"{count} {cell}" for cell, count in sorted(total.items()))
    print(f"\n{summary}; {time.perf_counter() - started:.0f} s, {used:.0f} s of the CPU")
    return int(total.get("FALSE ALARM", 0) > 0)


if __name__ == "__main__":
    sys.exit(main())
