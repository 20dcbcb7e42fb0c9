"""What the Snakefile asks for on behalf of each job: cores, memory, time and disk.

On this machine jobs share its cores. On a cluster each gets those of the site, and memory and time
by the images of its batch; what the site's file says of partitions Snakemake's plugin reads itself.
"""

from dataclasses import dataclass
from functools import cache, cached_property

from voxelmill.cores import usable_cores
from voxelmill.costs import Costs, load_costs
from voxelmill.extent import Extent
from voxelmill.resources import Asked, ask
from voxelmill.site import load_site
from voxelmill.steps.prepare import Prepared

CORES = 4
"""Cores of a job on a cluster whose site is not named."""
NOTHING = Extent((1, 1, 1, 1, 1), "uint16", (1.0, 1.0, 1.0))
"""Stands for images of which none can be opened: they are only named."""


@dataclass(frozen=True, eq=False)
class Jobs:
    """Resources of the jobs of one run."""

    run: Prepared
    inside: bool = False
    """Whether this is such a job itself, in a pod that knows no site: it uses what it was given."""

    def threads(self, step: str, dataset: str, batch: str, here: int | None) -> int:
        """Cores of the job of one batch; `here`: those of this machine, None on a cluster.

        On a cluster the step that takes longest gets the site's cores and the others fewer, so
        that all jobs of a batch take about as long.
        """
        if self.inside:
            return usable_cores()
        if here is not None:
            return self.run.threads(here)
        if self.run.config.compute.elsewhere is not None:
            return 1
        return self._threads(step, self.run.load(dataset, batch).extent or NOTHING)

    @cache  # noqa: B019 - one object a run
    def _threads(self, step: str, extent: Extent) -> int:
        return self.costs.cores(extent, self.run.config, self.cores)[step]

    def ask(self, step: str, dataset: str, batch: str | None, attempt: int) -> Asked:
        """Memory, time and disk of the job of a batch, or of a whole dataset."""
        if self.inside:
            return Asked(0, 0, 0)
        load = self.run.load(dataset, batch) if batch else self.run.totals[dataset]
        cores = self.threads(step, dataset, batch, None) if batch else 1
        return self._ask(step, load.extent or NOTHING, load.images, cores, attempt)

    @cache  # noqa: B019 - one object a run
    def _ask(self, step: str, extent: Extent, images: int, cores: int, attempt: int) -> Asked:
        return ask(step, extent, images, self.run.config, self.costs, cores, attempt)

    @cached_property
    def cores(self) -> int:
        """Cores of the site's jobs."""
        site = self.run.config.site
        return load_site(site).site.cores if site else CORES

    @cached_property
    def costs(self) -> Costs:
        """Speed of the site's nodes."""
        return load_costs(self.run.config.site)
