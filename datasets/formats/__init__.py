"""Readers and writers of episodes in other projects' formats."""
