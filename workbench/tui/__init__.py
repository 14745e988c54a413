"""The terminal interface: the app, its screens and widgets. Only this package imports ``textual``."""
