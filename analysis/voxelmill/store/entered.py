"""A zarr store whose client may change: keys and tokens end while arrays stay open."""

from collections.abc import Callable
from typing import Any

from zarr.abc.store import Store
from zarr.storage import ObjectStore


class EnteredStore(ObjectStore[Any]):
    """A read-only store that asks for its client at every request.

    Parameters
    ----------
    client : callable
        Gives the store of obstore to use now.
    """

    def __init__(self, client: Callable[[], Any]) -> None:
        Store.__init__(self, read_only=True)
        self._ask = client

    @property
    def store(self) -> Any:  # noqa: ANN401 - stores share no type
        """The client, for one request."""
        return self._ask()
