"""The protocols behind published transfer figures, and their reports."""
