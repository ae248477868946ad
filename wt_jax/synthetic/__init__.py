"""People who never were, as landmarks: bodies, their movements, a camera."""
