"""Networks as graphs of steps: structured operators, maxima, and what is read off at points."""
