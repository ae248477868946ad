"""One exercise more for a checkpoint, from a few clips of it.

The clips and what is known of their repetitions, how they are learned, and an honest score.
"""
