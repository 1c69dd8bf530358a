"""Readers of file formats that others wrote, for data alone: nothing in a file is ever run."""
