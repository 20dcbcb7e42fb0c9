"""What the Snakefile asks for on behalf of each job: cores, memory and time.

On this machine jobs share its cores. On a cluster each gets those of the site, and memory and time
by the images of its batch; what the site's file says of partitions Snakemake's plugin reads itself.
"""

from dataclasses import dataclass
from functools import cached_property

from voxelmill.costs import Costs, load_costs
from voxelmill.resources import Asked, ask, threads
from voxelmill.site import load_site
from voxelmill.steps.prepare import Prepared

CORES = 4
"""Cores of a job on a cluster whose site is not named."""


@dataclass(frozen=True)
class Jobs:
    """Resources of the jobs of one run."""

    run: Prepared

    def threads(self, here: int | None) -> int:
        """Cores of the job of one batch; `here`: those of this machine, None on a cluster."""
        if here is not None:
            return self.run.threads(here)
        return threads(self.run.config, self.cores)

    def ask(self, step: str, dataset: str, batch: str | None, attempt: int) -> Asked:
        """Memory and time of the job of a batch, or of a whole dataset."""
        load = self.run.load(dataset, batch)
        config, cores = self.run.config, self.threads(None)
        return ask(step, load.extent, load.images, config, self.costs, cores, attempt)

    @cached_property
    def cores(self) -> int:
        """Cores of the site's jobs."""
        site = self.run.config.site
        return load_site(site).site.cores if site else CORES

    @cached_property
    def costs(self) -> Costs:
        """Speed of the site's nodes."""
        return load_costs(self.run.config.site)
