"""Reusable parts that know no screen."""
