"""One file a step: read the batch, run, write the record."""
