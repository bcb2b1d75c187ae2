"""The texts whose claims are asked, by title and authors, and where they can be read."""

from __future__ import annotations

from studies.question import Text

MONOSEMANTIC = Text(
    "Because of LayerNorm, Directions in GPT-2 MLP Layers are Monosemantic",
    "a post on LessWrong, with its comments, 2023",
    "https://www.lesswrong.com/posts/pvCpvMjjyXaAXtnSi/because-of-layernorm-directions-in-gpt-2-mlp-layers-are",
)
POLYTOPE_LENS = Text(
    "Interpreting Neural Networks through the Polytope Lens",
    "Sid Black, Lee Sharkey, Leo Grinsztajn, Eric Winsor, Dan Braun, Jacob Merizian, Kip Parker, "
    "Carlos Ramón Guevara, Beren Millidge, Gabriel Alfour, Connor Leahy, 2022",
    "https://arxiv.org/abs/2211.12312",
)
VISUALIZING_NORMS = Text(
    "Visualizing layer normalization",
    "a note on dfnaiff.github.io, 2023",
    "https://dfnaiff.github.io/2023/01/15/visualizing-layer-normalization.html",
)
SMEARING = Text(
    'Preliminary Steps Toward Investigating the "Smearing" Hypothesis for Layer Normalizing in a '
    "1-Layer SoLU Model",
    "Mateusz Bagiński, Alana Xiang, Kunvar Thaman, Rohan Gupta and others, Apart Research "
    "Alignment Jam 10, 2023",
)
NORM_OR_LOSS = Text(
    "Comments on whether LayerNorm or cross-entropy makes directions matter",
    "a thread of comments, authors not named in the copy that was read",
)
STABLE_REGIONS = Text(
    "Characterizing stable regions in the residual stream of LLMs",
    "Jett Janiak, Jacek Karwowski, Chatrik Singh Mangat, Giorgi Giglemiani, Nora Petrova, Stefan "
    "Heimersheim, 2024",
    "https://arxiv.org/abs/2409.17113",
)
LOCAL_COMPLEXITY = Text(
    "Deep Networks Always Grok and Here is Why",
    "Ahmed Imtiaz Humayun, Randall Balestriero, Richard Baraniuk, 2024",
    "https://arxiv.org/abs/2402.15555",
)
LINEAR_REGIONS = Text(
    "The Computational Complexity of Counting Linear Regions in ReLU Neural Networks",
    "Moritz Stargalla, Christoph Hertrich, Daniel Reichman, 2025",
    "https://arxiv.org/abs/2505.16716",
)
