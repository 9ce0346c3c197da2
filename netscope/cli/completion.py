"""Shell completion."""


def complete_architectures(incomplete: str) -> list[str]:
    """Returns the names of architectures that start with ``incomplete`` and are known without importing torch."""
    from netscope.api.list import list_known_names
    from netscope.api.result_cache import use_cache

    try:
        with use_cache():
            return [name for name in list_known_names() if name.startswith(incomplete)]
    except Exception:  # noqa: BLE001 - a message would appear in the line that the user is typing
        return []
