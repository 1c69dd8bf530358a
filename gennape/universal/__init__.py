"""One model for every family: a generalist of one wide family, and specialists of the others."""
