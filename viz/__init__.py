"""Figures: the floor where what `exact` found becomes float and is drawn.

`viz.figures` has one module per figure, each with a function that draws into given axes and one
that makes the whole figure; `viz.style.save` writes it as SVG and PNG. `style` alone knows colours
and fonts, `projections` makes planes of R^n flat, `labels` places text, `decision` finds decision
boundaries. `catalogue` is where a figure registers itself, so that `exactlens draw` finds it.
"""
