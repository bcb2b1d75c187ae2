"""The instruments: what each answers for whole batches on toys, beside full enumeration.

Every answer is compared, to the last crossing: codes, crossings, angles, statuses, relations,
counts, bits. The toys are random ones of every kind of norm and depth, every second of those that
the tests compare (:mod:`studies.enumerated_toys`), and those of the study that are small
enough.
"""

from __future__ import annotations

from collections.abc import Sequence

from studies.enumerated_toys import Toy, random_toys
from studies.finding import Answer, Finding, Kind
from studies.instruments_on_toys import INSTRUMENTS, judged
from studies.question import Question
from studies.rules import Claim, theorem
from studies.statistics import Estimate
from studies.subjects import Subjects

CLAIM = "instruments"
EQUAL = Claim(
    CLAIM,
    "Every batched instrument answers on toys as full enumeration does.",
    Kind.THEOREM,
    theorem(
        "no answer differs (floats: angles and positions by 1e-9, lengths by a millionth)",
        open_if="there was none to compare",
    ),
)


def ask(subjects: Subjects) -> Answer:
    """A finding for each instrument, none of networks that a user gave."""
    if subjects.own:
        return Answer(())
    toys = [*random_toys()[::2], *trained(subjects)]
    return Answer(tuple(finding_of(name, toys) for name in INSTRUMENTS))


def trained(subjects: Subjects) -> list[Toy]:
    """One toy of the study without a norm, and one behind each kind whose sphere is a 2-sphere."""
    found = dict[type, Toy]()
    for toy in subjects.all_toys:
        norm = toy.block.blocks[0].norm
        if len(toy.block.hidden_layers) == 1 and (norm is None or norm.sphere_dim == 2):
            found.setdefault(type(norm), Toy(f"trained on {toy.name}", toy.block))
    return list(found.values())


def finding_of(name: str, toys: Sequence[Toy]) -> Finding:
    """What was compared of one instrument."""
    compared = judged(name, toys)
    where = f"{compared.answers:,} answers on {len(compared.toys)} toys"
    violations = Estimate.unknown("nothing was compared")
    if compared.answers:
        violations = Estimate.exactly(compared.differences)
    data = {
        "toys": list(compared.toys),
        "answers": compared.answers,
        "differences": compared.differences,
    }
    value = f"{where}, {compared.differences:,} differ"
    return EQUAL.finding(name, violations, value=value, data=data)


QUESTION = Question(
    CLAIM,
    "Do the instruments agree with full enumeration?",
    ask,
    (EQUAL,),
    ("toys", "deep", "spheres"),
    fits=lambda _: False,
    needs="toys of its own: codes of yours are compared by `partition`",
    asked="Do the batched instruments, which a language model needs, answer as full enumeration "
    "does where that can be had?",
    controls="Full enumeration of random and trained toys.",
    core=True,
)
