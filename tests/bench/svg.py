"""Charts as small SVG files, legible on a light and on a dark page: curves over two axes, and dots on one scale."""
import html
import math

WIDTH, LEFT, RIGHT, TOP = 720, 64, 190, 44
# Told apart also without colour: by dashes, and by the order of the legend. What has a name here looks the same in every chart.
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#7f7f7f", "#cc79a7", "#b8860b", "#56a0c9", "#9467bd", "#8c564b", "#2ca02c"]
DASHES = ["", "", "", "", "6 3", "6 3", "2 3", "2 3", "8 3 2 3", "8 3 2 3"]
KNOWN = ["midden full", "midden leaks", "midden production", "glibc", "LSan", "ASan", "malloc_check", "heaptrack", "memcheck", "heaptrack, in process"]
STYLE = """<style>
text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-size:14px;font-weight:600}.grid{stroke:#8c959f;stroke-opacity:.3}.axis{stroke:#57606a}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.axis{stroke:#9da7b1}}
</style>"""


def short(value):
    """A label of an axis."""
    for limit, suffix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= limit:
            return f"{value / limit:g}{suffix}"
    return f"{value:g}"


class Axis:
    """From values to places between two ends of the page."""

    def __init__(self, values, begin, end, log):
        self.begin, self.end, self.log = begin, end, log
        low, high = min(values), max(values)
        if log:
            marks = [s * 10.0 ** d for d in range(-9, 13) for s in (1, 2, 5)]
            self.low = math.log10(max(m for m in marks if m <= low * 1.001))
            self.high = math.log10(min(m for m in marks if m >= high / 1.001 and math.log10(m) > self.low))
        else:
            self.low, self.high = 0, high * 1.05 or 1

    def place(self, value):
        value = math.log10(value) if self.log else value
        return self.begin + (value - self.low) / (self.high - self.low) * (self.end - self.begin)

    def ticks(self):
        if self.log:
            steps = (1, 2, 5) if self.high - self.low <= 2 else (1,)
            return [s * 10.0 ** d for d in range(-9, 13) for s in steps if self.low - 1e-9 <= math.log10(s) + d <= self.high + 1e-9]
        step = 10 ** math.floor(math.log10(self.high / 4))
        step *= next(m for m in (1, 2, 5, 10) if self.high / (step * m) <= 6)
        return [i * step for i in range(int(self.high / step) + 1)]


def document(title, height, parts):
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">',
                      f"<title>{html.escape(title)}</title>", STYLE, f'<text class="title" x="{LEFT}" y="20">{html.escape(title)}</text>', *parts, "</svg>\n"])


def style(names, name):
    """(colour, dashes) of one of the names in a chart."""
    i = (KNOWN.index(name) if name in KNOWN else list(names).index(name)) % len(COLOURS)
    return COLOURS[i], DASHES[i]


def legend(names):
    parts = []
    for i, name in enumerate(names):
        y = TOP + 10 + 18 * i
        colour, dashes = style(names, name)
        parts.append(f'<path d="M{WIDTH - RIGHT + 14} {y}h24" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>'
                     f'<circle cx="{WIDTH - RIGHT + 26}" cy="{y}" r="3" fill="{colour}"/>'
                     f'<text x="{WIDTH - RIGHT + 44}" y="{y + 4}">{html.escape(name)}</text>')
    return parts


def curves(title, x_label, y_label, lines, log_x=False, log_y=False, height=400):
    """lines: {name: [(x, y)]}. The text of an SVG file, or None when there is nothing to draw."""
    lines = {name: sorted(p for p in points if (p[1] > 0 or not log_y) and (p[0] > 0 or not log_x)) for name, points in lines.items()}
    points = [p for of in lines.values() for p in of]
    if not points:
        return None
    bottom = height - 52
    x, y = Axis([p[0] for p in points], LEFT, WIDTH - RIGHT, log_x), Axis([p[1] for p in points], bottom, TOP, log_y)
    parts = []
    for tick in x.ticks():
        at = x.place(tick)
        parts.append(f'<path class="grid" d="M{at:.1f} {TOP}V{bottom}"/><text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{short(tick)}</text>')
    for tick in y.ticks():
        at = y.place(tick)
        parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/><text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{short(tick)}</text>')
    parts.append(f'<path class="axis" fill="none" d="M{LEFT} {TOP}V{bottom}H{WIDTH - RIGHT}"/>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{height - 12}" text-anchor="middle">{html.escape(x_label)}</text>')
    parts.append(f'<text x="{LEFT}" y="{TOP - 8}">{html.escape(y_label)}</text>')
    for name, of in lines.items():
        colour, dashes = style(lines, name)
        places = [(x.place(a), y.place(b)) for a, b in of]
        if places:
            path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in places)
            parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>')
            parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in places]
    return document(title, height, parts + legend(lines))


def dots(title, x_label, rows, names):
    """rows: {label: {name: value}}: a line a row with a dot a name, on a logarithmic scale. The text of an SVG file, or None."""
    values = [v for of in rows.values() for v in of.values() if v > 0]
    if not values:
        return None
    left, bottom = 130, TOP + 26 * len(rows)
    x, parts = Axis([*values, 1], left, WIDTH - RIGHT, True), []
    for tick in x.ticks():
        at = x.place(tick)
        kind = "axis" if tick == 1 else "grid"
        parts.append(f'<path class="{kind}" d="M{at:.1f} {TOP}V{bottom}"/><text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{short(tick)}</text>')
    parts.append(f'<text x="{(left + WIDTH - RIGHT) / 2}" y="{bottom + 40}" text-anchor="middle">{html.escape(x_label)}</text>')
    for k, (label, of) in enumerate(rows.items()):
        at = TOP + 13 + 26 * k
        parts.append(f'<text x="{left - 8}" y="{at + 4}" text-anchor="end">{html.escape(label)}</text><path class="grid" d="M{left} {at}H{WIDTH - RIGHT}"/>')
        parts += [f'<circle cx="{x.place(of[n]):.1f}" cy="{at}" r="4.5" fill="{style(names, n)[0]}"/>' for n in names if of.get(n, 0) > 0]
    return document(title, max(bottom + 52, TOP + 18 * len(names) + 20), parts + legend(names))
