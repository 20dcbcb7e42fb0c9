"""Length units to micrometres.

Source: the units of space that OME-NGFF 0.4 and 0.5 take from UDUNITS-2 (section "axes").
"""

_MICROMETRES = {
    "angstrom": 1e-4,
    "attometer": 1e-12,
    "centimeter": 1e4,
    "decimeter": 1e5,
    "exameter": 1e24,
    "femtometer": 1e-9,
    "foot": 304_800.0,
    "gigameter": 1e15,
    "hectometer": 1e8,
    "inch": 25_400.0,
    "kilometer": 1e9,
    "megameter": 1e12,
    "meter": 1e6,
    "micrometer": 1.0,
    "mile": 1_609_344_000.0,
    "millimeter": 1e3,
    "nanometer": 1e-3,
    "parsec": 3.0856775814913673e22,
    "petameter": 1e21,
    "picometer": 1e-6,
    "terameter": 1e18,
    "yard": 914_400.0,
    "yoctometer": 1e-18,
    "yottameter": 1e30,
    "zeptometer": 1e-15,
    "zettameter": 1e27,
}
_SPELLINGS = {
    "micron": "micrometer",
    "microns": "micrometer",
    "um": "micrometer",
    "\u00b5m": "micrometer",
    "\u03bcm": "micrometer",
    "nm": "nanometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
}


def is_standard(unit: str) -> bool:
    """Tell whether `unit` is one of the specification's own names."""
    return unit in _MICROMETRES


def micrometres(unit: str) -> float | None:
    """Return how many µm one `unit` is; None where it is no known length.

    Common spellings outside the specification ('micron', 'µm', 'micrometre', plurals) are known.
    """
    name = _SPELLINGS.get(unit, unit.lower().replace("metre", "meter"))
    return _MICROMETRES.get(name, _MICROMETRES.get(name.removesuffix("s")))
