"""What an examination found: findings, and a report to read, to assert and to exit with."""

import functools
from dataclasses import dataclass

SOUND, ILL, NOT_APPLICABLE = "sound", "ill", "not applicable"


class NotApplicable(Exception):
    """Raised by an instrument that has nothing to measure here; its text says why."""


@dataclass(frozen=True)
class Finding:
    """What one instrument found.

    Attributes
    ----------
    name : str
        The instrument.
    verdict : str
        ``"sound"``, ``"ill"`` or ``"not applicable"``.
    measured : str
        What was measured, in words and numbers; why, if it was not applicable.
    value : float or None
        The number behind the verdict.
    expected : str
        What a healthy GAN shows.
    advice : str
        What to do; empty unless the verdict is ``"ill"``.
    """

    name: str
    verdict: str
    measured: str
    value: float | None
    expected: str
    advice: str = ""

    def __str__(self):
        lines = [f"{self.verdict.upper() if self.verdict == ILL else self.verdict}: {self.name}"]
        lines.append(f"  measured: {self.measured}")
        if self.verdict == ILL:
            lines += [f"  expected: {self.expected}", f"  to do:    {self.advice}"]
        return "\n".join(lines)


def instrument(name, expected):
    """Make a function an instrument: what it returns or raises becomes a :class:`Finding`.

    The function takes a :class:`~course_utils.doctor.case.Case`. It returns ``(ill, value,
    measured, advice)``: a bool, a number, and two texts. It raises :class:`NotApplicable` where
    there is nothing to measure.
    """

    def decorate(measure):
        @functools.wraps(measure)
        def examined(case):
            try:
                ill, value, measured, advice = measure(case)
            except NotApplicable as why:
                return Finding(name, NOT_APPLICABLE, str(why), None, expected)
            verdict = ILL if ill else SOUND
            return Finding(name, verdict, measured, float(value), expected, advice if ill else "")

        examined.title, examined.expected = name, expected
        return examined

    return decorate


@dataclass(frozen=True, repr=False)
class Report:
    """All findings of an examination.

    Printed, it is a text, what is ill first; in a notebook, a table; ``report["who moves"]`` is
    one finding.

    Attributes
    ----------
    findings : tuple of Finding
        One for each instrument, in the order of the examination.
    """

    findings: tuple

    @property
    def ill(self):
        """The findings that are ill, a tuple."""
        return tuple(finding for finding in self.findings if finding.verdict == ILL)

    @property
    def sound(self):
        """Whether no finding is ill."""
        return not self.ill

    @property
    def exit_code(self):
        """For ``sys.exit`` in CI: 0 if no finding is ill, else 1."""
        return int(bool(self.ill))

    def assert_sound(self):
        """Raise an AssertionError that names what is ill, what was measured and what to do."""
        if self.ill:
            raise AssertionError(
                f"{len(self.ill)} of {len(self.findings)} findings are ill.\n"
                + "\n".join(str(finding) for finding in self.ill)
            )

    def __getitem__(self, name):
        for finding in self.findings:
            if finding.name == name:
                return finding
        names = ", ".join(finding.name for finding in self.findings)
        raise KeyError(f"No instrument is called {name!r}. There are: {names}.")

    def __repr__(self):
        counts = {v: 0 for v in (ILL, SOUND, NOT_APPLICABLE)}
        for finding in self.findings:
            counts[finding.verdict] += 1
        head = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        order = sorted(self.findings, key=lambda f: list(counts).index(f.verdict))
        return "\n".join([f"Examined: {head}.", *map(str, order)])

    def _repr_markdown_(self):
        rows = ["| instrument | verdict | measured | expected | to do |", "|---|---|---|---|---|"]
        for f in self.findings:
            verdict = f"**{f.verdict}**" if f.verdict == ILL else f.verdict
            cells = (f.name, verdict, f.measured, f.expected, f.advice)
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        return "\n".join(rows)
