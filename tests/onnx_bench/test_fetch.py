"""Fetching what authors publish, from a server on this machine that can misbehave."""

import hashlib
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from onnx_bench.benchmarks import BENCHMARKS, benchmark, downloads, fetching
from onnx_bench.benchmarks.base import Download
from onnx_bench.benchmarks.fetching import fetch
from onnx_bench.cli import main
from onnx_bench.errors import DownloadError

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2


class Server(ThreadingHTTPServer):
    """Serves `content` at every path but /missing and /page, and remembers what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.ranges = True
        self.etag = '"one"'
        self.cut_after: int | None = None
        self.asked: list[tuple[str, str | None]] = []

    def url(self, path: str = "file") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, start = self.server, 0
        asked = self.headers.get("Range")
        server.asked.append((self.path, asked))
        if self.path == "/missing":
            self.send_error(404)
            return
        same = self.headers.get("If-Range") in (None, server.etag)
        if asked and server.ranges and same:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        size = len(server.content)
        if start >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        if server.etag:
            self.send_header("ETag", server.etag)
        kind = "text/html" if self.path == "/page" else "application/octet-stream"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(size - start))
        self.end_headers()
        end = size if server.cut_after is None else start + server.cut_after
        self.wfile.write(server.content[start:end])
        if end < size:
            self.close_connection = True

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    thread = Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()


def file(*urls: str, sha256: str | None = SHA256, path: str = "data/table.bin") -> Download:
    return Download(path, urls, sha256)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def refused(download: Download, folder: Path) -> str:
    """The one-line message of a fetch that fails, which leaves nothing under the final name."""
    with pytest.raises(DownloadError) as caught:
        fetch(download, folder)
    message = str(caught.value)
    assert "\n" not in message
    assert not (folder / download.path).exists()
    return message


def test_a_whole_file_comes_with_its_progress(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = fetch(file(server.url()), tmp_path, lambda done, total: seen.append((done, total)))
    assert path == tmp_path / "data" / "table.bin"
    assert path.read_bytes() == CONTENT
    assert names(tmp_path) == {"table.bin"}
    assert (seen[0], seen[-1]) == ((0, len(CONTENT)), (len(CONTENT), len(CONTENT)))


def test_a_cut_download_is_kept_and_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    server.cut_after = HALF
    message = refused(file(server.url()), tmp_path)
    assert f"cut after {HALF:,} of {len(CONTENT):,} bytes" in message
    assert (tmp_path / "data" / "table.bin.part").read_bytes() == CONTENT[:HALF]
    server.cut_after = None
    assert fetch(file(server.url()), tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == ("/file", f"bytes={HALF}-")
    assert names(tmp_path) == {"table.bin"}


def test_a_server_that_cannot_resume_gives_the_whole_file(server: Server, tmp_path: Path) -> None:
    server.cut_after = HALF
    refused(file(server.url()), tmp_path)
    server.cut_after, server.ranges = None, False
    assert fetch(file(server.url()), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("etag", ['"one"', ""])
def test_a_download_that_was_whole_is_not_fetched_again(
    etag: str, server: Server, tmp_path: Path
) -> None:
    server.etag = etag
    part = tmp_path / "data" / "table.bin.part"
    part.parent.mkdir()
    part.write_bytes(CONTENT)
    assert fetch(file(server.url()), tmp_path).read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == [f"bytes={len(CONTENT)}-"]


def test_two_versions_of_a_file_are_never_joined(server: Server, tmp_path: Path) -> None:
    server.cut_after = HALF
    refused(file(server.url(), sha256=None), tmp_path)
    server.cut_after, server.etag, server.content = None, '"two"', CONTENT[::-1]
    assert fetch(file(server.url(), sha256=None), tmp_path).read_bytes() == CONTENT[::-1]


def test_a_longer_leftover_is_thrown_away(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "data" / "table.bin.part"
    part.parent.mkdir()
    part.write_bytes(CONTENT * 2)
    assert fetch(file(server.url()), tmp_path).read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing(server: Server, tmp_path: Path) -> None:
    message = refused(file(server.url(), sha256="0" * 64), tmp_path)
    assert SHA256[:12] in message
    assert "expected 000000000000... (the published one)" in message
    assert names(tmp_path) == set()


def test_where_no_checksum_is_known_the_first_is_recorded_and_held(
    server: Server, tmp_path: Path
) -> None:
    path = fetch(file(server.url(), sha256=None), tmp_path)
    record = path.with_name("table.bin.sha256")
    assert record.read_text() == f"{SHA256}  table.bin\n"
    path.unlink()
    server.content, server.etag = CONTENT[:-1], '"two"'
    message = refused(file(server.url(), sha256=None), tmp_path)
    assert f"that of the first time, in {record}" in message
    assert names(tmp_path) == {"table.bin.sha256"}


def test_a_file_that_is_there_is_checked_and_not_fetched(server: Server, tmp_path: Path) -> None:
    path = fetch(file(server.url()), tmp_path)
    assert fetch(file(server.url()), tmp_path) == path
    assert len(server.asked) == 1
    path.write_bytes(b"broken")
    with pytest.raises(DownloadError, match="delete the file to fetch it again"):
        fetch(file(server.url()), tmp_path)
    assert path.read_bytes() == b"broken"


def test_mirrors_are_tried_in_order(server: Server, tmp_path: Path) -> None:
    urls = (server.url("missing"), server.url("page"), server.url("mirror"), server.url("last"))
    assert fetch(file(*urls), tmp_path).read_bytes() == CONTENT
    assert [path for path, _ in server.asked] == ["/missing", "/page", "/mirror"]


def test_every_address_that_fails_is_named_with_its_reason(server: Server, tmp_path: Path) -> None:
    message = refused(file(server.url("missing"), server.url("page")), tmp_path)
    assert f"{server.url('missing')}: HTTP 404 Not Found" in message
    assert f"{server.url('page')}: answers with a web page" in message
    assert names(tmp_path) == set()


def test_offline_the_message_says_how_to_do_it_by_hand(server: Server, tmp_path: Path) -> None:
    url = server.url()
    server.shutdown()
    server.server_close()
    message = refused(file(url), tmp_path)
    assert "refused" in message
    assert f"open {url} and put it at {tmp_path / 'data' / 'table.bin'}" in message


def test_a_silent_server_is_given_up(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "TIMEOUT", 0.05)
    monkeypatch.setattr(Handler, "do_GET", lambda _self: time.sleep(0.3))
    assert "timed out" in refused(file(server.url()), tmp_path)


def test_a_folder_that_cannot_be_written_is_not_blamed_on_the_server(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(OSError, match="data"):
        fetch(file(server.url()), tmp_path)


# the command


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes `onnx-bench fetch tiny` fetch these files."""

    def publish(*files: Download) -> None:
        monkeypatch.setitem(downloads.COLLECTIONS, "tiny", files)

    return publish


def run(*arguments: object) -> int:
    """The exit code of `onnx-bench fetch`."""
    with pytest.raises(SystemExit) as caught:
        main(["fetch", *map(str, arguments)])
    return int(caught.value.code or 0)


def test_the_command_fetches_every_file(
    server: Server,
    published: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    published(file(server.url()), Download("b.bin", (server.url(),), note="an archive to unpack"))
    assert run("tiny", "--data-root", tmp_path) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"fetched: {tmp_path / 'tiny' / 'data' / 'table.bin'}"
    assert second == f"fetched: {tmp_path / 'tiny' / 'b.bin'} (an archive to unpack)"
    assert run("tiny", "--data-root", tmp_path) == 0
    assert capsys.readouterr().out.count("there already: ") == 2
    assert len(server.asked) == 2


def test_a_page_to_click_through_is_printed_with_the_place_of_its_file(
    server: Server,
    published: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = Download("c.tar", ("https://drive.example/c",), note="a big one", by_hand=True)
    published(page, file(server.url()))
    assert run("tiny", "--data-root", tmp_path) == 2
    output, errors = capsys.readouterr()
    assert output.startswith("fetched: ")
    path = tmp_path / "tiny" / "c.tar"
    assert errors == f"by hand: open https://drive.example/c and put it at {path} (a big one)\n"
    path.write_bytes(CONTENT)
    assert run("tiny", "--data-root", tmp_path) == 0
    assert (tmp_path / "tiny" / "c.tar.sha256").is_file()


def test_an_archive_that_was_unpacked_is_there(
    published: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published(Download("logs", ("https://drive.example/logs",), by_hand=True))
    (tmp_path / "tiny" / "logs").mkdir(parents=True)
    assert run("tiny", "--data-root", tmp_path) == 2
    (tmp_path / "tiny" / "logs" / "a.json").touch()
    assert run("tiny", "--data-root", tmp_path) == 0
    assert "there already: " in capsys.readouterr().out


def test_one_file_that_fails_does_not_stop_the_others(
    server: Server,
    published: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    published(Download("a.bin", (server.url("missing"),)), Download("b.bin", (server.url(),)))
    assert run("tiny", "--data-root", tmp_path) == 2
    output, errors = capsys.readouterr()
    assert output.startswith("fetched: ")
    assert errors.startswith(f"error: {tmp_path / 'tiny' / 'a.bin'}: could not be fetched")
    assert errors.count("\n") == 1


def test_list_shows_addresses_and_fetches_nothing(
    server: Server,
    published: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    published(file(server.url()))
    assert run("tiny", "--data-root", tmp_path, "--list") == 0
    assert server.url() in capsys.readouterr().out
    assert server.asked == []
    assert list(tmp_path.iterdir()) == []


def test_what_has_no_home_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("digits") == 2
    assert "no public address of its files is known" in capsys.readouterr().err
    assert run("nowhere", "--data-root", tmp_path) == 2
    assert "nothing to fetch is called 'nowhere'; there are digits," in capsys.readouterr().err
    monkeypatch.delenv("GENNAPE_DATA", raising=False)
    assert run("nasbench101") == 2
    assert "set GENNAPE_DATA (or --data-root)" in capsys.readouterr().err


def test_files_of_a_folder_are_those_of_its_benchmarks(tmp_path: Path) -> None:
    assert set(downloads.FOLDERS) <= {benchmark(name).folder for name in BENCHMARKS}
    folder, files = downloads.downloads("transnas-macro", tmp_path)
    assert folder == tmp_path / "transnasbench101"
    assert files == downloads.FOLDERS["transnasbench101"]
    assert not set(downloads.COLLECTIONS) & set(BENCHMARKS)


def test_addresses_are_whole_and_places_stay_inside_their_folder() -> None:
    groups = [benchmark(name).downloads for name in BENCHMARKS]
    groups += [*downloads.FOLDERS.values(), *downloads.COLLECTIONS.values()]
    for group in groups:
        assert len({found.path for found in group}) == len(group)
        for found in group:
            assert found.urls
            assert all(url.startswith("https://") and " " not in url for url in found.urls)
            assert not Path(found.path).is_absolute()
            assert ".." not in Path(found.path).parts
            assert found.sha256 is None or len(bytes.fromhex(found.sha256)) == 32
