"""A small discrete-event loop: timers, and work that shares real cores and bandwidth.

Work has a nominal duration. When more cores are busy than are real, or more bytes a second are
asked for than the store gives, all of it slows down alike (processor sharing), work that moves no
bytes only by the former. Each of the two kinds has a clock of its own that runs slower then, so a
new piece of work changes no event that is planned already. Pure, and without randomness.
"""

import heapq
from collections import deque
from collections.abc import Callable
from math import inf

Call = Callable[[], None]
Waiting = tuple[float, int, Call, float, float]
"""End on the clock of its kind, serial number, what follows, cores, bytes a second."""


class Loop:
    """Time.

    Parameters
    ----------
    real_cores : float
        Cores behind all the nodes, where they are fewer than the nodes claim.
    bandwidth : float
        Bytes a second that the store gives to all together.
    """

    def __init__(self, real_cores: float = inf, bandwidth: float = inf) -> None:
        self.now = 0.0
        self.busy = 0.0
        """Core-seconds of all work, at its nominal duration."""
        self._real, self._bandwidth = real_cores, bandwidth
        self._number = 0
        self._timers: list[tuple[float, int, Call]] = []
        self._work: tuple[list[Waiting], list[Waiting]] = ([], [])
        self._clock = [0.0, 0.0]
        self._cores = self._rate = 0.0

    def after(self, seconds: float, call: Call) -> None:
        """Call when so many seconds have gone by."""
        heapq.heappush(self._timers, (self.now + seconds, self._next(), call))

    def work(self, seconds: float, call: Call, cores: float = 1.0, rate: float = 0.0) -> None:
        """Call when work is done that takes `seconds` where nothing slows it.

        Parameters
        ----------
        seconds : float
        call : callable
        cores : float
            How many it keeps busy, on average.
        rate : float
            Bytes a second that it reads and writes.
        """
        kind = int(rate > 0)
        end = self._clock[kind] + seconds
        heapq.heappush(self._work[kind], (end, self._next(), call, cores, rate))
        self._cores += cores
        self._rate += rate
        self.busy += cores * seconds

    def run(self) -> float:
        """Go on until nothing is left to happen; return the time."""
        plain, moving = self._work
        timers, clock = self._timers, self._clock
        while True:
            crowded = max(1.0, self._cores / self._real)
            slow = max(crowded, self._rate / self._bandwidth)
            first = timers[0][0] if timers else inf
            second = self.now + max(0.0, plain[0][0] - clock[0]) * crowded if plain else inf
            third = self.now + max(0.0, moving[0][0] - clock[1]) * slow if moving else inf
            at = min(first, second, third)
            if at == inf:
                return self.now
            clock[0] += (at - self.now) / crowded
            clock[1] += (at - self.now) / slow
            self.now = at
            if first == at:
                heapq.heappop(timers)[2]()
            else:
                self._finish(0 if second == at else 1)

    def _finish(self, kind: int) -> None:
        end, _, call, cores, rate = heapq.heappop(self._work[kind])
        self._clock[kind] = end
        self._cores -= cores
        self._rate -= rate
        call()

    def _next(self) -> int:
        self._number += 1
        return self._number


class Server:
    """Does one thing after the other, on one core: Snakemake's main process, Dask's driver."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._queue: deque[tuple[float, Call]] = deque()

    def do(self, seconds: float, call: Call) -> None:
        """Call when it has worked for so long, after all that it was asked for before."""
        self._queue.append((seconds, call))
        if len(self._queue) == 1:
            self._start()

    def _start(self) -> None:
        self._loop.work(self._queue[0][0], self._done)

    def _done(self) -> None:
        _, call = self._queue.popleft()
        if self._queue:
            self._start()
        call()
