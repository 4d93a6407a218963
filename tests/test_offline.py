"""The network is refused in this process, in child processes and in notebook kernels."""

import os
import socket
import urllib.error
import urllib.request

import nbformat
import pytest
from nbclient import NotebookClient

ATTEMPT = """
import socket
try:
    socket.create_connection(({host!r}, 80), timeout=5)
except OSError as error:
    print(type(error).__name__, error)
"""


def test_names_and_addresses_are_refused():
    with pytest.raises(socket.gaierror, match="without a network"):
        socket.getaddrinfo("example.org", 80)
    for family, address in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        for connect in (socket.socket.connect, socket.socket.connect_ex):
            with socket.socket(family) as sock, pytest.raises(ConnectionRefusedError):
                connect(sock, (address, 80))
    with socket.socket(type=socket.SOCK_DGRAM) as sock, pytest.raises(ConnectionRefusedError):
        sock.sendto(b"", ("192.0.2.1", 53))
    with pytest.raises(urllib.error.URLError, match="without a network"):
        urllib.request.urlopen("https://example.org")


def test_loopback_and_unix_sockets_stay_open():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1])).close()
    one, other = socket.socketpair()
    one.sendall(b"here")
    assert other.recv(4) == b"here"
    one.close()
    other.close()


@pytest.mark.parametrize("host", ["example.org", "192.0.2.1"])
def test_a_child_process_is_refused(run_python, host):
    assert "without a network" in run_python(ATTEMPT.format(host=host)).stdout


def test_a_kernel_is_refused():
    cell = nbformat.v4.new_code_cell(ATTEMPT.format(host="example.org"))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(notebook, kernel_name="python3", timeout=1800).execute()
    assert "without a network" in notebook.cells[0].outputs[0].text


def test_an_environments_own_sitecustomize_still_runs(run_python, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("print('the hidden one')")
    path = os.pathsep.join((os.environ["PYTHONPATH"], str(tmp_path)))
    child = run_python(ATTEMPT.format(host="example.org"), PYTHONPATH=path)
    assert child.stdout.startswith("the hidden one\n")
    assert "without a network" in child.stdout
