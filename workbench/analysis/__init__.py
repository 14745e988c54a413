"""Paths, ranking, choke points and what-if over the graph; it knows changes of objects, not fixes."""
