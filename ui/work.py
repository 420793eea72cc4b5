"""Slow work on a page: progress, a stop button, and the page drawn again when it is done."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

import streamlit as st

from embedkit.errors import EmbedkitError
from embedkit.jobs import Job
from embedkit.store import Entry
from ui import cache

Made = TypeVar("Made")


def wait_for(job: Job) -> bool:
    """True once the job has ended. Else draw its progress, which keeps itself up to date, and return False."""
    job.wait(0.15)  # what is nearly done needs no bar
    if job.finished:
        return True
    _progress(job)
    return False


def _bar(job: Job) -> None:
    ahead = f" · {job.ahead} before it" if job.ahead else ""
    st.progress(job.fraction or 0.0, text=f"{job.title}: {job.text or 'starting'}{ahead} · {job.seconds:.0f} s")


def training_bar(job: Job, key: str) -> None:
    """How far a training is, with its stop button beside it; `key` is the button's."""
    with st.container(horizontal=True, vertical_alignment="center"):
        _bar(job)
        if st.button("Stop", key=key, icon=":material/stop_circle:", help="It keeps its last step"):
            job.stop()


@st.fragment(run_every=0.4)
def _progress(job: Job) -> None:
    if job.finished:
        st.rerun()
    _bar(job)
    if st.button(
        "Stop", key=f"stop_{job.key[:8]}", icon=":material/stop_circle:", help="End this run; nothing is lost"
    ):
        job.stop()


def held(name: Hashable, request: Callable[[], Made]) -> Made:
    """What `request` makes, mostly a job: one that was stopped or failed stays so for this visit, until `forget`."""
    jobs = st.session_state.setdefault("held_jobs", {})
    made: Made = jobs[name] if name in jobs else request()
    if isinstance(made, Job) and made.state != "done":
        jobs[name] = made
    else:  # it is in the store
        jobs.pop(name, None)
    return made


def forget(name: Hashable) -> None:
    """Forget a job, so that the next `held` asks for it anew."""
    st.session_state.get("held_jobs", {}).pop(name, None)


def fetch_button(name: str, title: str, label: str, help: str) -> None:
    """A button that fetches a model or data set; while it runs its progress stands in the button's place."""
    if st.button(label, key=f"fetch_{name}", icon=":material/download:", help=help):
        st.session_state["fetching"] = name
    if st.session_state.get("fetching") != name:
        return
    job = cache.fetch(name, title)
    if not wait_for(job):
        return
    st.session_state.pop("fetching", None)
    cache.fetched(name)
    try:
        job.result()
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        return
    st.rerun()


def result_of(name: tuple[Hashable, ...], request: Callable[[], Job]) -> Entry | None:
    """The result of an experiment; while it runs its progress is drawn, and what is measured already returned."""
    try:
        job = held(name, request)
        if not wait_for(job):
            return job.step(job.steps[-1]) if job.steps else None
        return job.result()
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        if st.button("Run again", icon=":material/refresh:", key=f"again_{name[0]}", help="Start this experiment anew"):
            forget(name)
            st.rerun()
        return None
