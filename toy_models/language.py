"""A tiny language model of GPT-2's own architecture, trained in seconds on text that every machine
has.

The text is the source code of Python's own standard library, the tokens are its bytes: nothing is
downloaded. The model is transformers' GPT2LMHeadModel and its checkpoint an ordinary folder, so
that whatever reads it reads GPT-2 too; with another norm, or SoLU, it is a variant that only this
module loads (`toy_models.variants`), whose MLPs `exact.sources.transformers.mlp` reads all the
same. `capture_residuals` collects what the MLP of a layer sees before its norm, for any GPT-2,
`capture_activations` what its neurons do.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional

from exact.arithmetic.enclosures.ball_tensors import one_thread
from exact.atomic_files import holding, made_folder, published_folder, sync, write_atomically
from exact.errors import InvalidInput
from toy_models import variants
from toy_models.checkpoints import versions
from toy_models.draws import SEEDS
from toy_models.stored_files import json_object, refuse_pickle, valid_name
from toy_models.texts import OWN_FILE, SEPARATOR, standard_library_text, tokenise, windows
from toy_models.train import finite, present_device, progress_bar
from toy_models.validation import at_least, flag, number, one_of
from toy_models.variants import transformers

BYTES = 256
OWN_FORMAT = "exactlens-language-model-1"


@dataclass(frozen=True)
class LanguageConfig:
    """The shape and the training of a tiny GPT-2: `layers` blocks of width `width`, MLPs four times
    as wide.

    `norm` stands in front of attention, of every MLP and of the unembedding: "layernorm" as in
    GPT-2, "rmsnorm", or "none". `activation` is "gelu_new" as in GPT-2, "gelu", "relu", "silu" or
    "solu", z softmax(z); with SoLU `norm_behind_activation` puts a LayerNorm between the activation
    and the layer behind it. `context` and `text_bytes` count bytes, which are the tokens. A tenth
    of the text is held out. Raises InvalidInput for a setting that no such model can have.
    """

    layers: int = 3
    width: int = 64
    heads: int = 4
    context: int = 64
    steps: int = 500
    batch_size: int = 16
    learning_rate: float = 4e-3
    weight_decay: float = 0.01
    text_bytes: int = 1_000_000
    seed: int = 0
    device: str = "cpu"
    norm: str = "layernorm"
    activation: str = "gelu_new"
    norm_behind_activation: bool = False

    def __post_init__(self) -> None:
        one_of("norm", self.norm, variants.MODEL_TYPES)
        one_of("activation", self.activation, variants.ACTIVATIONS)
        flag("norm_behind_activation", self.norm_behind_activation)
        if self.norm_behind_activation and self.activation != variants.SOLU:
            remedy = 'write activation="solu", or leave norm_behind_activation out'
            raise InvalidInput(
                "a norm behind the activation is SoLU's", value=self.activation, remedy=remedy
            )
        for name in ("layers", "width", "heads", "steps", "batch_size"):
            at_least(name, getattr(self, name), 1)
        at_least("context", self.context, 2)
        at_least("text_bytes", self.text_bytes, 20 * self.context)
        at_least("seed", self.seed, 0, below=SEEDS)
        number("learning_rate", self.learning_rate, positive=True)
        number("weight_decay", self.weight_decay)
        if self.width % self.heads:
            value, remedy = (
                f"width={self.width}, heads={self.heads}",
                "write a width that is a multiple of heads",
            )
            raise InvalidInput("the heads do not divide the width", value=value, remedy=remedy)


@dataclass(frozen=True)
class LanguageResult:
    """A trained model, the loss of every step and that on held-out text (nats per byte), and the
    sha256 of its text.
    """

    config: LanguageConfig
    model: Any
    losses: tuple[float, ...]
    held_out_loss: float
    text_sha256: str


@dataclass(frozen=True)
class Residuals:
    """Residual vectors just before `ln_2` of block `layer`, with the tokens they stand on.

    `vectors` is a float tensor (sequences, positions, d_model) on the CPU, `tokens` an int64 tensor
    (sequences, positions).
    """

    layer: int
    vectors: Tensor
    tokens: Tensor

    def flat(self, skip: int = 0) -> Tensor:
        """All vectors in one tensor (sequences * (positions - skip), d_model), the first `skip`
        positions left out.
        """
        return self.vectors[:, skip:].flatten(0, 1)


@dataclass(frozen=True)
class Activations:
    """What the neurons of block `layer` do on tokens (sequences, positions), on the CPU.

    Float tensors (sequences, positions, d_mlp): `pre_activations` enter the activation,
    `activations` leave it, `outputs` enter the layer behind; the last two differ where a norm
    stands between.
    """

    layer: int
    pre_activations: Tensor
    activations: Tensor
    outputs: Tensor
    tokens: Tensor


def train_language_model(
    config: LanguageConfig | None = None, *, text: bytes | None = None, progress: bool = True
) -> LanguageResult:
    """Train a GPT2LMHeadModel on `text`, or on the standard library's sources, to predict the next
    byte.

    Raises InvalidInput when the text is shorter than twenty contexts or the loss stops being
    finite, and MissingExtra when transformers is not installed. The global random state is left as
    it was.
    """
    config = config or LanguageConfig()
    text = standard_library_text(config.text_bytes) if text is None else text[: config.text_bytes]
    if len(text) < 20 * config.context:
        remedy = f"give at least {20 * config.context} bytes, or write a smaller context"
        raise InvalidInput("the text is too short", value=f"{len(text)} bytes", remedy=remedy)
    tokens = tokenise(text)
    cut = len(tokens) - len(tokens) // 10
    model = untrained(config)
    with one_thread(), progress_bar("language model", config.steps, progress) as report:
        losses = _train(model, tokens[:cut], config, report)
        held_out_loss = language_loss(model, windows(tokens[cut:], config.context))
    return LanguageResult(config, model, losses, held_out_loss, hashlib.sha256(text).hexdigest())


def language_loss(model: nn.Module, tokens: Tensor, batch_size: int = 64) -> float:
    """The mean cross-entropy of the next token, in nats, over `tokens` (sequences, positions)."""
    device = next(model.parameters()).device
    with torch.no_grad():
        losses = [
            _next_token_loss(model, batch.to(device)) * len(batch)
            for batch in torch.split(tokens, batch_size)
        ]
    return float(torch.stack(losses).sum() / len(tokens))


def save(result: LanguageResult, root: str | Path, name: str, *, overwrite: bool = False) -> Path:
    """Write `result` as the HF checkpoint folder `name` under `root`, and return the folder.

    The folder is written beside its place and renamed into it when whole. Raises InvalidInput for a
    name that could leave the root, and for a folder that exists already, unless `overwrite` is said
    and `save` wrote it.
    """
    folder = Path(root) / valid_name(name)
    is_ours = overwrite and (folder / OWN_FILE).is_file()
    if folder.is_symlink() or (folder.exists() and not is_ours):
        remedy = "choose another name, or say overwrite=True to replace a model of ours"
        raise InvalidInput("the folder of the model exists already", value=folder, remedy=remedy)
    with writing(folder), published_folder(folder) as unfinished:
        _write_files(result, unfinished)
    return folder


def was_trained_so(folder: str | Path, config: LanguageConfig) -> bool:
    """Whether `folder` holds what `save` writes of `train_language_model(config)` with the versions
    of libraries that run here.
    """
    own = json_object(Path(folder) / OWN_FILE)
    text = standard_library_text(config.text_bytes)
    return (
        own.get("training") == asdict(config)
        and own.get("versions") == _versions()
        and own.get("text_sha256") == hashlib.sha256(text).hexdigest()
    )


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Keep other processes from writing a model's folder; InvalidInput says who is writing it."""
    lock = folder.with_name(f".{folder.name}.lock")
    with (
        made_folder(folder.parent),
        holding(lock, f"the model {folder.name}", "wait for it, or choose another folder"),
    ):
        yield


def load(folder: str | Path) -> Any:
    """The GPT2LMHeadModel, or the variant of it, in a checkpoint folder, float32, in evaluation
    mode on the CPU; the network is never asked.

    Raises InvalidInput for a folder that is not there, is not GPT-2's, has no safetensors, or lacks
    or garbles weights, MissingExtra without transformers.
    """
    folder = Path(folder)
    refuse_pickle(folder)
    config = folder / "config.json"
    if not config.is_file():
        remedy = "give the folder of a GPT-2 checkpoint, with config.json and model.safetensors"
        raise InvalidInput("there is no language model", value=folder, remedy=remedy)
    if not any(folder.glob("*.safetensors")):
        remedy = "convert the weights to safetensors: pickles are refused"
        raise InvalidInput("the folder has no safetensors", value=folder, remedy=remedy)
    said = json_object(config)
    if said.get("model_type") not in variants.MODEL_TYPES.values():
        remedy = "give a checkpoint whose config.json says model_type gpt2"
        raise InvalidInput("the model is not a GPT-2", value=folder, remedy=remedy)
    made = variants.class_of(said["model_type"], said.get("activation_function", ""))
    return _read_model(folder, made).eval()


def capture_residuals(model: Any, layer: int, tokens: Tensor, *, batch_size: int = 16) -> Residuals:
    """Run `tokens` (sequences, positions) through a GPT-2 and keep the vectors that enter `ln_2` of
    block `layer`.

    Blocks count from 0. Raises InvalidInput for a layer that is not there and for tokens that do
    not fit the model.
    """
    found = _captured(model, layer, tokens, lambda block: {"vectors": block.ln_2}, batch_size)
    return Residuals(layer, found["vectors"], tokens)


def capture_activations(
    model: Any, layer: int, tokens: Tensor, *, batch_size: int = 16
) -> Activations:
    """Run `tokens` (sequences, positions) through a GPT-2 and keep what the neurons of block
    `layer` do, whatever their activation.

    Raises InvalidInput as `capture_residuals` does.
    """

    def parts(block: Any) -> dict[str, nn.Module]:
        behind = getattr(block.mlp.act, "norm", None)
        last = block.mlp.c_proj
        return {
            "pre_activations": block.mlp.act,
            "activations": last if behind is None else behind,
            "outputs": last,
        }

    return Activations(layer, **_captured(model, layer, tokens, parts, batch_size), tokens=tokens)


def _captured(
    model: Any,
    layer: int,
    tokens: Tensor,
    parts: Callable[[Any], Mapping[str, nn.Module]],
    batch_size: int,
) -> dict[str, Tensor]:
    """What enters the modules that `parts` picks from a block, by name, on the CPU."""
    blocks = model.transformer.h
    at_least("layer", layer, 0, below=len(blocks))
    _refuse_tokens(tokens, model.config)
    kept: dict[str, list[Tensor]] = {}

    def keeping(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        kept[name] = []
        return lambda _, inputs: kept[name].append(inputs[0].cpu())

    hooks = [
        module.register_forward_pre_hook(keeping(name))
        for name, module in parts(blocks[layer]).items()
    ]
    device = next(model.parameters()).device
    try:
        with torch.no_grad():
            for batch in torch.split(tokens, batch_size):
                model.eval()(input_ids=batch.to(device), use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: torch.cat(found) for name, found in kept.items()}


def untrained(config: LanguageConfig) -> Any:
    """The model that `train_language_model(config)` starts from."""
    shape = variants.shape_of(
        config.norm,
        config.activation,
        config.norm_behind_activation,
        vocab_size=BYTES,
        n_positions=config.context,
        n_embd=config.width,
        n_layer=config.layers,
        n_head=config.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=SEPARATOR[0],
        eos_token_id=SEPARATOR[0],
    )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(config.seed)
        made = variants.class_of(shape.model_type, shape.activation_function)
        return made(shape).to(present_device(config.device))


def _train(
    model: Any, tokens: Tensor, config: LanguageConfig, report: Callable[[float], None]
) -> tuple[float, ...]:
    """AdamW with a tenth of linear warm-up and a cosine after it; leaves the model in evaluation
    mode.
    """
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.learning_rate, total_steps=config.steps, pct_start=0.1
    )
    generator = torch.Generator().manual_seed(config.seed)
    losses = []
    for step in range(1, config.steps + 1):
        starts = torch.randint(
            len(tokens) - config.context + 1, (config.batch_size, 1), generator=generator
        )
        loss = _next_token_loss(
            model.train(), tokens[starts + torch.arange(config.context)].to(config.device)
        )
        losses.append(finite(loss.item(), step, config.learning_rate))
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        rate.step()
        report(losses[-1])
    model.eval()
    return tuple(losses)


def _next_token_loss(model: Any, batch: Tensor) -> Tensor:
    logits = model(input_ids=batch, use_cache=False).logits
    return functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch[:, 1:].flatten())


def _refuse_tokens(tokens: Tensor, config: Any) -> None:
    if tokens.ndim != 2 or not tokens.numel() or tokens.shape[1] > config.n_positions:
        remedy = (
            f"give (sequences, positions) with at most {config.n_positions} positions; "
            f"`windows` cuts a row"
        )
        raise InvalidInput(
            "the tokens have a wrong shape", value=tuple(tokens.shape), remedy=remedy
        )
    lowest, highest = tokens.min().item(), tokens.max().item()
    if tokens.dtype != torch.int64 or lowest < 0 or highest >= config.vocab_size:
        remedy = (
            f"write int64 tokens from 0 to {config.vocab_size - 1}; `tokenise(text, folder)` "
            f"makes them"
        )
        value = f"{lowest} to {highest}, {tokens.dtype}"
        raise InvalidInput("the model does not know the tokens", value=value, remedy=remedy)


def _write_files(result: LanguageResult, folder: Path) -> None:
    try:
        with _no_bars():
            result.model.save_pretrained(folder)
    except SafetensorError as error:  # it tells of a full disk in words
        number = re.search(r"os error (\d+)", str(error))
        raise (
            OSError(int(number[1]), os.strerror(int(number[1])), str(folder)) if number else error
        ) from error
    write_atomically(folder / OWN_FILE, _own_json(result))
    for file in folder.iterdir():
        sync(file)


def _read_model(folder: Path, model_class: Any) -> Any:
    options = {
        "local_files_only": True,
        "use_safetensors": True,
        "dtype": torch.float32,
        "output_loading_info": True,
    }
    try:
        with _no_bars():
            model, found = model_class.from_pretrained(folder, **options)
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        value, remedy = f"{folder}: {error}", "restore the files, or save the model again"
        raise InvalidInput(
            "the language model cannot be read", value=value, remedy=remedy
        ) from error
    if found["missing_keys"]:
        value, remedy = (
            ", ".join(sorted(found["missing_keys"])),
            "restore the files, or save the model again",
        )
        raise InvalidInput(f"weights are missing in {folder}", value=value, remedy=remedy)
    return model


def _own_json(result: LanguageResult) -> bytes:
    own = {
        "format": OWN_FORMAT,
        "tokens": "bytes",
        "training": asdict(result.config),
        "held_out_loss": result.held_out_loss,
        "text_sha256": result.text_sha256,
        "versions": _versions(),
    }
    return (json.dumps(own, indent=2, allow_nan=False) + "\n").encode()


def _versions() -> dict[str, str]:
    return {**versions(), "transformers": transformers().__version__}


@contextmanager
def _no_bars() -> Iterator[None]:
    """Keep transformers from drawing progress bars for files of a megabyte."""
    logging = transformers().utils.logging
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
