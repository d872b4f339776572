"""SVG by string templates: the few shapes that the figures need, with colors for light and for dark pages.

A figure lies on a card of its own color, so it can be read on any page. Classes name colors: `ink` and `soft` for text,
`line` for edges, `card` for the background, and for fills `a` (inlaid), `b` (others), `c` and `d` for parts of a file.
"""

from html import escape

SANS = "-apple-system, 'Segoe UI', Roboto, Helvetica, Arial, 'DejaVu Sans', sans-serif"
MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"

LIGHT = dict(
    card="#ffffff", ink="#1f2328", soft="#59636e", line="#c4ccd4", a="#1f77d0", b="#b9c2cc", c="#d9e9f8", d="#fbe3c2", e="#e2f1df"
)
DARK = dict(
    card="#161b22", ink="#e6edf3", soft="#9aa5b1", line="#3d4650", a="#4c9be8", b="#59636e", c="#1c3a57", d="#553f1c", e="#24432a"
)


def style():
    def rules(colors):
        fills = "".join(f".{name}{{fill:{color}}}" for name, color in colors.items() if name != "line")
        edges = f".line{{stroke:{colors['line']};fill:none}}.edge{{stroke:{colors['line']}}}"
        return fills + edges + f".arrow{{stroke:{colors['soft']};fill:none;stroke-width:1.5}}"

    fonts = f"text{{font-family:{SANS};font-size:13px}}.mono{{font-family:{MONO};font-size:12px}}"
    fonts += ".small{font-size:11.5px}.bold{font-weight:600}.title{font-size:15px;font-weight:600}"
    fonts += ".middle{text-anchor:middle}.end{text-anchor:end}"
    return f"<style>{fonts}{rules(LIGHT)}@media (prefers-color-scheme:dark){{{rules(DARK)}}}</style>"


def figure(width, height, title, parts):
    """The whole file. `title` is read out to those who can't see it."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">'
    arrow = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="soft" d="M0,0L8,4L0,8z"/></marker></defs>'
    )
    card = f'<rect class="card edge" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>'
    lines = [head, f"<title>{escape(title)}</title>", style(), arrow, card, *parts, "</svg>"]
    return "\n".join(lines) + "\n"


def text(x, y, words, classes="ink"):
    return f'<text x="{x:g}" y="{y:g}" class="{classes}">{escape(words)}</text>'


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
