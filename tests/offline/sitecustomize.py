"""Refuse connections that leave this machine, in each Python that finds this folder on its path.

The tests put the folder on PYTHONPATH, so that notebook kernels and child processes are refused as
well. Loopback addresses and Unix sockets stay open: kernels talk through them.
"""

import errno
import importlib.machinery
import importlib.util
import ipaddress
import os
import socket
import sys

MESSAGE = "The tests run without a network, and refused {!r}."


def refuse_the_network():
    """Wrap what opens connections and looks up names; calling it twice changes nothing more."""
    if getattr(socket, "_refused_by_the_tests", False):
        return
    socket._refused_by_the_tests = True
    for name in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, name, _refusing(getattr(socket.socket, name)))
    look_up = socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        if not _is_local(host):
            raise socket.gaierror(socket.EAI_NONAME, MESSAGE.format(host))
        return look_up(host, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo


def _refusing(method):
    def refusing(self, *args):
        address = args[-1]  # connect(address), sendto(data, address), sendto(data, flags, address)
        internet = self.family in (socket.AF_INET, socket.AF_INET6)
        if internet and not _is_local(address[0]):
            raise ConnectionRefusedError(errno.ECONNREFUSED, MESSAGE.format(address))
        return method(self, *args)

    return refusing


def _is_local(host):
    if isinstance(host, bytes):
        host = host.decode()
    if host in (None, "", "localhost", socket.gethostname()):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _run_the_next_sitecustomize():
    """Run the one that this file hides, where the environment has one."""
    here = os.path.dirname(os.path.abspath(__file__))
    others = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec and spec.loader:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


if __name__ == "sitecustomize":
    refuse_the_network()
    _run_the_next_sitecustomize()
