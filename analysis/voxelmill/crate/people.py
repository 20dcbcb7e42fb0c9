"""Who made a study, of what, and who may use it: `Study` → entities and properties of the root.

What nobody has said is not made up: an entity stands there that says which key of the
configuration says it.
"""

import re
from collections.abc import Iterator
from hashlib import sha256
from urllib.parse import quote

from voxelmill.crate import ids
from voxelmill.crate.jsonld import Entity, entity, ref, refs
from voxelmill.study import Person, Study

SPDX = "https://spdx.org/licenses/"
NO_LICENSE = "#no-license"
ROR = "https://ror.org/search?query="
"""Where an institution is looked up whose address is not given."""
_ADDRESS = re.compile(r"(.*\S)\s*[(<](https?://\S+?)[)>]")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
_DOI = re.compile(r"(?:doi:\s*)?(10\.\d{4,9}/\S+)", re.IGNORECASE)


def people(study: Study) -> list[Entity]:
    """Authors and their institutions, or who stands for them."""
    found = [_person(person) for person in study.authors]
    for person in study.authors:
        if person.affiliation:
            name, address = institution(person.affiliation)
            found.append(entity(_institution_id(person.affiliation), "Organization", name=name,
                                url=address))  # fmt: skip
    if not study.authors or any(not person.affiliation for person in study.authors):
        found.append(_nobody())
    return list({one["@id"]: one for one in found}.values())


def authors(study: Study) -> list[Entity]:
    """References to the authors: those who answer for what was done."""
    return refs(map(_person_id, study.authors)) or [ref(ids.NOBODY)]


def publisher(study: Study) -> Entity:
    """Reference to the institution of the first author who has one."""
    named = (person.affiliation for person in study.authors if person.affiliation)
    return ref(next(map(_institution_id, named), ids.NOBODY))


def license_of(study: Study) -> Entity:
    """The licence of the results."""
    given = (study.license or "").strip()
    if not given:
        return entity(
            NO_LICENSE, "CreativeWork", name="No licence given",
            description="Nobody has said how these results may be used: ask the authors. The key "
            "study.license of the configuration says it.",
        )  # fmt: skip
    if given.startswith(("http://", "https://")):
        return entity(given, "CreativeWork", name=given, description="Licence of the results.")
    if _IDENTIFIER.fullmatch(given):
        return entity(f"{SPDX}{given}", "CreativeWork", name=given, identifier=f"{SPDX}{given}",
                      description="Licence of the results, by its SPDX identifier.")  # fmt: skip
    return entity("#license", "CreativeWork", name=given, description="Licence of the results.")


def citations(study: Study) -> Iterator[Entity]:
    """Publications."""
    for text in study.publications:
        found = _DOI.search(text)
        address = f"https://doi.org/{found[1]}" if found else text
        identifier = address if "://" in address else f"#{_digest(text)}"
        yield entity(identifier, "CreativeWork", name=text)


def rembi(study: Study) -> list[Entity]:
    """Fields of REMBI, and the accession, as property values."""
    groups = {"biosample": "Biosample", "specimen": "Specimen", "acquisition": "Image acquisition"}
    found = [
        entity(f"#rembi-{group}-{name}", "PropertyValue", name=name.replace("_", " "),
               propertyID=f"REMBI {title}: {name.replace('_', ' ')}", value=value)
        for group, title in groups.items()
        for name, value in getattr(study, group).model_dump().items()
        if value
    ]  # fmt: skip
    if study.accession:
        found.append(entity("#accession", "PropertyValue", name="accession of the images",
                            propertyID="accession", value=study.accession))  # fmt: skip
    return found


def institution(affiliation: str) -> tuple[str, str]:
    """Name and address: ``Name (https://ror.org/…)``, or where to look the name up."""
    found = _ADDRESS.fullmatch(affiliation.strip())
    return (found[1], found[2]) if found else (affiliation, f"{ROR}{quote(affiliation)}")


def _person(person: Person) -> Entity:
    return entity(
        _person_id(person), "Person", name=person.name,
        affiliation=ref(_institution_id(person.affiliation) if person.affiliation else ids.NOBODY),
        email=person.email,
    )  # fmt: skip


def _nobody() -> Entity:
    return entity(
        ids.NOBODY, "Organization", name="Not named",
        description="Nobody is named here. The key study.authors of the configuration names "
        "authors, with ORCID and affiliation.", url=ids.CONFIG,
    )  # fmt: skip


def _person_id(person: Person) -> str:
    return f"https://orcid.org/{person.orcid}" if person.orcid else f"#person-{quote(person.name)}"


def _institution_id(affiliation: str) -> str:
    name, address = institution(affiliation)
    return f"#institution-{quote(name)}" if address.startswith(ROR) else address


def _digest(text: str) -> str:
    return f"publication-{sha256(text.encode()).hexdigest()[:12]}"
