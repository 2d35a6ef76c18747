"""The figures as Markdown tables, as CSV, and as charts."""
import csv
import pathlib


def number(value, digits=2):
    if value is None:
        return "–"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.{digits}f}"


def cell(figure, spread=True):
    if figure is None:
        return "–"
    text = number(figure.median)
    return f"{text} ({number(figure.low)}–{number(figure.high)})" if spread and figure.high > figure.low * 1.02 else text


def markdown(heading, columns, rows):
    lines = [f"### {heading}", "", "| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    return "\n".join(lines + ["| " + " | ".join(str(c) for c in row) + " |" for row in rows]) + "\n"


class Report:
    """Collects tables; keeps each figure for the CSV too."""

    def __init__(self, place):
        self.place, self.parts, self.records = pathlib.Path(place), [], []
        self.place.mkdir(parents=True, exist_ok=True)

    def text(self, text):
        self.parts.append(text + "\n")

    def table(self, heading, columns, rows):
        self.parts.append(markdown(heading, columns, rows))

    def keep(self, group, name, heap, quantity, figure):
        values = (figure.median, figure.low, figure.high) if hasattr(figure, "median") else (figure, figure, figure)
        self.records.append([group, name, heap, quantity, *values])

    def write(self):
        (self.place / "bench.md").write_text("\n".join(self.parts))
        with open(self.place / "bench.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["group", "what", "heap", "quantity", "median", "lowest", "highest"])
            writer.writerows(self.records)


def chart(path, title, x, y, curves, log_x=False, log_y=False):
    """curves: {name: [(x, y)]}. An SVG file; without matplotlib nothing, and False."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("svg")
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for name, points in curves.items():
        if points:
            axes.plot([p[0] for p in points], [p[1] for p in points], marker="o", markersize=3, label=name, linewidth=2 if name.startswith("midden") else 1)
    axes.set(title=title, xlabel=x, ylabel=y)
    if log_x:
        axes.set_xscale("log")
    if log_y:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
    return True


def bars(path, title, y, groups, log_y=True):
    """groups: {heap: {program: value}}: one cluster of bars a program."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("svg")
    from matplotlib import pyplot
    programs = list(dict.fromkeys(p for values in groups.values() for p in values))
    figure, axes = pyplot.subplots(figsize=(10, 4.5))
    width = 0.8 / max(1, len(groups))
    for i, (name, values) in enumerate(groups.items()):
        axes.bar([k + i * width for k in range(len(programs))], [values.get(p, 0) for p in programs], width, label=name)
    axes.set_xticks([k + 0.4 for k in range(len(programs))], programs, rotation=25, ha="right", fontsize=8)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set(title=title, ylabel=y)
    if log_y:
        axes.set_yscale("log")
    axes.legend(fontsize=7, ncol=2)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
    return True
