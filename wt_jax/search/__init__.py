"""Better settings, looked for.

A space, the study that Optuna keeps, trials and their folds trained as one program, the report.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "cohort": ["Cohort", "Member"],
        "experiment_file": ["write_experiment"],
        "space": ["log", "one_of", "uniform", "whole"],
        "study": ["Study"],
    },
)
