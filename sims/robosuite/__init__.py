"""Lift and Can, in robosuite."""
