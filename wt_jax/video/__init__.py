"""Moving pictures in and out: files, cameras, a window on the screen."""
