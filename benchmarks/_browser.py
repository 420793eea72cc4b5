"""What benchmarks of pages share: a real server on a free port, a real browser, and the memory of process trees."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil

from benchmarks._common import ROOT, Skip

FLAGS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist",
]  # fmt: skip
WIDE = {"width": 1400, "height": 900}


@contextmanager
def server(*more: str) -> Iterator[tuple[str, float, psutil.Process]]:
    """A running server: its address, the seconds from the command until it was healthy, and its process."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    address = f"http://localhost:{port}"
    start = time.perf_counter()
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port), *more]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                with urlopen(f"{address}/_stcore/health", timeout=5) as answer:
                    if answer.read() == b"ok":
                        break
            except OSError:
                if process.poll() is not None or time.perf_counter() - start > 120:
                    raise Skip("the server did not start") from None
            time.sleep(0.02)
        yield address, time.perf_counter() - start, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def chromium(what: str) -> Iterator[Any]:
    """A browser; Skip, saying `what` cannot be measured, where there is none (CHROMIUM names its binary)."""
    from playwright.sync_api import sync_playwright

    binary = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    if not Path(binary).exists():
        raise Skip(f"{what}: there is no Chromium at {binary} (CHROMIUM names another binary)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=binary, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Peak:
    """The largest resident memory of process trees while it runs, in GB; pages that processes share count in each."""

    def __init__(self, **trees: Callable[[], list[psutil.Process]]) -> None:
        self.gigabytes = dict.fromkeys(trees, 0.0)
        self._trees, self._ended = trees, threading.Event()
        self._watch = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Peak:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watch.join()

    def _run(self) -> None:
        while not self._ended.wait(0.1):
            for name, roots in self._trees.items():
                self.gigabytes[name] = max(self.gigabytes[name], sum(map(_resident, roots())) / 1e9)


def _resident(root: psutil.Process) -> int:
    try:
        return sum(_own(each) for each in (root, *root.children(recursive=True)))
    except psutil.Error:
        return 0


def _own(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
