"""From recordings to batches: windows, balanced sampling, augmentation, the features that a model sees."""
