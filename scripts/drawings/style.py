"""One look for all drawings, as CSS inside each file.

A viewer of the file sees it in light or dark, as the system has it. Inside the book, where the SVG
is part of the page, the theme of the page decides: ``data-theme`` and the theme's variables.
"""

WIDTH, SIZE = 520, 16  # of a drawing and of text, in units; on a phone a unit is about 0.7 px

LIGHT = {
    "ink": "#23292f", "muted": "#57606a", "paper": "#ffffff", "plain": "#f3f5f6",
    "edge": "#87919b", "grid": "#d3d9de",
    "data": "#0072B2", "data-tint": "#e0eef6", "data-text": "#005a8e",
    "noise": "#E69F00", "noise-tint": "#fcf0d9", "noise-text": "#855600",
    "model": "#009E73", "model-tint": "#ddf1eb", "model-text": "#00664a",
}  # fmt: skip
DARK = {
    "ink": "#d6dbe0", "muted": "#9aa4ae", "paper": "#14181c", "plain": "#232a31",
    "edge": "#7f8a94", "grid": "#39434d",
    "data": "#56a9dd", "data-tint": "#163244", "data-text": "#7cc3f0",
    "noise": "#e6ab3c", "noise-tint": "#3b2f15", "noise-text": "#f0c067",
    "model": "#35b98f", "model-tint": "#123a2e", "model-text": "#58d0a8",
}  # fmt: skip
THEME = {"ink": "--pst-color-text-base", "muted": "--pst-color-text-muted"}  # of the book's pages

SHAPES = """
.drawing:not(:root) { display: block; width: 100%; max-width: 560px; height: auto; margin: 0 auto;
  break-inside: avoid }
.drawing:root { background: var(--paper) }
.drawing text { font: SIZEpx system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'Liberation Sans',
  sans-serif; fill: var(--ink); text-anchor: middle }
.drawing .m { font-family: 'Times New Roman', 'Liberation Serif', 'Noto Serif', 'DejaVu Serif',
  serif; font-size: 1.12em }
.drawing .i { font-style: italic }
.drawing .s { font-size: .8em }
.drawing .c { font-family: ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono',
  monospace; font-size: .9em }
.drawing .bold { font-weight: 600 }
.drawing .start { text-anchor: start }
.drawing .end { text-anchor: end }
.drawing rect, .drawing circle { fill: var(--plain); stroke: var(--edge); stroke-width: 1.5 }
.drawing path { fill: none; stroke: var(--muted); stroke-width: 2; stroke-linejoin: round }
.drawing .exact { stroke: var(--ink) }
.drawing .grid { stroke: var(--grid) }
.drawing .dash { stroke-dasharray: 5 4 }
.drawing .KIND { fill: var(--KIND-tint); stroke: var(--KIND) }
.drawing path.KIND { fill: none }
.drawing text.KIND { fill: var(--KIND-text); stroke: none }
.drawing path.head.KIND, .drawing .dot.KIND { fill: var(--KIND) }
.drawing text.muted { fill: var(--muted) }
.drawing path.head { fill: var(--muted); stroke: none }
.drawing path.head.exact, .drawing .dot.exact { fill: var(--ink) }
.drawing .solid { fill: var(--model); stroke: var(--model) }
.drawing rect.number { fill: var(--ink); stroke: none }
.drawing text.number { fill: var(--paper) }
.drawing .dot, .drawing .lane, .drawing .tile path { stroke: none }
.drawing .tile { shape-rendering: crispEdges }
.drawing .frame { fill: none; stroke-width: 1 }
.drawing .mark { fill: none; stroke-width: 2 }
"""


def variables(colors: dict[str, str]) -> str:
    """CSS variables; ink and muted are those of the book's page where there is one."""
    values = {n: f"var({THEME[n]}, {c})" if n in THEME else c for n, c in colors.items()}
    return " ".join(f"--{name}: {value};" for name, value in values.items())


def _style() -> str:
    rules = [
        f".drawing {{ {variables(LIGHT)} }}",
        f"@media (prefers-color-scheme: dark) {{ .drawing:root {{ {variables(DARK)} }} }}",
        f'@media screen {{ [data-theme="dark"] .drawing {{ {variables(DARK)} }} }}',
    ]
    for rule in SHAPES.replace("SIZE", str(SIZE)).replace("\n  ", " ").splitlines():
        kinds = ("data", "noise", "model") if "KIND" in rule else ("",)
        rules += [rule.replace("KIND", kind) for kind in kinds]
    return "\n".join(filter(None, rules))


STYLE = _style()
