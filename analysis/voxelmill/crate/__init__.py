"""Workflow Run RO-Crates of results: written by the step *provenance*, read by who checks them."""
