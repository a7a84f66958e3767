"""The other recognisers of the paper's Tables 3 and 4, each in a file, and their registry."""
