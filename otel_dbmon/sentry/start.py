"""Waits for sentry_sdk and meets every client that is made of it; initialises it itself where only a DSN is set."""

from __future__ import annotations

import os
import warnings
from functools import wraps
from typing import TYPE_CHECKING, Any

from wrapt import register_post_import_hook

if TYPE_CHECKING:
    from otel_dbmon.runtime import Runtime
    from otel_dbmon.settings import Settings

_installed = False


def install(runtime: Runtime) -> None:
    """Be there when sentry_sdk is imported; import it only where ``SENTRY_DSN`` says that it is wanted.

    Args:
        runtime: Whose findings are told; its settings switch all of this off.
    """
    global _installed
    if _installed or not runtime.settings.sentry:
        return
    _installed = True
    register_post_import_hook(lambda module: _guarded(runtime, lambda: _meet(runtime, module)), "sentry_sdk")
    if os.environ.get("SENTRY_DSN", "").strip():
        # The application's own init, if it has one, comes later and takes the place of this one.
        _guarded(runtime, lambda: _init(runtime.settings))


def _guarded(runtime: Runtime, step: Any) -> None:
    try:
        step()
    except Exception as error:  # noqa: BLE001 - the application is being started
        runtime.guard.failed("sentry", error)


def _meet(runtime: Runtime, module: Any) -> None:
    from otel_dbmon.sentry.bridge import Bridge

    bridge = Bridge(runtime)
    client_class: Any = module.Client
    make = client_class.__init__

    @wraps(make)
    def make_and_meet(self: Any, *args: Any, **kwargs: Any) -> None:
        before = bridge.before_client()
        make(self, *args, **kwargs)
        bridge.meet(self, before)

    client_class.__init__ = make_and_meet
    existing = module.get_client()
    if existing.is_active():
        bridge.meet(existing, None)


def _init(settings: Settings) -> None:
    import sentry_sdk

    if sentry_sdk.get_client().is_active():
        return
    with warnings.catch_warnings():
        # Sentry warns of its older profiler; our reference of settings does so as well.
        warnings.simplefilter("ignore", DeprecationWarning)
        sentry_sdk.init(**options(settings))
    if settings.sentry_profile_session_sample_rate and settings.sentry_profile_lifecycle == "manual":
        sentry_sdk.profiler.start_profiler()


def options(settings: Settings) -> dict[str, Any]:
    """What we initialise Sentry with; DSN, environment, release and debugging are Sentry's own variables."""
    return {
        "include_local_variables": settings.sentry_variables,
        "shutdown_timeout": settings.shutdown_timeout / 1000,
        "traces_sample_rate": settings.sentry_traces_sample_rate or None,
        "profile_session_sample_rate": settings.sentry_profile_session_sample_rate or None,
        "profile_lifecycle": settings.sentry_profile_lifecycle,
        "profiles_sample_rate": settings.sentry_profiles_sample_rate or None,
    }
