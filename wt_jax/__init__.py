"""wt_jax: which exercise, and how many repetitions, from videos of people exercising."""
