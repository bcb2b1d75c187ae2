"""Networks small enough to take apart exactly: tasks and your own data, models, a trainer,
ensembles and populations of toys, checkpoints, and a tiny GPT-2.
"""

from toy_models.datasets import Dataset
from toy_models.ensembles import fit_ensemble, fit_many
from toy_models.models import ModelConfig, ToyModel
from toy_models.populations import Population, population
from toy_models.tasks import TASKS, make, register
from toy_models.train import TrainConfig, TrainResult, fit, untrained
from toy_models.training_cache import TrainingCache

__all__ = [
    "TASKS",
    "Dataset",
    "ModelConfig",
    "Population",
    "ToyModel",
    "TrainConfig",
    "TrainResult",
    "TrainingCache",
    "fit",
    "fit_ensemble",
    "fit_many",
    "make",
    "population",
    "register",
    "untrained",
]
