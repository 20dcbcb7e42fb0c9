"""Datasets and images by their metadata: no pixel is read and zarr is not imported.

    open_dataset   address → which images there are
    open_image     address and path → axes, shape, dtype, scale, channels, levels

A broken well does not stop the others: it is listed in the dataset's `problems`.
"""

from voxelmill.ngff import (
    Dataset,
    Group,
    Image,
    ImageRef,
    WellPlace,
    build_image,
    parse_array,
    parse_group,
    parse_multiscale,
    parse_plate,
    parse_series,
    parse_well,
    place_of,
)
from voxelmill.ngff.group import ARRAY_DOCUMENTS, DOCUMENTS
from voxelmill.plugin import AccessDenied, BadInput
from voxelmill.store.objects import Objects, join, normalise, objects_at


def open_dataset(url: str) -> Dataset:
    """Find the images of a dataset.

    Parameters
    ----------
    url : str
        Local path or http(s) address of an image, a plate or a bioformats2raw collection.

    Returns
    -------
    Dataset
        Wells that cannot be read are in `problems`; fields are only looked at by `open_image`.

    Raises
    ------
    BadInput
        Not there, not OME-Zarr, or metadata that break a rule, which is named.
    StoreUnavailable, AccessDenied
        The store did not answer, or refused to.
    """
    url = normalise(url)
    objects = objects_at(url)
    group = _root(objects, url)
    name = place_of(url).removesuffix(".zarr").removesuffix(".ome")
    if group.kind == "plate":
        return _plate(objects, url, name, group)
    if group.kind == "collection":
        images = _collection(objects, url, group)
        return Dataset(url, "collection", group.version, images, name)
    if group.kind == "image":
        parse_multiscale(group)
        return Dataset(url, "image", group.version, (ImageRef(""),), name)
    raise _not_a_dataset(group, place_of(url))


def open_image(url: str, path: str = "") -> Image:
    """Read the metadata of one image.

    Parameters
    ----------
    url : str
        Dataset.
    path : str
        Image group in it, '' = the root itself.

    Raises
    ------
    BadInput
        Not there, not an image, or metadata that break a rule, which is named.
    StoreUnavailable, AccessDenied
        The store did not answer, or refused to.
    """
    url = normalise(url)
    objects = objects_at(url)
    if path:
        group = _first_group(objects, url, path)
        if group is None:
            raise BadInput(f"{place_of(url, path)}: no such image; must be an OME-Zarr image.")
    else:
        group = _root(objects, url)
    if group.kind != "image":
        raise _not_a_dataset(group, place_of(url, path))
    levels = parse_multiscale(group).paths
    document = ARRAY_DOCUMENTS[group.version]
    found = objects.get_many([join(path, level, document) for level in levels])
    arrays = [
        None if data is None else parse_array(data, group.version, place_of(url, join(path, level)))
        for level, data in zip(levels, found, strict=True)
    ]
    return build_image(group, arrays, url, path)


def _root(objects: Objects, url: str) -> Group:
    group = _first_group(objects, url, "")
    if group is None:
        raise BadInput(
            f"{url}: no zarr.json or .zattrs there; must be an OME-Zarr image, plate or collection."
        )
    return group


def _first_group(objects: Objects, url: str, path: str) -> Group | None:
    """Metadata of a group, whichever version it is of."""
    refused = None
    for version in ("0.5", "0.4"):
        try:
            data = objects.get(join(path, DOCUMENTS[version]))
        except AccessDenied as error:
            # Who may get objects but not list them is refused what is not there.
            refused = error
            continue
        group = _group(data, version, url, path)
        if group is not None:
            return group
    if refused is not None:
        raise refused
    return None


def _group(data: bytes | None, version: str, url: str, path: str) -> Group | None:
    return None if data is None else parse_group(data, version, place_of(url, path))


def _plate(objects: Objects, url: str, name: str, group: Group) -> Dataset:
    plate = parse_plate(group)
    title = plate.name or name
    document = DOCUMENTS[group.version]
    found = objects.get_many([join(well.path, document) for well in plate.wells])
    images: list[ImageRef] = []
    problems: list[tuple[str, str]] = []
    for well, data in zip(plate.wells, found, strict=True):
        try:
            images += _well(data, group, url, well, title)
        except BadInput as error:
            problems.append((well.path, str(error)))
    return Dataset(
        url=url,
        kind="plate",
        version=group.version,
        images=tuple(images),
        name=name,
        rows=plate.rows,
        columns=plate.columns,
        problems=tuple(problems),
        warnings=plate.warnings,
    )


def _well(
    data: bytes | None, group: Group, url: str, well: WellPlace, title: str
) -> tuple[ImageRef, ...]:
    found = _group(data, group.version, url, well.path)
    if found is None:
        place = place_of(url, well.path)
        raise BadInput(f"{place}: no {DOCUMENTS[group.version]}; the plate lists this well.")
    return parse_well(found, well, title)


def _collection(objects: Objects, url: str, group: Group) -> tuple[ImageRef, ...]:
    document = DOCUMENTS[group.version]
    ome = _series_group(objects.get(join("OME", document)), group.version, url)
    if ome is not None:
        return parse_series(ome)
    images: list[ImageRef] = []
    while objects.get(join(str(len(images)), document)) is not None:
        images.append(ImageRef(path=str(len(images)), series=str(len(images))))
    if not images:
        raise BadInput(f"{place_of(url)}: no series in OME/{document} and no image '0'.")
    return tuple(images)


def _series_group(data: bytes | None, version: str, url: str) -> Group | None:
    """Return the OME group where it lists series; it may also hold nothing but OME-XML."""
    try:
        group = _group(data, version, url, "OME")
    except BadInput:
        return None
    return group if group is not None and group.kind == "series" else None


def _not_a_dataset(group: Group, place: str) -> BadInput:
    advice = {
        "image-label": "image-label without multiscales; a label image must have both",
        "well": "is a well; must be an image, a plate or a collection. Give its plate",
        "labels": "lists label images; must be an image. Give one of them",
        "series": "is the OME group of a collection; must be an image. Give the collection",
        "plate": "is a plate; must be an image. Give one of its fields",
        "collection": "is a collection; must be an image. Give one of its series",
    }
    return BadInput(f"{place}: {advice[group.kind]}.")
