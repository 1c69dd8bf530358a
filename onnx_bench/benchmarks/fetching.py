"""Files that authors publish, brought under the data root: resumed, checked, whole or not at all.

A download goes to `PATH.part` first, and is resumed there after a cut. `PATH.tag` holds what the
server called that version of the file, so that no two versions are ever joined.
"""

import hashlib
import ssl
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from onnx_bench.benchmarks.base import Download
from onnx_bench.errors import DownloadError

CHUNK = 1 << 20
TIMEOUT = 30.0
PARTIAL, NOT_SATISFIABLE = 206, 416

Report = Callable[[int, int | None], None]
"""Called with the bytes that are there, and the bytes that there will be where that is known."""


class NoFileError(Exception):
    """An address does not give the file; says why."""


def fetch(download: Download, folder: Path, report: Report = lambda _done, _total: None) -> Path:
    """The published file in its place; one that is there already is only checked.

    Raises:
        DownloadError: no address gives it, a person has to fetch it, or its checksum is wrong; the
            message has the address and the place, to do it by hand.
    """
    path = folder / download.path
    if is_there(download, folder):
        if path.is_file():
            _check(path, path, download)
        return path
    if download.by_hand:
        raise DownloadError(f"{path}: {by_hand(download, folder)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    for url in download.urls:
        try:
            part = _transfer(url, path, report)
        except NoFileError as reason:
            reasons.append(f"{url}: {reason}")
            continue
        try:
            _check(part, path, download)
        except DownloadError as error:
            part.unlink()
            reasons.append(f"{url}: {error}")
            continue
        part.replace(path)
        return path
    raise DownloadError(
        f"{path}: could not be fetched ({'; '.join(reasons)}); try again, or get it by hand: "
        f"{by_hand(download, folder)}"
    )


def is_there(download: Download, folder: Path) -> bool:
    """Whether the file, or the folder of what it was unpacked into, is in its place."""
    path = folder / download.path
    return path.is_file() or (path.is_dir() and any(path.iterdir()))


def by_hand(download: Download, folder: Path) -> str:
    """What a person has to do to get the file, in one line."""
    note = f" ({download.note})" if download.note else ""
    return f"open {' or '.join(download.urls)} and put it at {folder / download.path}{note}"


def _transfer(url: str, path: Path, report: Report) -> Path:
    """The partial file, now whole as far as its length tells."""
    part, tag = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.tag")
    try:
        _receive(url, part, tag, report)
    except HTTPError as error:
        if error.code != NOT_SATISFIABLE or not part.exists():
            raise NoFileError(f"HTTP {error.code} {error.reason}") from None
        if error.headers.get("Content-Range") != f"bytes */{part.stat().st_size}":
            part.unlink()  # it is not a beginning of that file
            return _transfer(url, path, report)
    except URLError as error:
        raise NoFileError(str(error.reason)) from None
    except (HTTPException, TimeoutError, ConnectionError, ssl.SSLError) as error:
        raise NoFileError(str(error) or type(error).__name__) from None
    tag.unlink(missing_ok=True)
    return part


def _receive(url: str, part: Path, tag: Path, report: Report) -> None:
    """Appends what is missing of the file, or writes all of it where the server cannot resume."""
    headers = {"User-Agent": "onnx-bench", "Accept-Encoding": "identity"}
    there = part.stat().st_size if part.exists() else 0
    if there:
        headers["Range"] = f"bytes={there}-"
        if tag.exists():
            headers["If-Range"] = tag.read_text()
    with urlopen(Request(url, headers=headers), timeout=TIMEOUT) as response:
        _refuse_pages(response, part)
        starts = f"bytes {there}-"
        resumed = response.status == PARTIAL
        if resumed and not response.headers.get("Content-Range", "").startswith(starts):
            got = response.headers.get("Content-Range")
            raise NoFileError(f"resumes with {got}, expected {starts}...")
        if not resumed:
            there = 0
            _remember(_version(response), tag)
        length = response.headers.get("Content-Length")
        total = there + int(length) if length else None
        with part.open("ab" if resumed else "wb") as file:
            report(there, total)
            while chunk := response.read(CHUNK):
                file.write(chunk)
                there += len(chunk)
                report(there, total)
    if total is not None and there < total:
        raise NoFileError(f"cut after {there:,} of {total:,} bytes, which are kept")


def _remember(version: str, tag: Path) -> None:
    if version:
        tag.write_text(version)
    else:
        tag.unlink(missing_ok=True)


def _refuse_pages(response: HTTPResponse, part: Path) -> None:
    page = response.headers.get_content_type() == "text/html"
    if page and not part.name.endswith((".html.part", ".htm.part")):
        raise NoFileError("answers with a web page, not with the file")


def _version(response: HTTPResponse) -> str:
    """What the server calls this version of the file; empty where it says nothing exact."""
    tag: str = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else ""


def _check(file: Path, path: Path, download: Download) -> None:
    """Compares a file with the checksum that is known, or was recorded when it first came.

    Raises:
        DownloadError: it differs.
    """
    record = path.with_name(f"{path.name}.sha256")
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if download.sha256 is None and not record.exists():
        record.write_text(f"{found}  {path.name}\n")
        return
    expected = download.sha256 or record.read_text().split()[0]
    if found != expected:
        whose = "the published one" if download.sha256 else f"that of the first time, in {record}"
        mend = "" if file != path else "; delete the file to fetch it again"
        raise DownloadError(
            f"{path}: its SHA-256 is {found[:12]}..., expected {expected[:12]}... ({whose}){mend}"
        )
