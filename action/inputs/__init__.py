"""Inputs of recognisers: clips of data sets, joints in space, and batches of both."""
