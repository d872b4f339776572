"""SVG by string templates: the few shapes that the figures need, with colors for light and for dark pages.

A figure lies on a card of its own color, so it can be read on any page. Classes name colors: `ink` and `soft` for text,
`line` for edges, `card` for the background; `a` to `e` fill bars and parts of files.
"""

from html import escape

SANS = "-apple-system, 'Segoe UI', Roboto, Helvetica, Arial, 'DejaVu Sans', sans-serif"
MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"

# By class: for light pages, for dark ones.
COLORS = {
    "card": ("#ffffff", "#161b22"),
    "ink": ("#1f2328", "#e6edf3"),
    "soft": ("#59636e", "#9aa5b1"),
    "line": ("#c4ccd4", "#3d4650"),
    "a": ("#1f77d0", "#4c9be8"),
    "b": ("#b9c2cc", "#59636e"),
    "c": ("#d9e9f8", "#1c3a57"),
    "d": ("#fbe3c2", "#553f1c"),
    "e": ("#e2f1df", "#24432a"),
}
LIGHT, DARK = ({name: pair[page] for name, pair in COLORS.items()} for page in (0, 1))


def style():
    def rules(colors):
        fills = "".join(f".{name}{{fill:{color}}}" for name, color in colors.items() if name != "line")
        edges = f".line{{stroke:{colors['line']};fill:none}}.edge{{stroke:{colors['line']}}}"
        return fills + edges + f".arrow{{stroke:{colors['soft']};fill:none;stroke-width:1.5}}"

    fonts = f"text{{font-family:{SANS};font-size:13px}}.mono{{font-family:{MONO};font-size:12px}}"
    fonts += ".small{font-size:11.5px}.bold{font-weight:600}.title{font-size:15px;font-weight:600}"
    fonts += ".middle{text-anchor:middle}.end{text-anchor:end}"
    return f"<style>{fonts}{rules(LIGHT)}@media (prefers-color-scheme:dark){{{rules(DARK)}}}</style>"


def head(width, height, title):
    """How a file begins. `title` is what screen readers say."""
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n<title>{escape(title)}</title>'


def figure(width, height, title, parts):
    """The whole file."""
    arrow = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="soft" d="M0,0L8,4L0,8z"/></marker></defs>'
    )
    card = f'<rect class="card edge" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>'
    lines = [head(width, height, title), style(), arrow, card, *parts, "</svg>"]
    return "\n".join(lines) + "\n"


def text(x, y, words, classes="ink"):
    return f'<text x="{x:g}" y="{y:g}" class="{classes}">{escape(words)}</text>'


def lines(x, y, step, words, classes="ink"):
    """Texts below each other."""
    return [text(x, y + step * row, line, classes) for row, line in enumerate(words)]


def box(x, y, width, height, classes, radius=3):
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius}" class="{classes}"/>'


def labelled(x, y, width, height, fill, words, classes="ink middle"):
    """A box with a text in its middle."""
    return box(x, y, width, height, f"{fill} edge") + text(x + width / 2, y + height / 2 + 4.5, words, classes)


def arrow(*points):
    path = "M" + "L".join(f"{x:g},{y:g}" for x, y in points)
    return f'<path class="arrow" d="{path}" marker-end="url(#tip)"/>'


def line(*points, dashed=False):
    path = "M" + "L".join(f"{x:g},{y:g}" for x, y in points)
    dashes = ' stroke-dasharray="4 3"' if dashed else ""
    return f'<path class="line" d="{path}"{dashes}/>'
