"""Speed and memory of our parts against the usual way to do the same, in one run: `make bench`."""
