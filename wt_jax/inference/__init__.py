"""A trained checkpoint asked: of a whole recording, of a video, or of frames as they come."""
