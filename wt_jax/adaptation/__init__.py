"""One exercise more for a checkpoint, from a few clips of it.

The clips and what is known of their repetitions, the training that keeps the old exercises, and an honest score.
"""
