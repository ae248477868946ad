"""From a timeline to exercises and repetitions, and the plain counter by one joint angle."""
