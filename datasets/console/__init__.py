"""Parts of every command: output, misspelt words, and paths in the home folder."""
