"""Fixes: computed from the object, aimed at its right owner, proven by rebuilding the graph, exported as patches."""
