"""Numba kernels shared by plugins: integer arithmetic where equality matters, no input checking.

Each kernel is a pure function of arrays that releases the GIL, and has a slow reference in tests.
"""
