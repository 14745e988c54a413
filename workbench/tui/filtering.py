"""The language of filters, the same for every list: ``text``, ``!text``, ``-f fuzzy``, ``-l key=value``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

Test = Callable[[int, str], bool]
"""Whether the item at a place fits what stands after a word and its colon (in lower case)."""


def matching(
    hay: Sequence[str],
    text: str,
    tests: Mapping[str, Test] | None = None,
    labels: Callable[[int, Sequence[str]], bool] | None = None,
) -> list[int]:
    """The places of the items that a filter keeps.

    Args:
        hay: What is searched for each item, in lower case.
        text: Words that must all occur; ``!word`` must not; ``-f`` before a word makes it match fuzzily; ``-l`` before
            one makes it a selector of labels.
        tests: What ``word:value`` asks, by word.
        labels: Whether the labels of the item at a place fit the parts of a selector.
    """
    kept = list(range(len(hay)))
    option = ""
    for word in text.split():
        if word in ("-f", "-l"):
            option = word
            continue
        inverse = word.startswith("!") and len(word) > 1
        given = word[1:] if inverse else word
        needle = given.lower()
        name, _, value = needle.partition(":")
        test = (tests or {}).get(name)
        if option == "-l" and labels is not None:
            parts = given.split(",")
            kept = [at for at in kept if labels(at, parts) != inverse]
        elif test is not None and ":" in needle:
            kept = [at for at in kept if test(at, value) != inverse]
        elif option == "-f":
            kept = [at for at in kept if _fuzzy(needle, hay[at]) != inverse]
        else:
            kept = [at for at in kept if (needle in hay[at]) != inverse]
        option = ""
    return kept


def _fuzzy(needle: str, text: str) -> bool:
    """Whether the letters occur in this order within one word."""
    for word in text.split():
        at = 0
        for letter in needle:
            at = word.find(letter, at) + 1
            if not at:
                break
        else:
            return True
    return False
