"""Progress from 0 to 1 of any video through a task, read off reference demonstrations.

`references` holds the demonstrations, `methods` reads progress off them, `measures` compares it
with time, phases and success, and `causality` says which runs can judge a frame when it is seen.
"""
