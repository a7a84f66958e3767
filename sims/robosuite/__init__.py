"""The tasks Lift and Can in robosuite, and replays of recorded demonstrations of any task."""
