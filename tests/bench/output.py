"""Numbers, cells and tables in Markdown."""


def number(value, digits=2):
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.{digits}f}"


def cell(figure, spread=True):
    if figure is None:
        return "–"
    text = number(figure.median)
    return f"{text} ({number(figure.low)}–{number(figure.high)})" if spread and figure.high > figure.low * 1.02 else text


def markdown(heading, columns, rows):
    lines = [f"### {heading}", ""] if heading else []
    lines += ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    return "\n".join(lines + ["| " + " | ".join(str(c) for c in row) + " |" for row in rows]) + "\n"
