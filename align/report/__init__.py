"""One self-contained HTML page about a run or several, and the pictures on it."""
