"""The server around the pages: what warms up lets the pages go first."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from ui import cache


@pytest.fixture
def warmed(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once the warm-up has come to the workers; the model and the workers themselves are left out."""
    done = threading.Event()
    monkeypatch.setattr(cache, "load_transformer", lambda: None)
    monkeypatch.setattr(cache, "pool", lambda: SimpleNamespace(warm=lambda task: done.set(), busy=False))
    monkeypatch.setattr(cache, "HEAD_START", 0.0)
    return done


def test_warm_up_waits_for_a_page_that_is_drawn(warmed: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "QUIET", 3600.0)
    monkeypatch.setattr(cache, "LONGEST", 3600.0)
    cache.drawing()
    threading.Thread(target=cache._preload, daemon=True).start()
    assert not warmed.wait(1.0)
    monkeypatch.setattr(cache, "QUIET", 0.0)
    assert warmed.wait(60)


def test_warm_up_begins_by_itself_and_after_long_all_the_same(
    warmed: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_drawing", [float("-inf")])
    cache._preload()
    assert warmed.is_set()
    warmed.clear()
    monkeypatch.setattr(cache, "LONGEST", 0.0)
    monkeypatch.setattr(cache, "QUIET", 3600.0)
    cache.drawing()
    cache._preload()
    assert warmed.is_set()
