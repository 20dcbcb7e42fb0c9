"""Finished results in the forms that others read: CSV, AnnData, SpatialData, BioImage Archive.

In: a `Finished` dataset. Out: files, or a folder. Nothing is computed anew: a number or a label in
an export is the one in the results. The library of a format is imported in its file, when used.
"""
