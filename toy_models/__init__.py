"""Networks small enough to take apart exactly: tasks and your own data, models, a trainer,
checkpoints, and a tiny GPT-2.
"""

from toy_models.datasets import Dataset
from toy_models.models import ModelConfig, ToyModel
from toy_models.tasks import TASKS, make, register
from toy_models.train import TrainConfig, TrainResult, fit

__all__ = [
    "TASKS",
    "Dataset",
    "ModelConfig",
    "ToyModel",
    "TrainConfig",
    "TrainResult",
    "fit",
    "make",
    "register",
]
