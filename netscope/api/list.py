"""Lists the architectures that can be loaded by name, caching the catalogs of sources."""

from netscope import sources
from netscope.api.arguments import check_arguments
from netscope.api.result_cache import Query, get_or_compute
from netscope.api.workers.client import WorkerError
from netscope.errors import NetscopeError
from netscope.schema import Listing
from netscope.sources import Catalog


@check_arguments()
def list_architectures(pattern: str = "*") -> Listing:
    """Returns the architectures that can be loaded by name.

    Args:
        pattern: pattern with ``*`` and ``?`` for the name or ``source/name``; without either, a part of the name.
    """
    architectures, notes = sources.list_names(pattern, load_catalog)
    return Listing(pattern=pattern, architectures=architectures, notes=notes)


def load_catalog(source: str) -> Catalog:
    """Returns the catalog of a source, cached if possible.

    Raises:
        NetscopeError: the errors of ``sources.load_catalog``.
    """
    if source == sources.BUILT_IN:
        return sources.load_catalog(source)
    return get_or_compute(Query(kind="names", spec=source), Catalog, lambda: sources.load_catalog(source))


def find_name_error(model: str) -> WorkerError | None:
    """Returns the error of a name without source or path that no source has; None if one has it, or for others.

    The error needs no worker, which takes seconds to start.
    """
    if "/" not in model:
        try:
            sources.locate(model, load_catalog)
        except NetscopeError as error:
            return WorkerError(str(error), error.exit_code)
    return None
