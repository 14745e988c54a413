"""Paths, ranking, choke points and what-if over the graph; it knows changes of objects, not fixes."""

from workbench.analysis.deferred import defer

# Every module here needs scipy, or one that does.
defer()
