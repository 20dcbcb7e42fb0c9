"""Who made a study and of what: the part of a configuration that goes into what is published.

It changes no result. The words are those of REMBI (Sarkans et al. 2021, doi 10.1038/s41592-021-
01166-8), with the fields that the BioImage Archive asks for; who has nothing to say leaves it out.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from voxelmill.execution import Model

ORCID = re.compile(r"(?:https://orcid\.org/)?(\d{4}-\d{4}-\d{4}-\d{3}[\dX])")


def _orcid(value: str) -> str:
    found = ORCID.fullmatch(value)
    if found is None:
        raise ValueError(f"'{value}'; allowed: 0000-0002-1825-0097")
    digits = found[1].replace("-", "")
    total = 0
    for digit in digits[:-1]:
        total = (total + int(digit)) * 2
    check = (12 - total % 11) % 11
    if digits[-1] != ("X" if check == 10 else str(check)):
        raise ValueError(f"'{value}' has a typing error: its last digit does not fit the others")
    return found[1]


class Person(Model):
    """An author."""

    name: str = Field(min_length=1, description="Given name, then family name.")
    orcid: Annotated[str, AfterValidator(_orcid)] | None = Field(
        default=None, description="Such as 0000-0002-1825-0097."
    )
    affiliation: str | None = Field(
        default=None, description="Institution, such as EMBL (https://ror.org/03mstc592)."
    )
    email: str | None = Field(default=None, description="Published with the study.")


class Biosample(Model):
    """What was studied (REMBI: Biosample)."""

    organism: str | None = Field(default=None, description="Such as Homo sapiens.")
    biological_entity: str | None = Field(default=None, description="Such as U2OS cells.")
    description: str | None = None


class Specimen(Model):
    """How it was prepared (REMBI: Specimen)."""

    sample_preparation: str | None = Field(default=None, description="Fixing, staining, mounting.")
    growth_protocol: str | None = None


class Acquisition(Model):
    """How it was imaged (REMBI: Image acquisition)."""

    imaging_method: str | None = Field(
        default=None, description="By the FBbi ontology, such as spinning disk confocal microscopy."
    )
    instrument: str | None = None
    parameters: str | None = Field(default=None, description="Objective, exposure, filters.")


class Study(Model):
    """Title, licence, authors and the REMBI fields of a study."""

    title: str | None = None
    description: str | None = None
    license: str | None = Field(
        default=None,
        description="Of the results: an SPDX identifier such as CC-BY-4.0, or a web address.",
    )
    authors: tuple[Person, ...] = ()
    funding: str | None = Field(default=None, description="Statement with grant numbers.")
    keywords: tuple[str, ...] = ()
    publications: tuple[str, ...] = Field(default=(), description="DOIs or web addresses.")
    accession: str | None = Field(
        default=None, description="Of the images, where they are published: S-BIAD…, idr…"
    )
    biosample: Biosample = Biosample()
    specimen: Specimen = Specimen()
    acquisition: Acquisition = Acquisition()
