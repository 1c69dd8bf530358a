"""The one root of every error that is the user's to mend, and its few kinds."""


class GennapeError(Exception):
    """Something a user can mend: the message says what was got, what was expected, what to do.

    Commands print the message alone, without a traceback, and exit with code 2.
    """


class GraphError(GennapeError):
    """A computation graph that cannot exist: shapes that do not fit, a cycle, a malformed table."""


class SpecError(GennapeError):
    """A specification that does not name a network of its family."""


class ModelFileError(GennapeError):
    """A model file that cannot be read as a network."""


class LabelError(GennapeError):
    """A table of labels that lacks a column, a row or a number."""


class CollectionError(GennapeError):
    """A folder of graphs on disk that is damaged, or of another version."""


class DownloadError(GennapeError):
    """A file that could not be fetched, or is not the one that was expected."""


class ModuleError(GennapeError):
    """A PyTorch module that cannot be recorded as a network."""
