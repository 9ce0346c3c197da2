"""What the shell offers when the tab key is pressed."""


def complete_architectures(incomplete: str) -> list[str]:
    """The architectures whose names go on like this, as far as they are known without importing torch."""
    from netscope.api.list import known_names
    from netscope.api.result_cache import use_cache

    try:
        with use_cache():
            return [name for name in known_names() if name.startswith(incomplete)]
    except Exception:  # noqa: BLE001 - what is said here would stand in the middle of what is being typed
        return []
