"""Watch servers from outside, as their clients see them: examine, judge, and say what has changed."""
