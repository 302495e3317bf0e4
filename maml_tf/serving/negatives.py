"""The label of examples that are for no intent.

Each is a class of its own to the model, for they have nothing in common: a query that
is nearer to one of them than to any intent is out of scope.
"""

# No word, so that no model takes it for the name of an intent.
NEGATIVE = "(none)"
