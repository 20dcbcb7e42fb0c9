"""The report: one self-contained HTML page for a dataset, readable offline and for years.

In: :class:`ReportData` (plain values and thumbnails; nothing is read here). Out: the page's text.
No date, host or random id, so equal data give equal bytes. Names in the data are untrusted: the
templates escape them, the data script cannot be closed by them, and a content security policy
allows only this page's own style and script.
"""

from voxelmill.report.index import Entry, IndexData, render_index
from voxelmill.report.model import FieldRow, ReportData, Thumbnail
from voxelmill.report.overlay import overlay_png, overlay_rgb
from voxelmill.report.page import render

__all__ = [
    "Entry",
    "FieldRow",
    "IndexData",
    "ReportData",
    "Thumbnail",
    "overlay_png",
    "overlay_rgb",
    "render",
    "render_index",
]
