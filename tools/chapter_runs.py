"""Train a chapter's own code many times: its names for a seed, its fingerprint, what is missing.

For the tools that compare several ways or seeds of one chapter's GAN and keep a line of JSON for
each run, so that a measurement that was cut short goes on where it stopped.
"""

import argparse
import ast
import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed

import nbformat
from arithmetic import environment
from recipes import from_notebook
from ten_seeds import read_records
from tqdm import tqdm

import course_utils


def chapter(notebook, stop, seed):
    """Run a notebook's definitions with a seed, up to the cell with ``stop``; return all names."""
    real_setup = course_utils.setup
    course_utils.setup = lambda *_args, **_options: real_setup(seed)
    space = from_notebook(notebook, stop)
    course_utils.setup = real_setup
    return space


def fingerprint(notebook, functions, settings):
    """Return eight digits that change when one of these functions or settings does.

    Parameters
    ----------
    notebook : path
        Holds the functions.
    functions : iterable of str
        Names of functions and classes of the notebook.
    settings : iterable of str
        Any texts.
    """
    cells = [c.source for c in nbformat.read(notebook, as_version=4).cells if c.cell_type == "code"]
    defined = {getattr(node, "name", ""): node for node in ast.parse("\n".join(cells)).body}
    texts = [*settings, *(ast.dump(defined[name]) for name in functions)]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:8]


def run_each(script, jobs, records, at_once=2):
    """Run ``script --one ...`` for each job, on one thread each; append what it prints to records.

    Parameters
    ----------
    script : path
        A program whose last line on standard output is a JSON object.
    jobs : list of tuple of str
        The arguments after ``--one``.
    records : path
        Gets a line for each job, as soon as it is done.
    at_once : int, optional
        How many jobs run at the same time.

    Raises
    ------
    RuntimeError
        If a job fails; the others are kept.
    """

    def in_a_process(job):
        command = [sys.executable, str(script), "--one", *job]
        child = subprocess.run(
            command, capture_output=True, text=True, env=environment("one thread")
        )
        if child.returncode:
            raise RuntimeError(f"{', '.join(job)} failed:\n{child.stderr}")
        return json.loads(child.stdout.splitlines()[-1])

    with ThreadPoolExecutor(at_once) as pool, tqdm(total=len(jobs), unit="run") as bar:
        for done in as_completed([pool.submit(in_a_process, job) for job in jobs]):
            with records.open("a", encoding="utf-8") as file:
                file.write(json.dumps(done.result()) + "\n")
            bar.update()


def run_missing(script, records, code, jobs, names):
    """Run the jobs that no line of records stands for.

    Parameters
    ----------
    script, jobs, records
        As for :func:`run_each`.
    code : str
        The chapter's fingerprint; each record holds its own as ``code``.
    names : tuple of str
        Which keys of a record make up its job.
    """
    made = read_records(records)
    if any(record["code"] != code for record in made):
        sys.exit(f"error: {records} was measured with other code of the chapter: --anew forgets it")
    made = {tuple(str(record[name]) for name in names) for record in made}
    run_each(script, [job for job in jobs if job not in made], records)


def options(description, job):
    """Return a parser with --anew, --table and, for the processes of run_each, --one."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--anew", action="store_true", help="forget the runs made so far")
    parser.add_argument("--table", action="store_true", help="only print the tables of the runs")
    parser.add_argument("--one", nargs=job, help=argparse.SUPPRESS)
    return parser
