"""From pictures to a body: landmarks, found by MediaPipe and kept in files, and joint angles."""
