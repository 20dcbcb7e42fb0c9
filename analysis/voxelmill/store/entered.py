"""A zarr store whose client may change: keys and tokens end while arrays stay open."""

from collections.abc import Callable
from typing import Any

from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import ObjectStore

from voxelmill.access.keys import Lasting


class EnteredStore(ObjectStore[Any]):
    """A read-only store that asks for its client at every request.

    Parameters
    ----------
    entry : callable
        Gives what to enter with now; None: nothing.
    client : callable
        Gives the store of obstore to use with that.
    another : callable
        Gives something new to enter with after an error; None: that would not help.
    """

    def __init__(
        self,
        entry: Callable[[], Lasting | None],
        client: Callable[[Lasting | None], Any],
        another: Callable[[Lasting, Exception], Lasting | None],
    ) -> None:
        Store.__init__(self, read_only=True)
        self._entry, self._client, self._another = entry, client, another

    @property
    def store(self) -> Any:  # noqa: ANN401 - stores share no type
        """The client, for one request."""
        return self._client(self._entry())

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Body of a GET; where what it is made with has been taken back, of a second one.

        Raises
        ------
        SessionEnded, NoCredentials
            There is nothing new to enter with.
        """
        from obstore.exceptions import BaseError

        entry = self._entry()
        try:
            return await self._with(entry).get(key, prototype, byte_range)
        except BaseError as error:
            entry = self._another(entry, error) if entry else None
            if entry is None:
                raise
        return await self._with(entry).get(key, prototype, byte_range)

    def _with(self, entry: Lasting | None) -> ObjectStore[Any]:
        return ObjectStore(self._client(entry), read_only=True)
