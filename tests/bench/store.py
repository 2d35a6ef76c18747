"""The figures: written to a file the moment they are there, read back to go on or to draw them again.

One line of bench.csv a figure. A later line about the same thing replaces an earlier one, so that appending is all that writing ever
does, and a run that was cut short leaves every measurement that it finished. What could not be measured is a line too: the quantity is
`failed` and the note says why.
"""
import csv
import pathlib

import measure

COLUMNS = ["section", "what", "heap", "quantity", "median", "lowest", "highest", "runs", "note"]
FAILED = "failed"


class Store:
    def __init__(self, place, keep):
        """place: the directory. keep: what it holds already stays; else it begins anew."""
        self.place = pathlib.Path(place)
        self.path = self.place / "bench.csv"
        self.place.mkdir(parents=True, exist_ok=True)
        self.figures = {}       # (section, what, heap) → {quantity: Figure}
        self.notes = {}         # the same → text: "reduced", or why there is no figure
        if keep and self.path.exists():
            self.load()
        else:
            with open(self.path, "w", newline="") as file:
                csv.writer(file).writerow(COLUMNS)
            (self.place / "machine.txt").write_text("")

    def load(self):
        with open(self.path, newline="") as file:
            for row in csv.DictReader(file):
                if None in row.values() or not row["section"]:
                    continue    # what a run that was killed had begun to write
                key = row["section"], row["what"], row["heap"]
                if row["quantity"] == FAILED:
                    self.figures.pop(key, None)
                else:
                    figure = measure.Figure(*(float(row[c]) for c in ("median", "lowest", "highest")), int(row["runs"]))
                    self.figures.setdefault(key, {})[row["quantity"]] = figure
                self.notes[key] = row["note"]

        if not self.path.read_text().endswith("\n"):
            self.append([[]])

    def add(self, section, what, heap, figures, note=""):
        """Takes {quantity: Figure} and has it in the file before it returns."""
        self.figures[section, what, heap] = dict(figures)
        self.append([[section, what, heap, quantity, *(f"{v:.6g}" for v in (f.median, f.low, f.high)), f.runs, note] for quantity, f in figures.items()])
        self.notes[section, what, heap] = note

    def fail(self, section, what, heap, why):
        self.figures.pop((section, what, heap), None)
        self.notes[section, what, heap] = why
        self.append([[section, what, heap, FAILED, "", "", "", 0, why]])

    def append(self, rows):
        with open(self.path, "a", newline="") as file:
            csv.writer(file).writerows(rows)

    def describe(self, text):
        """Keeps a line about the machine and the run, beside those of earlier runs into the same directory."""
        if text not in self.description():
            with open(self.place / "machine.txt", "a") as file:
                file.write(text + "\n")

    def description(self):
        path = self.place / "machine.txt"
        return path.read_text().splitlines() if path.exists() else []

    def has(self, section, what, heap):
        return (section, what, heap) in self.figures

    def get(self, section, what, heap, quantity):
        """A Figure, or None."""
        return self.figures.get((section, what, heap), {}).get(quantity)

    def note(self, section, what, heap):
        return self.notes.get((section, what, heap), "")

    def names(self, section):
        """What was measured in a section, in the order of measuring."""
        return list(dict.fromkeys(what for of, what, _ in self.figures if of == section))

    def heaps(self, section, order):
        """The heaps with figures in a section, those of `order` first and in that order."""
        there = list(dict.fromkeys(heap for of, _, heap in self.figures if of == section))
        return sorted(there, key=lambda heap: order.index(heap) if heap in order else len(order))
