"""Networks small enough to take apart exactly: tasks, models, a trainer, checkpoints, and a tiny
GPT-2.
"""

from toy_models.models import ModelConfig, ToyModel
from toy_models.tasks import TASKS, Dataset, make
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
]
