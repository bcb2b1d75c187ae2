"""The commands that ask language models: `exactlens gpt2 | steer | codes`. As in
`studies.command_line`, only typer is imported here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studies.options import Device, Force, ReluIsed, Root, Seed, Words, file_to_write

Asked = Annotated[
    str,
    typer.Argument(
        metavar="MODEL|RUN",
        help="A folder or hub name of a language model, or a run as `partition` takes it.",
        show_default=False,
    ),
]
Vectors = Annotated[
    Path,
    typer.Option(
        help="The vectors, one a row: .npy, .safetensors or .csv (its decimals as floats).",
        show_default=False,
    ),
]
InFront = Annotated[
    int | None,
    typer.Option(
        help="The vectors stand in front of this layer: of a model from 0, of hidden layers of a "
        "run from 1.",
        show_default=False,
    ),
]
Keep = Annotated[
    bool, typer.Option("--keep", help="Leave out rows that make no sense, and name them.")
]
TableFile = Annotated[
    Path | None,
    typer.Option(
        help="Write the table to this .parquet or .csv.",
        parser=file_to_write,
        metavar="PATH",
        show_default=False,
    ),
]


def gpt2(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="FOLDER_OR_NAME",
            help="A checkpoint of GPT-2, Pythia, Phi, OPT, LLaMA, Qwen, Mistral, Gemma or BERT.",
            show_default=False,
        ),
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(
            help="Run the model on this file, a text a line, and report on --layers.",
            show_default=False,
        ),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option(help="With --text: all, or 0,3-5 (default: all).", show_default=False),
    ] = None,
    layer: Annotated[
        int | None,
        typer.Option(help="Which block, from 0 (default: the middle one).", show_default=False),
    ] = None,
    geodesics: Annotated[
        int | None,
        typer.Option(
            help="How many great circles (default: 8, or all of --vectors); with --text how many "
            "pairs of neighbouring tokens (256).",
            min=1,
            show_default=False,
        ),
    ] = None,
    vectors: Annotated[
        Path | None,
        typer.Option(help="Directions, two rows per circle: .safetensors, .npy or .csv."),
    ] = None,
    seed: Seed = 0,
    device: Device = "cpu",
    train_tiny: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Train a tiny GPT-2 into this folder first.")
    ] = None,
    steps: Annotated[int, typer.Option(help="Of --train-tiny.", min=1)] = 500,
    force: Force = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write the numbers to this .json; with --text the folder of the report "
            "(default: runs/MODEL-TEXT).",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Ask the MLP layers of a language model, on a text or along great circles.

    Circles go through directions that one layer reads: random ones, or those of --vectors. A name
    such as gpt2 is looked up on the Hugging Face hub; a folder works offline. With --text:
    report.html, and for each layer codes, nearest boundaries, firing, bfloat16, and crossings from
    token to token as Parquet files (docs/language-models.md). Interrupted, the same call goes on.

    Examples:

        exactlens gpt2 --train-tiny runs/tiny-gpt2

        exactlens gpt2 runs/tiny-gpt2 --text README.md --layers all

        exactlens gpt2 runs/tiny-gpt2 --layer 1 --geodesics 8

        exactlens gpt2 gpt2 --layer 4 --device cuda
    """
    from studies.commands import gpt2 as command

    return command.run(
        model,
        text=text,
        layers=layers,
        layer=layer,
        geodesics=geodesics,
        vectors=vectors,
        seed=seed,
        device=device,
        train_tiny=train_tiny,
        steps=steps,
        force=force,
        out=out,
    )


def steer(
    *,
    target: Asked,
    vectors: Vectors,
    direction: Annotated[
        Path,
        typer.Option(
            help="One direction d, or one for each vector x: .npy, .safetensors or .csv.",
            show_default=False,
        ),
    ],
    alphas: Annotated[
        Words,
        typer.Option(
            "--alphas",
            metavar="LO HI",
            help="The strengths alpha between which crossings are looked for, such as 0 8.",
            show_default=False,
        ),
    ],
    layer: InFront = None,
    product: Annotated[
        bool, typer.Option("--product", help="Steer every vector in every direction.")
    ] = False,
    relu_ised: ReluIsed = False,
    keep: Keep = False,
    device: Device = "cpu",
    out: TableFile = None,
    root: Root = Path("runs"),
) -> int:
    """Find which neurons flip along x + alpha d, on or off, and at which strength alpha.

    Every crossing is found, exactly, through all hidden layers; the first ones are printed.

    Examples:

        exactlens steer runs/tiny-gpt2 --layer 1 --vectors x.npy --direction d.npy --alphas 0 8

        exactlens steer moons-none --vectors x.csv --direction d.csv --alphas -1 1/2 --out x.csv
    """
    from studies.commands import steer as command

    return command.run(
        target,
        vectors=vectors,
        direction=direction,
        alphas=alphas or [],
        layer=layer,
        product=product,
        relu_ised=relu_ised,
        keep=keep,
        device=device,
        out=out,
        root=root,
    )


def codes(
    *,
    target: Asked,
    vectors: Vectors,
    layer: InFront = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            help="Compare with the codes that torch computes in bf16, fp16, fp32 or tf32.",
            show_default=False,
        ),
    ] = None,
    relu_ised: ReluIsed = False,
    keep: Keep = False,
    device: Device = "cpu",
    out: TableFile = None,
    root: Root = Path("runs"),
) -> int:
    """Compute the exact spline codes of vectors, and what a low precision makes of them.

    A code has one bit a neuron: whether its pre-activation is positive.

    Examples:

        exactlens codes runs/tiny-gpt2 --layer 1 --vectors x.npy --dtype bf16

        exactlens codes moons-layernorm --vectors x.csv --out codes.parquet
    """
    from studies.commands import codes as command

    return command.run(
        target,
        vectors=vectors,
        layer=layer,
        dtype=dtype,
        relu_ised=relu_ised,
        keep=keep,
        device=device,
        out=out,
        root=root,
    )
