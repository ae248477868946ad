"""From a folder of landmarks and labels to recordings, each in one split."""
