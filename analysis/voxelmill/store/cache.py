"""Decoded chunks that several reads share, kept within a byte budget: once per process.

A block reads its core and a halo, so a chunk at a block's border is wanted by up to four blocks in
a plane, nine where chunks are as large as blocks. The reader says which chunks these are; all
others are decoded, copied and forgotten. Least recently used chunks go first. Threads that want
the same chunk at once wait for the one that decodes it.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import TypeAlias

from voxelmill.plugin import Array

BUDGET_BYTES = 128 << 20
_STRIPES = 64

Key: TypeAlias = Hashable
Load: TypeAlias = Callable[[], Array]


class ChunkCache:
    """Chunks by key.

    Attributes
    ----------
    decoded, reused : int
        Chunks that were decoded, kept or not, and chunks that were found here.
    """

    def __init__(self, budget: int = BUDGET_BYTES) -> None:
        self.decoded = self.reused = 0
        self._budget, self._bytes = budget, 0
        self._kept: OrderedDict[Key, Array] = OrderedDict()
        self._lock = threading.Lock()
        # One lock for many keys: two threads with different keys seldom wait for each other.
        self._decoding = [threading.Lock() for _ in range(_STRIPES)]

    @property
    def bytes(self) -> int:
        """Size of what is kept."""
        return self._bytes

    def resize(self, budget: int) -> None:
        """Set the budget in bytes; 0 keeps nothing."""
        with self._lock:
            self._budget = budget
            self._evict()

    def __contains__(self, key: Key) -> bool:
        """Whether a chunk is kept now; another thread may end that."""
        return key in self._kept

    def load(self, load: Load) -> Array:
        """Decode a chunk that nothing else wants."""
        chunk = load()
        with self._lock:
            self.decoded += 1
        return chunk

    def get(self, key: Key, load: Load) -> Array:
        """Return the chunk at `key`, decoded by `load` if it is not kept; read-only."""
        with self._decoding[hash(key) % _STRIPES]:
            with self._lock:
                if (found := self._kept.get(key)) is not None:
                    self._kept.move_to_end(key)
                    self.reused += 1
                    return found
            chunk = self.load(load)
            chunk.flags.writeable = False
            with self._lock:
                self._kept[key] = chunk
                self._bytes += chunk.nbytes
                self._evict()
            return chunk

    def _evict(self) -> None:
        while self._bytes > self._budget:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.nbytes


@lru_cache(maxsize=1)
def chunk_cache() -> ChunkCache:
    """Return the cache of this process."""
    return ChunkCache()
