"""The attack catalogue: a declaration and a detector each, and the code that runs them over a view."""
