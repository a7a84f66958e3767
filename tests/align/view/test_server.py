"""The server: whom it answers, and what it lets the browser do."""

import http.client
import json
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from align.view.__main__ import main
from align.view.page import scripts
from datasets.errors import OptionError
from datasets.pages.server import open_socket


@pytest.fixture(scope="module")
def address(serve, viewed_runs):
    with serve(viewed_runs[0]) as found:
        yield found


def get(address, path, host=None, method="GET"):
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
    connection.request(method, path, headers={} if host is None else {"Host": host})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def test_it_listens_on_this_machine_alone(address):
    assert urlsplit(address).hostname == "127.0.0.1"
    assert get(address, "/")[0].status == 200


@pytest.mark.parametrize("host", ["localhost", "localhost:8642", "127.0.0.1:9", "[::1]:80"])
def test_own_names_are_answered(address, host):
    assert get(address, "/api/about.json", host)[0].status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8642", ""]
)
def test_other_names_are_refused(address, host):
    for path in ("/", "/api/about.json", "/static/main.js"):
        answer, body = get(address, path, host)
        assert answer.status == 400 and b"lift" not in body and b"dots" not in body


def test_answers_say_what_may_be_loaded(address):
    answer, body = get(address, "/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in answer.headers
    assert not re.findall(rb"(?:https?:)?//", body), "the page names another server"
    assert get(address, "/api/about.json")[0].headers["x-content-type-options"] == "nosniff"


def test_scripts_and_style_come_from_the_package(address):
    for path, text in scripts().items():
        answer, body = get(address, path.removeprefix("."))
        assert answer.headers.get_content_type() == "text/javascript"
        assert body.decode() == text and "http" not in text.replace("http:", "")
    for style in ("/shared/base.css", "/static/style.css"):
        assert get(address, style)[0].status == 200


@pytest.mark.parametrize("path", ["/static/../page.py", "/static/%2e%2e/page.py", "/api/../page"])
def test_nothing_else_of_the_disk_is_given(address, path):
    assert get(address, path)[0].status == 404


def test_problems_are_told_as_json(address):
    answer, body = get(address, "/api/episodes/99/about.json")
    assert answer.status == 404 and json.loads(body)["problem"] == "there is no episode 99"


def test_nothing_can_be_changed(address):
    assert get(address, "/api/about.json", method="POST")[0].status == 405


@pytest.mark.slow
def test_a_problem_of_the_data_is_told(serve, viewed_runs, dots, tmp_path):
    import shutil

    copy = Path(shutil.copytree(dots, tmp_path / "copy"))
    with serve(viewed_runs[0], "--data", copy) as address:
        [*_, last] = sorted(copy.glob("episodes/*.hdf5"))
        last.write_bytes(last.read_bytes()[:1000])
        answer, body = get(address, "/api/episodes/1/about.json")
    assert answer.status == 422 and last.name in json.loads(body)["problem"]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "example.com"])
def test_other_machines_are_let_in_only_when_asked(host, capsys):
    with pytest.raises(SystemExit) as end:
        main(["run", "--host", host])
    assert end.value.code == 2 and "add --network if you mean it" in capsys.readouterr().err


@pytest.mark.slow
def test_a_taken_port_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OptionError, match=f"port {port} of 127.0.0.1 is in use"):
            open_socket("127.0.0.1", port)


@pytest.mark.slow
def test_a_foreign_address_is_named():
    with pytest.raises(OptionError, match=r"--host 203\.0\.113\.1 --port 0 cannot be listened on"):
        open_socket("203.0.113.1", 0)
