"""The tables of the GENNAPE paper (Mills et al., AAAI 2023) over again: `../paper_tables.py`."""
