"""English words that stand in most sentences and say nothing of what they are about.

Where meaning is ranked too, the words of a query are only asked for what meaning blurs: names,
numbers, rare words. A match on "who" or "the" would count there as much as one on a name.
"""

COMMON_WORDS = frozenset(
    """
    a about after again all also am an and any are as at be because been before being between both
    but by can could did do does doing down during each few for from further had has have having he
    her here hers him his how i if in into is it its itself just me more most must my myself no nor
    not now of off on once only or other our ours out over own same shall she should so some such
    than that the their theirs them then there these they this those through to too under until up
    us very was we were what when where which while who whom whose why will with would you your
    yours
    """.split()  # noqa: SIM905 - a page of words
)
