"""What is printed at the end of an epoch: scores, speed, and how long the run may still take."""

from wt_jax.training.setup import TrainingRun


def epoch_line(run: TrainingRun, is_best: bool) -> str:
    """Of the last epoch in the run's history, * where it is the best so far."""
    history, n_epochs = run.progress.history, run.options.train.epochs
    epoch, learning_rate = history.last(), run.progress.monitor.learning_rate
    parts_s = [epoch[key] for key in ("epoch_seconds", "validation_seconds", "checkpoint_seconds")]
    left_s = (n_epochs - len(history)) * sum(parts_s)
    validating, saving = (100 * part_s / sum(parts_s) for part_s in parts_s[1:])
    line = (
        f"epoch {len(history):>3}/{n_epochs}  loss {epoch['loss']:.3f}  "
        f"class {epoch['classification_accuracy']:.3f}  starts {epoch['segmentation_loss']:.4f}  |  "
        f"validation class {epoch['val_classification_accuracy']:.3f}  "
        f"starts {epoch['val_segmentation_loss']:.4f}{'*' if is_best else ' '} "
        f"auc {epoch['val_segmentation_auc']:.3f}  |  "
        f"{epoch['windows_per_second']:,.0f} windows/s, waiting {100 * epoch['data_wait_share']:.1f} %, "
        f"{sum(parts_s):.1f} s (validation {validating:.1f} %, saving {saving:.1f} %), "
        f"at most {left_s / 60:.0f} min left"
    )
    if learning_rate != epoch["learning_rate"]:
        line += f"\n  no better for {run.options.optimizer.plateau_patience} epochs: learning rate "
        line += f"{epoch['learning_rate']:.2g} -> {learning_rate:.2g}"
    return line
