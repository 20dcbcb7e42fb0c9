"""Watches the login of a run: renews what its stores are entered with, and stops it in time.

In: the stores of a configuration. While Snakemake runs, a thread renews keys and tokens when they
are due, so that jobs find them ready; `share` hands them on to where jobs share no files. When the
session has ended no job can go on: none is started any more, and the run ends with one line. What
is finished is kept, and the same command goes on with the rest.
"""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from voxelmill.access.given import TOKEN
from voxelmill.access.keychain import Keychain
from voxelmill.access.keys import Wanted
from voxelmill.access.supply import wanted
from voxelmill.plugin import NoCredentials, SessionEnded, StoreUnavailable, VoxelmillError
from voxelmill.storeoptions import Bearer, StoreOptions

PERIOD_S = 2.0


class Share(Protocol):
    """Where jobs on other machines find what they enter stores with."""

    def arrive(self) -> None:
        """Take over a login that was left for this run."""

    def put(self, entries: Mapping[str, bytes]) -> None:
        """Hand on entries by name, if they have changed."""

    def end(self, why: str = "") -> None:
        """Take them away; with `why` there will be no others, if a run ends before its jobs."""


@dataclass
class LoginGuard:
    """The login of one run.

    Parameters
    ----------
    wanted : tuple of Wanted
        Keys that its stores are entered with.
    token : bool
        Whether some are entered with the access token.
    share : Share, optional
        None: jobs see the files of this user.
    """

    wanted: tuple[Wanted, ...]
    token: bool
    share: Share | None = None
    ended: SessionEnded | None = None
    """Why the run was stopped."""

    @classmethod
    def of(cls, stores: Mapping[str, StoreOptions], share: Share | None) -> "LoginGuard":
        """Guard of the stores of a configuration."""
        found = dict.fromkeys(w for options in stores.values() if (w := wanted(options)))
        token = any(isinstance(options.auth, Bearer) for options in stores.values())
        return cls(tuple(found), token, share if found or token else None)

    @property
    def needed(self) -> bool:
        """Whether the run depends on a login."""
        return bool(self.wanted) or self.token

    def arrive(self) -> None:
        """Take over a login that was left for this run elsewhere."""
        if self.share:
            self.share.arrive()

    def look(self) -> None:
        """Renew what is due, and hand it on.

        Raises
        ------
        SessionEnded
            Nobody is logged in.
        NoCredentials, StoreUnavailable
            Something else is amiss, which jobs report if it lasts until they need it.
        """
        chain = Keychain()
        chain.session()
        entries, failures = {}, []
        asked: dict[str, Callable[[], bytes]] = {
            want.name(): lambda want=want: chain.keys(want).revealed()  # type: ignore[misc]
            for want in self.wanted
        }
        if self.token:
            asked[TOKEN] = lambda: chain.token().revealed()
        for name, ask in asked.items():
            try:
                entries[name] = ask()
            except SessionEnded:
                raise
            except (NoCredentials, StoreUnavailable) as error:
                failures.append(error)
        if self.share:
            self.share.put(entries)
        for failure in failures[:1]:
            raise failure

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Have jobs find what they need while the body runs; refuse to begin without a login.

        Raises
        ------
        SessionEnded
            Nobody is logged in.
        """
        if self.needed:
            try:
                self.look()
            except SessionEnded as error:
                self.ended = error
                self.refuse()
            except VoxelmillError:
                # Whoever needs it waits for it, or says so.
                self.ended = None
        try:
            yield
        finally:
            self._take_away()

    def _take_away(self) -> None:
        """Have what was handed on taken away; how the run has ended stays as it is."""
        if not self.share:
            return
        try:
            self.share.end()
        except VoxelmillError as error:
            text = str(error).rstrip(". ")
            sys.stderr.write(f"voxelmill: {text}; the keys of this run are left there\n")

    @contextmanager
    def watching(self, stop: Callable[[threading.Event], object]) -> Iterator[None]:
        """Do so while the body runs; if the session ends call `stop`, with what tells its end."""
        if not self.needed:
            yield
            return
        over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(over, stop), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _watch(self, over: threading.Event, stop: Callable[[threading.Event], object]) -> None:
        while not over.wait(PERIOD_S):
            try:
                self.look()
            except SessionEnded as error:
                self.ended = error
                if self.share:
                    with suppress(VoxelmillError):
                        self.share.end(str(error))
                stop(over)
                return
            except VoxelmillError:
                # What there is may last until this has passed.
                continue

    def over(self, code: int) -> bool:
        """Whether a run that has failed did so for want of a login."""
        if code and self.needed and self.ended is None:
            try:
                self.look()
            except SessionEnded as error:
                self.ended = error
            except VoxelmillError:
                return False
        return self.ended is not None

    def refuse(self) -> None:
        """End a run for want of a login.

        Raises
        ------
        SessionEnded
            That is so.
        """
        if self.ended is not None:
            text = str(self.ended).rstrip(". ")
            raise SessionEnded(f"{text}, then the same command again: what is finished is kept")
