"""How good it is: scores with intervals, what one would try instead, reports."""
