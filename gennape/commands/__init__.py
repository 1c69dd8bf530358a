"""Commands of `gennape`, one file each; `gennape.cli` adds them."""
