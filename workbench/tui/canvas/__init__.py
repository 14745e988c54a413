"""The picture of an attack path: what is worth drawing, and where it stands; no widget."""
